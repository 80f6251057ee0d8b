/** Whole numbers of 8 or 16 bits as a file stores them; they mean `stored * slope + intercept`, rounded to float32. */
export interface StoredVoxels {
  readonly stored: Int8Array | Uint8Array | Int16Array | Uint16Array;
  readonly slope: number;
  readonly intercept: number;
  /** Number of voxels. */
  readonly length: number;
}

/** An image's voxels in the fewest bytes that lose nothing of their float32 values. */
export type Voxels = Float32Array | StoredVoxels;

/** Writes the float32 values of `count` voxels from `from` on into `target`, from `at` on. */
export function copyVoxels(voxels: Voxels, from: number, count: number, target: Float32Array, at = 0): void {
  if (voxels instanceof Float32Array) {
    target.set(voxels.subarray(from, from + count), at);
    return;
  }
  const { stored, slope, intercept } = voxels;
  if (slope === 1 && intercept === 0) target.set(stored.subarray(from, from + count), at);
  else for (let i = 0; i < count; i++) target[at + i] = stored[from + i]! * slope + intercept;
}

/** The float32 value of one voxel. */
export function voxelAt(voxels: Voxels, i: number): number {
  return voxels instanceof Float32Array
    ? voxels[i]!
    : Math.fround(voxels.stored[i]! * voxels.slope + voxels.intercept);
}

/** All values as float32: the array itself where it is that, else a new one. */
export function toFloat32(voxels: Voxels): Float32Array {
  if (voxels instanceof Float32Array) return voxels;
  const data = new Float32Array(voxels.length);
  copyVoxels(voxels, 0, voxels.length, data);
  return data;
}

/** The most voxels of a piece. */
const PIECE = 1 << 16;

/**
 * Goes over the float32 values of voxels, a piece at a time.
 * @param visit gets values that hold until it returns, and the place of the first
 */
export function eachPiece(voxels: Voxels, visit: (values: Float32Array, first: number) => void): void {
  if (voxels instanceof Float32Array) {
    visit(voxels, 0);
    return;
  }
  const piece = new Float32Array(Math.min(PIECE, voxels.length));
  for (let first = 0; first < voxels.length; first += PIECE) {
    const count = Math.min(PIECE, voxels.length - first);
    copyVoxels(voxels, first, count, piece);
    visit(piece.subarray(0, count), first);
  }
}
