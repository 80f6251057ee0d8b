import { gzipSync } from 'fflate';
import { DATATYPES, type NiftiDatatype } from '../../../src/imaging/nifti/datatype.ts';

/** What a hand-made NIfTI-1 or NIfTI-2 file of the tests holds; every field may be made wrong on purpose. */
export interface RawNifti {
  version?: 1 | 2;
  littleEndian?: boolean;
  dims?: readonly number[];
  datatype?: NiftiDatatype;
  code?: number;
  bits?: number;
  slope?: number;
  intercept?: number;
  voxelOffset?: number;
  qform?: number;
  sform?: number;
  quaternion?: readonly [number, number, number];
  offset?: readonly [number, number, number];
  srow?: readonly number[];
  pixdim?: readonly number[];
  units?: number;
  magic?: string;
  values?: readonly (number | bigint)[];
}

/** Bytes of a NIfTI file written field by field with a DataView, without the code under test. */
export function rawNifti(raw: RawNifti = {}): Uint8Array {
  const version = raw.version ?? 1;
  const le = raw.littleEndian ?? true;
  const dims = raw.dims ?? [3, 2, 3, 2, 1, 1, 1, 1];
  const datatype = raw.datatype ?? 'float32';
  const size = DATATYPES[datatype].bytes;
  const values = raw.values ?? Array.from({ length: 12 }, (_, i) => i);
  const headerBytes = version === 1 ? 348 : 540;
  const offset = raw.voxelOffset ?? headerBytes + 4;
  const start = Math.max(headerBytes + 4, Math.min(Number.isFinite(offset) ? Math.ceil(offset) : 0, 4096));
  const out = new Uint8Array(start + values.length * size);
  const view = new DataView(out.buffer);
  const width = version === 1 ? 4 : 8;
  const real = (at: number, v: number): void =>
    version === 1 ? view.setFloat32(at, v, le) : view.setFloat64(at, v, le);
  const dim = (at: number, v: number): void =>
    version === 1 ? view.setInt16(at, v, le) : view.setBigInt64(at, BigInt(v), le);
  const at =
    version === 1
      ? { dim: 40, type: 70, pixdim: 76, voxel: 108, slope: 112, q: 252, quat: 256, srow: 280, magic: 344 }
      : { dim: 16, type: 12, pixdim: 104, voxel: 168, slope: 176, q: 344, quat: 352, srow: 400, magic: 4 };
  view.setInt32(0, headerBytes, le);
  dims.forEach((n, i) => {
    dim(at.dim + i * (version === 1 ? 2 : 8), n);
  });
  view.setInt16(at.type, raw.code ?? DATATYPES[datatype].code, le);
  view.setInt16(at.type + 2, raw.bits ?? size * 8, le);
  (raw.pixdim ?? [1, 2, 2, 2, 1, 1, 1, 1]).forEach((v, i) => {
    real(at.pixdim + i * width, v);
  });
  if (version === 1) view.setFloat32(at.voxel, offset, le);
  else view.setBigInt64(at.voxel, BigInt(offset), le);
  real(at.slope, raw.slope ?? 1);
  real(at.slope + width, raw.intercept ?? 0);
  if (version === 1) {
    view.setInt16(at.q, raw.qform ?? 0, le);
    view.setInt16(at.q + 2, raw.sform ?? 0, le);
    view.setUint8(123, raw.units ?? 2);
  } else {
    view.setInt32(at.q, raw.qform ?? 0, le);
    view.setInt32(at.q + 4, raw.sform ?? 0, le);
    view.setInt32(500, raw.units ?? 2, le);
  }
  [...(raw.quaternion ?? [0, 0, 0]), ...(raw.offset ?? [0, 0, 0])].forEach((v, i) => {
    real(at.quat + i * width, v);
  });
  (raw.srow ?? []).forEach((v, i) => {
    real(at.srow + i * width, v);
  });
  const magic = raw.magic ?? (version === 1 ? 'n+1\0' : 'n+2\0\r\n\x1a\n');
  [...magic].forEach((c, i) => {
    out[at.magic + i] = c.charCodeAt(0);
  });
  values.forEach((v, i) => {
    const p = start + i * size;
    if (typeof v === 'bigint') view.setBigInt64(p, v, le);
    else if (datatype === 'float32') view.setFloat32(p, v, le);
    else if (datatype === 'float64') view.setFloat64(p, v, le);
    else if (size === 8) view.setBigInt64(p, BigInt(v), le);
    else if (size === 4) view.setInt32(p, v, le);
    else if (size === 2) view.setInt16(p, v, le);
    else view.setInt8(p, v);
  });
  return out;
}

/** The same, compressed. */
export function rawNiftiGz(raw: RawNifti = {}): Uint8Array {
  return gzipSync(rawNifti(raw), { mtime: 0 });
}
