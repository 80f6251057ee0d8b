import { FileFormatError } from '../../core/errors.ts';
import { type Volume, voxelCount } from '../volume/volume.ts';
import type { StoredVoxels, Voxels } from '../volume/voxels.ts';
import { type NiftiSource, readBody, type StoredArray, type TakeVoxels } from './body.ts';
import type { NiftiDatatype } from './datatype.ts';
import type { NiftiHeader } from './header.ts';

/** A 3D image and the header it came with. */
export interface NiftiImage {
  readonly header: NiftiHeader;
  readonly volume: Volume;
  /** Voxels that were NaN or infinite and are 0 now (only with `nonFinite: 'zero'`). */
  readonly replaced: number;
}

/** Settings of {@link readNifti}. */
export interface ReadNiftiOptions {
  /** What to do about NaN and infinite voxels: refuse the image (default), or set them to 0. */
  readonly nonFinite?: 'error' | 'zero';
  /**
   * Largest image that is read, in bytes of its voxels as they are stored or as floats, whichever is more: a small file
   * may hold a large image. Default 2 GiB, which is 800 voxels along each axis.
   */
  readonly maxBytes?: number | undefined;
}

/** Most bytes that one image may take where nothing else is said. */
export const DEFAULT_MAX_BYTES: number = 2 * 2 ** 30;

/**
 * Reads a NIfTI-1 or NIfTI-2 image (.nii, or .nii.gz told by its magic number) as float32. Content is read as a
 * stream: nothing but the voxels is held.
 *
 * Trailing dimensions of extent 1 are dropped. Values are `stored * scl_slope + scl_inter`, computed in float64
 * and rounded to float32. A float32 image in the machine's byte order without scaling is not copied where it is given
 * as bytes: the volume is a view of these.
 * @param source the whole file. @param path what messages call it.
 * @throws FileFormatError where the file is no 3D NIfTI image of one number a voxel; is truncated or corrupt;
 *   holds less or more data than its header promises (reading stops there); or has NaN or infinite voxels.
 *   StorageError where content cannot be read.
 */
export async function readNifti(
  source: NiftiSource,
  path: string,
  options: ReadNiftiOptions = {},
): Promise<NiftiImage> {
  const { header, result, replaced } = await readWith(source, path, options, float32Receiver);
  return { header, volume: { grid: header.grid, data: result }, replaced };
}

/**
 * Reads a NIfTI image as {@link readNifti} does, but leaves whole numbers of 8 and 16 bits as they are stored.
 * @throws FileFormatError, StorageError as `readNifti` does.
 */
export async function readVoxels(
  source: NiftiSource,
  path: string,
  options: ReadNiftiOptions = {},
): Promise<{ readonly header: NiftiHeader; readonly voxels: Voxels }> {
  const { header, result } = await readWith<Voxels>(source, path, options, (begun, decoder) => {
    const Small = smallArray(begun);
    return Small ? storedReceiver(begun, Small, path) : float32Receiver(begun, decoder, path);
  });
  return { header, voxels: result };
}

/** A mask, and what its file held. */
export interface NiftiMask {
  readonly header: NiftiHeader;
  /** 1 where the value is at least 0.5, else 0. */
  readonly volume: Volume<Uint8Array>;
  /** The values that became 1, rounded and in order; more than one is a map of labels. At most {@link MOST_LABELS}. */
  readonly labels: readonly number[];
}

/** Values of a mask that are told apart. */
const MOST_LABELS = 8;

/**
 * Reads a NIfTI image as a mask: 1 where the value is at least 0.5, else 0.
 * @throws FileFormatError, StorageError as `readNifti` does.
 */
export async function readMask(
  source: NiftiSource,
  path: string,
  options: ReadNiftiOptions = {},
): Promise<NiftiMask> {
  const { header, result } = await readWith(source, path, options, maskReceiver);
  const labels = [...result.labels].sort((a, b) => a - b);
  return { header, volume: { grid: header.grid, data: result.mask }, labels };
}

/** Puts together what is read of an image. */
interface Receiver<T> {
  readonly take: TakeVoxels;
  /** Called after the last voxel. */
  result(): T;
}

async function readWith<T>(
  source: NiftiSource,
  path: string,
  options: ReadNiftiOptions,
  receiverOf: (header: NiftiHeader, decoder: Decoder, path: string) => Receiver<T>,
): Promise<{ readonly header: NiftiHeader; readonly result: T; readonly replaced: number }> {
  let made: { readonly decoder: Decoder; readonly receiver: Receiver<T> } | undefined;
  const header = await readBody(source, path, options.maxBytes ?? DEFAULT_MAX_BYTES, (begun) => {
    const decoder = new Decoder(begun, path);
    made = { decoder, receiver: receiverOf(begun, decoder, path) };
    return made.receiver.take;
  });
  const { decoder, receiver } = made!;
  const { nan, infinite } = decoder;
  if (nan + infinite > 0 && options.nonFinite !== 'zero') {
    throw new FileFormatError(
      path,
      `has ${nan} NaN and ${infinite} infinite voxels among ${voxelCount(header.grid)}`,
      { hint: 'Repair the image, or read it with these voxels set to 0 (nonFinite: "zero").' },
    );
  }
  return { header, result: receiver.result(), replaced: nan + infinite };
}

function float32Receiver(header: NiftiHeader, decoder: Decoder, path: string): Receiver<Float32Array> {
  let data: Float32Array | undefined;
  return {
    take(stored, first, lasting) {
      if (lasting && decoder.needsNothing(stored)) {
        data = stored;
        return;
      }
      data ??= allocate(Float32Array, header, path);
      decoder.decode(stored, data.subarray(first, first + stored.length));
    },
    result: () => data!,
  };
}

function storedReceiver(header: NiftiHeader, Small: SmallArray, path: string): Receiver<StoredVoxels> {
  let kept: StoredVoxels['stored'] | undefined;
  return {
    take(stored, first, lasting) {
      const small = stored as StoredVoxels['stored'];
      if (lasting) {
        kept = small;
        return;
      }
      kept ??= allocate(Small, header, path);
      kept.set(small, first);
    },
    result: () => ({ stored: kept!, slope: header.slope, intercept: header.intercept, length: kept!.length }),
  };
}

function maskReceiver(
  header: NiftiHeader,
  decoder: Decoder,
  path: string,
): Receiver<{ readonly mask: Uint8Array; readonly labels: ReadonlySet<number> }> {
  const labels = new Set<number>();
  const mask = allocate(Uint8Array, header, path);
  let values = new Float32Array(0);
  return {
    take(stored, first) {
      if (values.length < stored.length) values = new Float32Array(stored.length);
      decoder.decode(stored, values.subarray(0, stored.length));
      for (let i = 0; i < stored.length; i++) {
        if (values[i]! < 0.5) continue;
        mask[first + i] = 1;
        if (labels.size < MOST_LABELS) labels.add(Math.round(values[i]!));
      }
    },
    result: () => ({ mask, labels }),
  };
}

type SmallArray = Allocatable<StoredVoxels['stored']>;

type Allocatable<T> = (new (length: number) => T) & { readonly BYTES_PER_ELEMENT: number };

/** The array of an image's type where that is a whole number of 8 or 16 bits whose every value is finite in float32. */
function smallArray({ datatype, slope, intercept }: NiftiHeader): SmallArray | undefined {
  const [type, low, high] = SMALL[datatype] ?? [];
  const fits = [low, high].every((v) => Number.isFinite(Math.fround(v! * slope + intercept)));
  return fits ? type : undefined;
}

/** Types that stay as they are stored, and their range. */
const SMALL: Readonly<Partial<Record<NiftiDatatype, readonly [SmallArray, low: number, high: number]>>> = {
  uint8: [Uint8Array, 0, 255],
  int8: [Int8Array, -128, 127],
  uint16: [Uint16Array, 0, 65_535],
  int16: [Int16Array, -32_768, 32_767],
};

/** @throws FileFormatError where so much memory cannot be had. */
function allocate<T>(type: Allocatable<T>, { grid }: NiftiHeader, path: string): T {
  const count = voxelCount(grid);
  try {
    return new type(count);
  } catch (cause) {
    throw new FileFormatError(
      path,
      `needs ${count * type.BYTES_PER_ELEMENT} bytes of memory, more than can be had`,
      {
        hint: 'Close other programs, or crop or resample the image.',
        cause,
      },
    );
  }
}

/** Turns stored voxels into float32, and counts those that are not finite. */
class Decoder {
  nan = 0;
  infinite = 0;
  readonly #header: NiftiHeader;
  readonly #path: string;

  constructor(header: NiftiHeader, path: string) {
    this.#header = header;
    this.#path = path;
  }

  /** Whether voxels are float32 without scaling, all of them finite. */
  needsNothing(stored: StoredArray): stored is Float32Array {
    const { slope, intercept } = this.#header;
    return (
      stored instanceof Float32Array && slope === 1 && intercept === 0 && stored.every((v) => v - v === 0)
    );
  }

  /** Writes values of the same number; those that are not finite are counted and become 0. */
  decode(stored: StoredArray, target: Float32Array): void {
    const { slope, intercept } = this.#header;
    if (stored instanceof BigInt64Array || stored instanceof BigUint64Array) {
      for (let i = 0; i < target.length; i++)
        target[i] = requireSafe(stored[i]!, this.#path) * slope + intercept;
    } else if (slope === 1 && intercept === 0) {
      target.set(stored);
    } else {
      for (let i = 0; i < target.length; i++) target[i] = stored[i]! * slope + intercept;
    }
    for (let i = 0; i < target.length; i++) {
      const value = target[i]!;
      // x - x is 0 for every finite x.
      if (value - value === 0) continue;
      if (Number.isNaN(value)) this.nan++;
      else this.infinite++;
      target[i] = 0;
    }
  }
}

/** @throws FileFormatError for a whole number that a float64 cannot hold. */
function requireSafe(stored: bigint, path: string): number {
  const value = Number(stored);
  if (Number.isSafeInteger(value)) return value;
  throw new FileFormatError(path, `holds the 64-bit integer ${stored}, beyond ±2^53`, {
    hint: 'Convert the image to float32 or to a smaller integer type.',
  });
}
