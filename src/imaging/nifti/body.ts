import { FileFormatError, VoxelgradError } from '../../core/errors.ts';
import { contentOf, type FileContent } from '../../core/files.ts';
import { formatShape } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import { voxelCount } from '../volume/volume.ts';
import { ByteReader, inflated, startsAsGzip } from './byte-reader.ts';
import { DATATYPES, type NiftiDatatype, TYPED_ARRAYS, type TypedArrays } from './datatype.ts';
import { HEADER_BYTES, isGzip, type NiftiHeader, parseHeader, sniffHeader } from './header.ts';

/** A file's bytes, or its content to be read piece by piece (a Blob is one), .nii or .nii.gz. */
export type NiftiSource = Uint8Array | FileContent;

/** Voxels in a file's own type and the machine's byte order. */
export type StoredArray = InstanceType<TypedArrays[NiftiDatatype]>;

/**
 * Takes voxels as they are stored, in the file's order.
 * @param first place of the first of them
 * @param lasting whether they stay as they are after the call, all of them and as a view of the caller's bytes or a
 *   copy of these; else they are overwritten by the next piece
 */
export type TakeVoxels = (stored: StoredArray, first: number, lasting: boolean) => void;

/** Deflate packs at most 1032 bytes into one: a header that promises more than that lies. */
const MAX_DEFLATE_RATIO = 1032;
const TRUNCATED_HINT = 'The file is truncated or damaged: copy or download it again.';
/** Bytes that are held of a stream: a multiple of every voxel's size. */
const PIECE = 1 << 20;

/**
 * Reads an image's header, and hands over its voxels piece by piece: neither the compressed file nor the inflated one
 * is ever held.
 * @param start called once the header is known; makes what takes the voxels
 * @throws FileFormatError where the file is no 3D NIfTI image of one number a voxel; is truncated or corrupt; or holds
 *   less or more data than its header promises (reading stops there); StorageError where it cannot be read.
 */
export async function readBody(
  source: NiftiSource,
  path: string,
  maxBytes: number,
  start: (header: NiftiHeader) => TakeVoxels,
): Promise<NiftiHeader> {
  if (!(source instanceof Uint8Array))
    return await readStream(source, await startsAsGzip(source), path, maxBytes, start);
  if (isGzip(source)) return await readStream(contentOf(source), true, path, maxBytes, start);
  const header = parseHeader(source, path);
  const size = bodyBytes(header, path, maxBytes);
  checkLength(source.length - header.voxelOffset, size, header, path);
  const take = start(header);
  take(viewOf(source.subarray(header.voxelOffset, header.voxelOffset + size), header), 0, true);
  return header;
}

async function readStream(
  content: FileContent,
  isCompressed: boolean,
  path: string,
  maxBytes: number,
  start: (header: NiftiHeader) => TakeVoxels,
): Promise<NiftiHeader> {
  const stream = new ByteReader(isCompressed ? inflated(content) : content.stream());
  try {
    const first = new Uint8Array(HEADER_BYTES[2]);
    const begun = await stream.read(first.subarray(0, 4));
    const kind = sniffHeader(first.subarray(0, begun));
    const length = kind ? HEADER_BYTES[kind.version] : 4;
    const got = begun + (await stream.read(first.subarray(4, length)));
    const header = parseHeader(first.subarray(0, got), path);
    const size = bodyBytes(header, path, maxBytes);
    const most = isCompressed ? MAX_DEFLATE_RATIO * content.size : content.size;
    if (header.voxelOffset + size > most) checkLength(most - header.voxelOffset, size, header, path);
    const gap = header.voxelOffset - got;
    if ((await stream.skip(gap)) < gap) checkLength(0, size, header, path);
    await readPieces(stream, size, header, path, start(header));
    if (!(await stream.atEnd())) checkLength(size + 1, size, header, path);
    return header;
  } catch (error) {
    if (error instanceof VoxelgradError || !isCompressed) throw error;
    const detail = error instanceof Error ? error.message : String(error);
    throw new FileFormatError(path, `its gzip stream is truncated or corrupt (${detail})`, {
      hint: TRUNCATED_HINT,
      cause: error,
    });
  } finally {
    await stream.cancel();
  }
}

async function readPieces(
  stream: ByteReader,
  size: number,
  header: NiftiHeader,
  path: string,
  take: TakeVoxels,
): Promise<void> {
  const { bytes: width } = DATATYPES[header.datatype];
  const piece = new Uint8Array(Math.min(PIECE, size));
  for (let at = 0; at < size; at += piece.length) {
    const wanted = piece.subarray(0, Math.min(piece.length, size - at));
    const filled = await stream.read(wanted);
    if (filled < wanted.length) checkLength(at + filled, size, header, path);
    if (isSwapped(header)) swapBytes(wanted, width);
    take(new TYPED_ARRAYS[header.datatype](wanted.buffer, 0, wanted.length / width), at / width, false);
  }
}

/** Bytes of the stored voxels. @throws FileFormatError if they, or as many floats, are more than the bound. */
function bodyBytes(header: NiftiHeader, path: string, maxBytes: number): number {
  const voxels = voxelCount(header.grid);
  const { bytes } = DATATYPES[header.datatype];
  const held = voxels * Math.max(bytes, 4);
  if (!(held <= maxBytes)) {
    throw new FileFormatError(
      path,
      `promises ${formatShape(header.grid.shape)} voxels of ${header.datatype}, which take ${held} bytes of memory; at most ${maxBytes} are allowed`,
      {
        hint: worded`If the header is right, crop or resample the image, or allow more with ${setting('memory')}.`,
      },
    );
  }
  return voxels * bytes;
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

/** The machine's byte order. */
export const IS_LITTLE_ENDIAN: boolean = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

function isSwapped({ datatype, littleEndian }: NiftiHeader): boolean {
  return DATATYPES[datatype].bytes > 1 && littleEndian !== IS_LITTLE_ENDIAN;
}

/** Bytes as voxels; copied where they are of the other byte order or lie where no such array can start. */
function viewOf(body: Uint8Array, header: NiftiHeader): StoredArray {
  const { bytes: width } = DATATYPES[header.datatype];
  const swapped = isSwapped(header);
  const voxels = swapped || body.byteOffset % width !== 0 ? new Uint8Array(body) : body;
  if (swapped) swapBytes(voxels, width);
  return new TYPED_ARRAYS[header.datatype](voxels.buffer, voxels.byteOffset, voxels.length / width);
}

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
