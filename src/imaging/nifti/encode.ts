import { quat } from 'gl-matrix';
import { NIFTI1, NIFTI2 } from 'nifti-reader-js';
import { GridMismatchError, UsageError } from '../../core/errors.ts';
import { VERSION } from '../../core/version.ts';
import { describeGrid, type Grid, sameGrid, type Volume } from '../volume/volume.ts';
import { IS_LITTLE_ENDIAN, swapBytes } from './body.ts';
import { DATATYPES, TYPED_ARRAYS, type TypedArrays, type WritableDatatype } from './datatype.ts';
import { HEADER_BYTES, type NiftiHeader } from './header.ts';

/** What an image's numbers mean: a code of nifti1.h (`NIFTI_INTENT_*`) and a name of at most 15 bytes. */
export interface NiftiIntent {
  readonly code: number;
  readonly name?: string;
}

/** A mask or labels: NIFTI_INTENT_LABEL. */
export const LABEL_INTENT: NiftiIntent = { code: 1002 };
/** An estimate such as a probability map: NIFTI_INTENT_ESTIMATE. */
export const ESTIMATE_INTENT: NiftiIntent = { code: 1001 };

/** How a volume is stored. */
export interface NiftiStorage {
  readonly datatype: WritableDatatype;
  /**
   * Header of an image on the same grid. Its version, byte order, units, qform and sform (codes and numbers)
   * are kept bit for bit; free text, which may name a patient, is not. Without it qform and sform are written from the grid, both with code 1 (scanner).
   */
  readonly like?: NiftiHeader;
  /** Follows `voxelgrad 0.1.0: ` in the header's description; at most 79 bytes of UTF-8 in all, the rest is cut off. */
  readonly description?: string;
  /** Brightest value that viewers show; 0 (default) leaves it to the viewer. */
  readonly calMax?: number;
  readonly intent?: NiftiIntent;
  /** Stored values mean `stored * slope`; values are rounded to it, as SPM does with 1/255. Default 1: no rounding. */
  readonly slope?: number;
  /** Version of a header made without `like`. Default 1; always 2 where an extent passes 32767. */
  readonly version?: 1 | 2;
}

const RANGES: Readonly<Record<Exclude<WritableDatatype, 'float32' | 'float64'>, readonly [number, number]>> =
  {
    uint8: [0, 255],
    int8: [-128, 127],
    int16: [-32768, 32767],
    uint16: [0, 65535],
    int32: [-2147483648, 2147483647],
    uint32: [0, 4294967295],
  };

/**
 * A volume as a single-file NIfTI image, 3D, without header extensions.
 * @returns the file's bytes, not compressed.
 * @throws GridMismatchError where `like` belongs to another grid.
 * @throws UsageError where a value does not fit the datatype (out of range, not finite, or not a whole number
 *   with an integer type and slope 1): nothing is ever clipped or rounded silently.
 */
export function encodeNifti(
  volume: Volume<Float32Array | Uint8Array>,
  storage: NiftiStorage,
): Uint8Array<ArrayBuffer> {
  const encoder = new NiftiEncoder(volume.grid, storage);
  const { header } = encoder;
  const out = new Uint8Array(header.length + volume.data.length * DATATYPES[storage.datatype].bytes);
  out.set(header);
  encoder.encode(volume.data, 0, out.subarray(header.length));
  return out;
}

/** An image's header, and its voxels as they are stored. */
export class NiftiEncoder {
  /** All bytes before the voxels. */
  readonly header: Uint8Array;
  readonly #options: NiftiStorage;
  readonly #swaps: boolean;

  constructor(grid: Grid, options: NiftiStorage) {
    const { like } = options;
    if (like && !sameGrid(like.grid, grid)) {
      throw new GridMismatchError(
        `the volume is ${describeGrid(grid)}, but the header to write it with is ${describeGrid(like.grid)}`,
        { hint: 'Bring the volume back to the grid of the image it belongs to before writing it.' },
      );
    }
    const version = like?.version ?? (grid.shape.some((n) => n > 32767) ? 2 : (options.version ?? 1));
    const littleEndian = like?.littleEndian ?? true;
    this.#options = options;
    this.#swaps = littleEndian !== IS_LITTLE_ENDIAN;
    this.header = new Uint8Array(HEADER_BYTES[version] + 4);
    this.header.set(like ? like.bytes : freshHeader(grid, version));
    patchHeader(new DataView(this.header.buffer), version, littleEndian, grid, options);
  }

  /**
   * @param first place of the first value, for messages
   * @param target bytes of all values; they start at a multiple of a value's, as those after a header do
   */
  encode(values: Float32Array | Uint8Array, first: number, target: Uint8Array<ArrayBuffer>): void {
    const { datatype, slope = 1 } = this.#options;
    const stored = new TYPED_ARRAYS[datatype](target.buffer, target.byteOffset, values.length);
    encode(values, stored, datatype, slope, first);
    if (this.#swaps) swapBytes(target, DATATYPES[datatype].bytes);
  }
}

function encode(
  values: Float32Array | Uint8Array,
  stored: InstanceType<TypedArrays[WritableDatatype]>,
  datatype: WritableDatatype,
  slope: number,
  first: number,
): void {
  if (!(Number.isFinite(slope) && slope !== 0))
    throw new UsageError(`writeNifti: slope ${slope} is not a scale`);
  if (datatype === 'float32' || datatype === 'float64') {
    if (slope === 1) stored.set(values);
    else for (let i = 0; i < values.length; i++) stored[i] = values[i]! / slope;
    return;
  }
  const [low, high] = RANGES[datatype];
  for (let i = 0; i < values.length; i++) {
    const value = slope === 1 ? values[i]! : Math.round(values[i]! / slope);
    if (!(value >= low && value <= high) || !Number.isInteger(value)) {
      throw new UsageError(
        `writeNifti: voxel ${first + i} has the value ${values[i]}, which ${datatype} cannot hold`,
        {
          hint: 'Write it as float32, or give a slope that the values are rounded to.',
        },
      );
    }
    stored[i] = value;
  }
}

/** A header with the grid's affine as qform (where it is a rotation) and sform, in mm. */
function freshHeader(grid: Grid, version: 1 | 2): Uint8Array {
  const header = version === 1 ? new NIFTI1() : new NIFTI2();
  const a = grid.affine;
  header.littleEndian = true;
  header.magic = version === 1 ? 'n+1\0' : 'n+2\0\r\n\x1a\n';
  header.dims = [3, ...grid.shape, 1, 1, 1, 1];
  header.xyzt_units = NIFTI1.UNITS_MM;
  header.affine = [0, 1, 2, 3].map((row) => [a[row]!, a[4 + row]!, a[8 + row]!, a[12 + row]!]);
  header.sform_code = NIFTI1.XFORM_SCANNER_ANAT;
  const { rotation, qfac } = quaternion(grid);
  header.pixDims = [qfac, ...grid.spacing, 1, 1, 1, 1];
  if (rotation) {
    header.qform_code = NIFTI1.XFORM_SCANNER_ANAT;
    [header.quatern_b, header.quatern_c, header.quatern_d] = rotation;
    header.qoffset_x = a[12]!;
    header.qoffset_y = a[13]!;
    header.qoffset_z = a[14]!;
  }
  return new Uint8Array(header.toArrayBuffer(false));
}

/** The quaternion (b, c, d; a >= 0) of a grid's axes; none where they are not at right angles. */
function quaternion(grid: Grid): { rotation?: [number, number, number]; qfac: 1 | -1 } {
  const axis = (c: number): number[] => [0, 1, 2].map((r) => grid.affine[c * 4 + r]! / grid.spacing[c]!);
  const [x, y, z] = [axis(0), axis(1), axis(2)] as [number[], number[], number[]];
  const dot = (p: number[], q: number[]): number => p.reduce((sum, v, i) => sum + v * q[i]!, 0);
  const cross = [x[1]! * y[2]! - x[2]! * y[1]!, x[2]! * y[0]! - x[0]! * y[2]!, x[0]! * y[1]! - x[1]! * y[0]!];
  const qfac = dot(cross, z) < 0 ? -1 : 1;
  if ([dot(x, y), dot(x, z), dot(y, z)].some((d) => Math.abs(d) > 1e-4)) return { qfac };
  const q: [number, number, number, number] = [0, 0, 0, 1];
  quat.fromMat3(q, new Float64Array([...x, ...y, ...z.map((v) => v * qfac)]));
  quat.normalize(q, q);
  const sign = q[3] < 0 ? -1 : 1;
  return { rotation: [q[0] * sign, q[1] * sign, q[2] * sign], qfac };
}

/** Byte offsets of the fields that say what the voxels are, in nifti1.h and nifti2.h. */
const FIELDS = {
  1: {
    dim: 40,
    intent: 56,
    intentCode: 68,
    datatype: 70,
    sliceStart: 74,
    voxelOffset: 108,
    slope: 112,
    sliceEnd: 120,
    sliceCode: 122,
    calMax: 124,
    glMax: 140,
    description: 148,
    intentName: 328,
    // Free text of the scanner or of other programs: data_type, db_name, extents, session_error, regular; aux_file.
    foreign: [
      [4, 35],
      [228, 24],
    ],
  },
  2: {
    dim: 16,
    intent: 80,
    intentCode: 504,
    datatype: 12,
    sliceStart: 224,
    voxelOffset: 168,
    slope: 176,
    sliceEnd: 232,
    sliceCode: 496,
    calMax: 192,
    glMax: undefined,
    description: 240,
    intentName: 508,
    // aux_file, and the bytes that the format leaves unused.
    foreign: [
      [320, 24],
      [525, 15],
    ],
  },
} as const;

/** Sets every field that describes the voxels and leaves every field that places them. */
function patchHeader(
  view: DataView,
  version: 1 | 2,
  littleEndian: boolean,
  grid: Grid,
  options: NiftiStorage,
): void {
  const at = FIELDS[version];
  const integer = (offset: number, value: number): void => {
    if (version === 1) view.setInt16(offset, value, littleEndian);
    else view.setBigInt64(offset, BigInt(value), littleEndian);
  };
  const width = version === 1 ? 4 : 8;
  const real = (offset: number, value: number): void => {
    if (version === 1) view.setFloat32(offset, value, littleEndian);
    else view.setFloat64(offset, value, littleEndian);
  };
  const text = (offset: number, length: number, value: string): void => {
    const field = new Uint8Array(view.buffer, offset, length).fill(0);
    new TextEncoder().encodeInto(value, field.subarray(0, length - 1));
  };
  [3, ...grid.shape, 1, 1, 1, 1].forEach((n, i) => {
    integer(at.dim + i * (version === 1 ? 2 : 8), n);
  });
  for (let i = 0; i < 3; i++) real(at.intent + i * width, 0);
  if (version === 1) view.setInt16(at.intentCode, options.intent?.code ?? 0, littleEndian);
  else view.setInt32(at.intentCode, options.intent?.code ?? 0, littleEndian);
  text(at.intentName, 16, options.intent?.name ?? '');
  const { code, bytes } = DATATYPES[options.datatype];
  view.setInt16(at.datatype, code, littleEndian);
  view.setInt16(at.datatype + 2, bytes * 8, littleEndian);
  integer(at.sliceStart, 0);
  integer(at.sliceEnd, 0);
  if (version === 1) view.setUint8(at.sliceCode, 0);
  else view.setInt32(at.sliceCode, 0, littleEndian);
  const offset = HEADER_BYTES[version] + 4;
  if (version === 1) view.setFloat32(at.voxelOffset, offset, littleEndian);
  else view.setBigInt64(at.voxelOffset, BigInt(offset), littleEndian);
  real(at.slope, options.slope ?? 1);
  real(at.slope + width, 0);
  real(at.calMax, options.calMax ?? 0);
  real(at.calMax + width, 0);
  if (at.glMax !== undefined) {
    view.setInt32(at.glMax, 0, littleEndian);
    view.setInt32(at.glMax + 4, 0, littleEndian);
  }
  const what = options.description === undefined ? '' : `: ${options.description}`;
  text(at.description, 80, `voxelgrad ${VERSION}${what}`);
  for (const [first, length] of at.foreign) new Uint8Array(view.buffer, first, length).fill(0);
}
