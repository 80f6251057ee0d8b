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

/** Makes an array on bytes. */
type View<T> = new (buffer: ArrayBufferLike, offset: number, length: number) => T;

/** What arrays hold the voxels of a type, in the machine's byte order. */
export interface TypedArrays {
  readonly uint8: View<Uint8Array>;
  readonly int8: View<Int8Array>;
  readonly int16: View<Int16Array>;
  readonly uint16: View<Uint16Array>;
  readonly int32: View<Int32Array>;
  readonly uint32: View<Uint32Array>;
  readonly int64: View<BigInt64Array>;
  readonly uint64: View<BigUint64Array>;
  readonly float32: View<Float32Array>;
  readonly float64: View<Float64Array>;
}

export const TYPED_ARRAYS: TypedArrays = {
  uint8: Uint8Array,
  int8: Int8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  float32: Float32Array,
  float64: Float64Array,
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
