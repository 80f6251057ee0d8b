/** The non-zero voxels of a mask, so that one can be drawn uniformly; needs 4 bytes a row beside the mask. */
export class VoxelSet {
  readonly count: number;
  readonly #mask: ArrayLike<number>;
  readonly #width: number;
  /** Voxels of the set in front of each row. */
  readonly #before: Uint32Array;

  /** @param width extent of the fastest axis */
  constructor(mask: ArrayLike<number>, width: number) {
    this.#mask = mask;
    this.#width = width;
    const rows = Math.ceil(mask.length / width);
    this.#before = new Uint32Array(rows + 1);
    let count = 0;
    for (let row = 0; row < rows; row++) {
      for (let i = row * width; i < Math.min(mask.length, (row + 1) * width); i++) if (mask[i] !== 0) count++;
      this.#before[row + 1] = count;
    }
    this.count = count;
  }

  /** Index of the k-th voxel in memory order, k from 0. @throws RangeError where there are fewer. */
  at(k: number): number {
    if (!(k >= 0 && k < this.count)) throw new RangeError(`voxel ${k} of ${this.count}`);
    let low = 0;
    let high = this.#before.length - 1;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (this.#before[middle]! <= k) low = middle;
      else high = middle;
    }
    let left = k - this.#before[low]!;
    let i = low * this.#width;
    for (; ; i++) if (this.#mask[i] !== 0 && left-- === 0) return i;
  }
}
