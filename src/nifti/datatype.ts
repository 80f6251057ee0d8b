/** Voxel types that voxelgrad reads, by NumPy's names. */
export type NiftiDatatype =
  | 'uint8'
  | 'int8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'int64'
  | 'uint64'
  | 'float32'
  | 'float64';

/** Voxel types that voxelgrad writes. */
export type WritableDatatype = Exclude<NiftiDatatype, 'int64' | 'uint64'>;

/** NIfTI's code and the bytes of one voxel. */
export interface DatatypeInfo {
  readonly code: number;
  readonly bytes: 1 | 2 | 4 | 8;
}

/** Codes of nifti1.h, `DT_*`. */
export const DATATYPES: Readonly<Record<NiftiDatatype, DatatypeInfo>> = {
  uint8: { code: 2, bytes: 1 },
  int16: { code: 4, bytes: 2 },
  int32: { code: 8, bytes: 4 },
  float32: { code: 16, bytes: 4 },
  float64: { code: 64, bytes: 8 },
  int8: { code: 256, bytes: 1 },
  uint16: { code: 512, bytes: 2 },
  uint32: { code: 768, bytes: 4 },
  int64: { code: 1024, bytes: 8 },
  uint64: { code: 1280, bytes: 8 },
};

const REFUSED: Readonly<Record<number, string>> = {
  0: 'unknown',
  1: 'binary (1 bit)',
  32: 'complex64',
  128: 'RGB24',
  1536: 'float128',
  1792: 'complex128',
  2048: 'complex256',
  2304: 'RGBA32',
};

/** The type of a code, or `undefined` where it is none that holds one number a voxel. */
export function datatypeOf(code: number): NiftiDatatype | undefined {
  return (Object.keys(DATATYPES) as NiftiDatatype[]).find((name) => DATATYPES[name].code === code);
}

/** What a code that is not read stands for: `RGB24`, `complex64`, or `code 77`. */
export function describeDatatype(code: number): string {
  return REFUSED[code] ?? `code ${code}`;
}
