import { FileFormatError, VoxelgradError } from '../core/errors.ts';
import { formatShape } from '../core/shape.ts';
import { type Volume, voxelCount } from '../volume/volume.ts';
import { DATATYPES, type NiftiDatatype } from './datatype.ts';
import { HEADER_BYTES, isGzip, type NiftiHeader, parseHeader, sniffHeader } from './header.ts';
import { Inflater } from './inflate.ts';

/** A 3D image and the header it came with. */
export interface NiftiImage {
  readonly header: NiftiHeader;
  readonly volume: Volume;
  /** Voxels that were NaN or infinite and are 0 now (only with `nonFinite: 'zero'`). */
  readonly replaced: number;
}

export interface ReadNiftiOptions {
  /** What to do about NaN and infinite voxels: refuse the image (default), or set them to 0. */
  readonly nonFinite?: 'error' | 'zero';
  /** Largest image that is read, in decompressed bytes. Default 4 GiB. */
  readonly maxBytes?: number;
}

const DEFAULT_MAX_BYTES = 4 * 2 ** 30;
/** Deflate packs at most 1032 bytes into one: a header that promises more than that lies. */
const MAX_DEFLATE_RATIO = 1032;
const TRUNCATED_HINT = 'The file is truncated or damaged: copy or download it again.';

/**
 * Reads a NIfTI-1 or NIfTI-2 image (.nii, or .nii.gz told by its magic number) as float32.
 *
 * Trailing dimensions of extent 1 are dropped. Values are `stored * scl_slope + scl_inter`, computed in float64
 * and rounded to float32. A float32 image in the machine's byte order without scaling is not copied: the volume
 * is a view of the decompressed buffer, or of `bytes` themselves.
 * @param bytes the whole file. @param path what messages call it.
 * @throws FileFormatError where the file is no 3D NIfTI image of one number a voxel; is truncated or corrupt;
 *   holds less or more data than its header promises (reading stops there); or has NaN or infinite voxels.
 */
export async function readNifti(
  bytes: Uint8Array,
  path: string,
  options: ReadNiftiOptions = {},
): Promise<NiftiImage> {
  const maxBytes = options.maxBytes ?? DEFAULT_MAX_BYTES;
  const { header, body, owned } = isGzip(bytes)
    ? await readCompressed(bytes, path, maxBytes)
    : readPlain(bytes, path, maxBytes);
  const image = decode(header, body, owned, path);
  const zero = options.nonFinite === 'zero';
  const { nan, infinite } = countNonFinite(image.data);
  if (nan + infinite === 0) return { header, volume: { grid: header.grid, data: image.data }, replaced: 0 };
  if (!zero) {
    throw new FileFormatError(
      path,
      `has ${nan} NaN and ${infinite} infinite voxels among ${image.data.length}`,
      { hint: 'Repair the image, or read it with these voxels set to 0 (nonFinite: "zero").' },
    );
  }
  const data = image.owned ? image.data : image.data.slice();
  for (let i = 0; i < data.length; i++) if (!Number.isFinite(data[i])) data[i] = 0;
  return { header, volume: { grid: header.grid, data }, replaced: nan + infinite };
}

/**
 * Reads a NIfTI image as a mask: 1 where the value is at least 0.5, else 0.
 * @throws FileFormatError as `readNifti` does.
 */
export async function readMask(
  bytes: Uint8Array,
  path: string,
  options: ReadNiftiOptions = {},
): Promise<{ readonly header: NiftiHeader; readonly volume: Volume<Uint8Array> }> {
  const { header, volume } = await readNifti(bytes, path, options);
  const data = new Uint8Array(volume.data.length);
  for (let i = 0; i < data.length; i++) data[i] = volume.data[i]! >= 0.5 ? 1 : 0;
  return { header, volume: { grid: volume.grid, data } };
}

interface RawImage {
  readonly header: NiftiHeader;
  /** The stored voxels. */
  readonly body: Uint8Array;
  /** Whether `body` is ours to overwrite. */
  readonly owned: boolean;
}

/** Bytes of the stored voxels. @throws FileFormatError where they are more than the bound. */
function bodyBytes(header: NiftiHeader, path: string, maxBytes: number): number {
  const size = voxelCount(header.grid) * DATATYPES[header.datatype].bytes;
  if (!(size <= maxBytes)) {
    throw new FileFormatError(
      path,
      `promises ${formatShape(header.grid.shape)} voxels of ${header.datatype}, ${size} bytes; at most ${maxBytes} are read`,
      { hint: 'If the header is right, crop or resample the image, or raise maxBytes.' },
    );
  }
  return size;
}

function readPlain(bytes: Uint8Array, path: string, maxBytes: number): RawImage {
  const header = parseHeader(bytes, path);
  const size = bodyBytes(header, path, maxBytes);
  checkLength(bytes.length - header.voxelOffset, size, header, path);
  return { header, body: bytes.subarray(header.voxelOffset, header.voxelOffset + size), owned: false };
}

function checkLength(present: number, promised: number, header: NiftiHeader, path: string): void {
  if (present === promised) return;
  const what = `${formatShape(header.grid.shape)} voxels of ${header.datatype}, ${promised} bytes from byte ${header.voxelOffset}`;
  if (present < promised) {
    throw new FileFormatError(path, `promises ${what}, but holds ${Math.max(0, present)}`, {
      hint: TRUNCATED_HINT,
    });
  }
  throw new FileFormatError(path, `holds more data than its header promises (${what})`, {
    hint: 'Header and data do not belong together: export the image again.',
  });
}

async function readCompressed(bytes: Uint8Array, path: string, maxBytes: number): Promise<RawImage> {
  const stream = new Inflater(bytes);
  try {
    const first = new Uint8Array(HEADER_BYTES[2]);
    const start = await stream.read(first.subarray(0, 4));
    const kind = sniffHeader(first.subarray(0, start));
    const length = kind ? HEADER_BYTES[kind.version] : 4;
    const got = start + (await stream.read(first.subarray(4, length)));
    const header = parseHeader(first.subarray(0, got), path);
    const size = bodyBytes(header, path, maxBytes);
    const total = header.voxelOffset + size;
    if (total > MAX_DEFLATE_RATIO * bytes.length)
      checkLength(MAX_DEFLATE_RATIO * bytes.length - header.voxelOffset, size, header, path);
    const gap = header.voxelOffset - got;
    const skipped = await stream.skip(gap);
    const body = allocate(size, path);
    const filled = skipped < gap ? 0 : await stream.read(body);
    if (filled < size) checkLength(filled, size, header, path);
    if (!(await stream.atEnd())) checkLength(size + 1, size, header, path);
    return { header, body, owned: true };
  } catch (error) {
    if (error instanceof VoxelgradError) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new FileFormatError(path, `its gzip stream is truncated or corrupt (${detail})`, {
      hint: TRUNCATED_HINT,
      cause: error,
    });
  } finally {
    await stream.cancel();
  }
}

function allocate(size: number, path: string): Uint8Array {
  try {
    return new Uint8Array(size);
  } catch (cause) {
    throw new FileFormatError(path, `needs ${size} bytes of memory, more than can be had`, {
      hint: 'Close other programs, or crop or resample the image.',
      cause,
    });
  }
}

const IS_LITTLE_ENDIAN: boolean = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

type StoredArray =
  | Uint8Array
  | Int8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

const VIEWS: Readonly<
  Record<NiftiDatatype, new (buffer: ArrayBufferLike, offset: number, length: number) => StoredArray>
> = {
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

/** Reverses the bytes of every element, in place. */
export function swapBytes(bytes: Uint8Array, size: number): void {
  for (let i = 0; i + size <= bytes.length; i += size) {
    for (let low = i, high = i + size - 1; low < high; low++, high--) {
      const keep = bytes[low]!;
      bytes[low] = bytes[high]!;
      bytes[high] = keep;
    }
  }
}

function decode(
  header: NiftiHeader,
  body: Uint8Array,
  owned: boolean,
  path: string,
): { data: Float32Array; owned: boolean } {
  const { bytes: size } = DATATYPES[header.datatype];
  const swap = size > 1 && header.littleEndian !== IS_LITTLE_ENDIAN;
  const copied = !owned && (swap || body.byteOffset % size !== 0);
  const voxels = copied ? new Uint8Array(body) : body;
  if (swap) swapBytes(voxels, size);
  const stored = new VIEWS[header.datatype](voxels.buffer, voxels.byteOffset, voxels.length / size);
  const { slope, intercept } = header;
  if (stored instanceof Float32Array && slope === 1 && intercept === 0)
    return { data: stored, owned: owned || copied };
  const data = new Float32Array(stored.length);
  if (stored instanceof BigInt64Array || stored instanceof BigUint64Array) {
    for (let i = 0; i < data.length; i++) {
      const value = Number(stored[i]);
      if (!Number.isSafeInteger(value))
        throw new FileFormatError(path, `holds the 64-bit integer ${stored[i]}, beyond ±2^53`, {
          hint: 'Convert the image to float32 or to a smaller integer type.',
        });
      data[i] = value * slope + intercept;
    }
  } else if (slope === 1 && intercept === 0) {
    data.set(stored);
  } else {
    for (let i = 0; i < data.length; i++) data[i] = stored[i]! * slope + intercept;
  }
  return { data, owned: true };
}

function countNonFinite(data: Float32Array): { nan: number; infinite: number } {
  let nan = 0;
  let infinite = 0;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    // x - x is 0 for every finite x.
    if (value - value === 0) continue;
    if (Number.isNaN(value)) nan++;
    else infinite++;
  }
  return { nan, infinite };
}
