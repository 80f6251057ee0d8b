import { NIFTI1, NIFTI2 } from 'nifti-reader-js';
import { FileFormatError } from '../../core/errors.ts';
import { type Grid, gridFromAffine } from '../volume/volume.ts';
import { DATATYPES, datatypeOf, describeDatatype, type NiftiDatatype } from './datatype.ts';

/** Bytes of a header without its four extension bytes. */
export const HEADER_BYTES: Readonly<Record<1 | 2, number>> = { 1: 348, 2: 540 };

/** Where an image's affine came from. */
export type AffineSource = 'sform' | 'qform' | 'spacing';

/** What a NIfTI header says of a 3D image, checked. */
export interface NiftiHeader {
  readonly version: 1 | 2;
  readonly littleEndian: boolean;
  readonly datatype: NiftiDatatype;
  /** Stored values mean `stored * slope + intercept`; 1 and 0 where the header scales nothing. */
  readonly slope: number;
  readonly intercept: number;
  readonly grid: Grid;
  /** The sform where its code is positive, else the qform, else the voxel sizes alone. */
  readonly affineSource: AffineSource;
  readonly qformCode: number;
  readonly sformCode: number;
  readonly description: string;
  /** Where the voxels start in the file. */
  readonly voxelOffset: number;
  /** The 348 or 540 bytes as they were stored, so that a prediction keeps every spatial field bit for bit. */
  readonly bytes: Uint8Array;
}

/** Whether bytes start with gzip's magic number; names are not trusted. */
export function isGzip(bytes: Uint8Array): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/**
 * Version and byte order, told by the first four bytes (sizeof_hdr).
 * @returns undefined where these are not the first bytes of a NIfTI header.
 */
export function sniffHeader(
  first: Uint8Array,
): { readonly version: 1 | 2; readonly littleEndian: boolean } | undefined {
  if (first.length < 4) return undefined;
  const view = new DataView(first.buffer, first.byteOffset, 4);
  for (const littleEndian of [true, false]) {
    const size = view.getInt32(0, littleEndian);
    if (size === HEADER_BYTES[1]) return { version: 1, littleEndian };
    if (size === HEADER_BYTES[2]) return { version: 2, littleEndian };
  }
  return undefined;
}

const NOT_NIFTI_HINT =
  'Convert the image to a single NIfTI file (.nii or .nii.gz), for example with dcm2niix.';

/**
 * Reads and checks a NIfTI-1 or NIfTI-2 header.
 * @param bytes at least the header's 348 or 540 bytes, decompressed.
 * @param path what messages call the file.
 * @throws FileFormatError where it is no NIfTI header, not 3D, of a voxel type that is not one number, or
 *   where its numbers make no sense.
 */
export function parseHeader(bytes: Uint8Array, path: string): NiftiHeader {
  const kind = sniffHeader(bytes);
  if (!kind) throw new FileFormatError(path, 'is not a NIfTI file', { hint: NOT_NIFTI_HINT });
  const { version, littleEndian } = kind;
  const size = HEADER_BYTES[version];
  if (bytes.length < size) {
    throw new FileFormatError(path, `breaks off inside its header (${bytes.length} of ${size} bytes)`, {
      hint: 'The file is truncated: copy or download it again.',
    });
  }
  // A Node Buffer's own slice would be a view of its pool.
  const own = new Uint8Array(bytes.subarray(0, size));
  checkMagic(own, version, path);
  // Only the fixed part is handed over: the library's extension parser can loop on crafted sizes.
  const raw = version === 1 ? new NIFTI1() : new NIFTI2();
  raw.readHeader(own.buffer as ArrayBuffer);

  const shape = checkDims(raw.dims, path);
  const datatype = datatypeOf(raw.datatypeCode);
  if (!datatype) {
    throw new FileFormatError(path, `has voxels of type ${describeDatatype(raw.datatypeCode)}`, {
      hint: 'Convert it to one number a voxel (integer or floating point).',
    });
  }
  if (raw.numBitsPerVoxel !== DATATYPES[datatype].bytes * 8) {
    throw new FileFormatError(
      path,
      `says ${raw.numBitsPerVoxel} bits a voxel, but ${datatype} has ${DATATYPES[datatype].bytes * 8}`,
      { hint: 'The header is damaged: export the image again.' },
    );
  }
  const scaled = Number.isFinite(raw.scl_slope) && raw.scl_slope !== 0;
  if (scaled && !Number.isFinite(raw.scl_inter))
    throw new FileFormatError(path, `has scl_slope ${raw.scl_slope} but scl_inter ${raw.scl_inter}`);
  return {
    version,
    littleEndian,
    datatype,
    slope: scaled ? raw.scl_slope : 1,
    intercept: scaled ? raw.scl_inter : 0,
    ...readGrid(raw, own, version, littleEndian, shape, path),
    qformCode: raw.qform_code,
    sformCode: raw.sform_code,
    description: raw.description,
    voxelOffset: checkOffset(raw.vox_offset, size + 4, path),
    bytes: own,
  };
}

function checkMagic(bytes: Uint8Array, version: 1 | 2, path: string): void {
  const at = version === 1 ? 344 : 4;
  const magic = String.fromCharCode(...bytes.subarray(at, at + 4));
  if (magic === `n+${version}\0`) return;
  if (magic === `ni${version}\0`) {
    throw new FileFormatError(path, 'is the .hdr half of a header and image pair', {
      hint: NOT_NIFTI_HINT,
    });
  }
  throw new FileFormatError(
    path,
    version === 1 ? 'is an Analyze 7.5 or damaged NIfTI-1 header' : 'is a damaged NIfTI-2 header',
    {
      hint: NOT_NIFTI_HINT,
    },
  );
}

function checkDims(dims: readonly number[], path: string): [number, number, number] {
  const rank = dims[0] ?? 0;
  if (!(rank >= 1 && rank <= 7))
    throw new FileFormatError(path, `says it has ${rank} dimensions`, {
      hint: 'The header is damaged: export the image again.',
    });
  const extents = dims.slice(1, rank + 1);
  const text = extents.join('x');
  if (extents.some((n) => !Number.isSafeInteger(n) || n < 1)) {
    throw new FileFormatError(path, `has dimensions ${text}; each must be a positive integer`, {
      hint: 'The header is damaged: export the image again.',
    });
  }
  const [nx = 1, ny = 1, nz = 1, ...rest] = extents;
  if (rest.some((n) => n !== 1)) {
    throw new FileFormatError(path, `is ${rank}D (${text}), a 3D volume is needed`, {
      hint: 'Take one volume of the series, for example with fslroi or mrconvert.',
    });
  }
  if (nx < 2 || ny < 2 || nz < 2) {
    throw new FileFormatError(path, `is not 3D (${text}): each of the three extents must be at least 2`, {
      hint: 'A single slice cannot be segmented in 3D: give the whole volume.',
    });
  }
  return [nx, ny, nz];
}

function checkOffset(offset: number, least: number, path: string): number {
  // Some writers leave 0 in single files; the voxels then follow the header.
  if (offset === 0) return least;
  if (!Number.isSafeInteger(offset) || offset < least) {
    throw new FileFormatError(path, `says its voxels start at byte ${offset}; at least ${least} is needed`, {
      hint: 'The header is damaged: export the image again.',
    });
  }
  return offset;
}

/** Millimetres of one spatial unit (xyzt_units): metres, millimetres, micrometres; unknown counts as mm. */
function unitInMm(xyztUnits: number): number {
  const unit = xyztUnits & NIFTI1.SPATIAL_UNITS_MASK;
  return unit === NIFTI1.UNITS_METER ? 1000 : unit === NIFTI1.UNITS_MICRON ? 0.001 : 1;
}

function readGrid(
  raw: NIFTI1 | NIFTI2,
  bytes: Uint8Array,
  version: 1 | 2,
  littleEndian: boolean,
  shape: [number, number, number],
  path: string,
): { grid: Grid; affineSource: AffineSource } {
  const rows = new Float64Array(12);
  let affineSource: AffineSource;
  if (raw.sform_code > 0) {
    affineSource = 'sform';
    // Read here, because the library keeps its affine from the qform where that has the larger code.
    const view = new DataView(bytes.buffer);
    for (let i = 0; i < 12; i++)
      rows[i] =
        version === 1
          ? view.getFloat32(280 + 4 * i, littleEndian)
          : view.getFloat64(400 + 8 * i, littleEndian);
  } else if (raw.qform_code > 0) {
    affineSource = 'qform';
    rows.set(raw.getQformMat().slice(0, 3).flat());
  } else {
    affineSource = 'spacing';
    for (let a = 0; a < 3; a++) rows[a * 5] = Math.abs(raw.pixDims[a + 1] ?? 0) || 1;
  }
  const unit = unitInMm(raw.xyzt_units);
  const affine = new Float64Array(16);
  // Adding 0 turns -0 into 0.
  for (let row = 0; row < 3; row++)
    for (let column = 0; column < 4; column++) affine[column * 4 + row] = rows[row * 4 + column]! * unit + 0;
  affine[15] = 1;
  const grid = gridFromAffine(shape, affine);
  if (!isUsable(grid)) {
    throw new FileFormatError(path, `has a ${affineSource} that is not finite or is singular`, {
      hint: 'Repair the orientation, for example with nibabel or fslorient.',
    });
  }
  return { grid, affineSource };
}

/** Finite, and with three axes that span space: the determinant of the direction cosines is not about 0. */
function isUsable(grid: Grid): boolean {
  const a = grid.affine;
  if (!a.every(Number.isFinite) || grid.spacing.some((s) => !(s > 1e-9 && s < 1e9))) return false;
  const c = (column: number, row: number): number => a[column * 4 + row]! / grid.spacing[column]!;
  const determinant =
    c(0, 0) * (c(1, 1) * c(2, 2) - c(1, 2) * c(2, 1)) -
    c(1, 0) * (c(0, 1) * c(2, 2) - c(0, 2) * c(2, 1)) +
    c(2, 0) * (c(0, 1) * c(1, 2) - c(0, 2) * c(1, 1));
  return Math.abs(determinant) > 1e-3;
}
