import { eachPiece, type Voxels } from '../volume/voxels.ts';

/** Values that are sorted in memory at one time: 64 MB. */
const AT_A_TIME = 1 << 24;
/** Values by the upper and by the lower half of their keys. */
const HALF = 1 << 16;

/**
 * The values of an image inside a mask in ascending order, without a copy of all of them: they are counted by the upper
 * 16 bits of their float32 numbers first, and as many as may be are gathered and sorted at one time.
 */
export class SortedValues {
  /** Number of values. */
  readonly length: number;
  readonly #voxels: Voxels;
  readonly #mask: Uint8Array;
  readonly #atATime: number;
  /** Values by the upper half of their keys. */
  readonly #counts: Uint32Array = new Uint32Array(HALF);
  /** All of them, where that many may be held. */
  readonly #all: Float32Array | undefined;

  /** @param mask of as many voxels; not 0 inside */
  constructor(voxels: Voxels, mask: Uint8Array, atATime: number = AT_A_TIME) {
    this.#voxels = voxels;
    this.#mask = mask;
    this.#atATime = atATime;
    this.#eachKey((key) => {
      this.#counts[key >>> 16]!++;
    });
    this.length = this.#counts.reduce((sum, n) => sum + n, 0);
    if (this.length <= atATime) this.#all = this.#gather(0, HALF, this.length);
  }

  /** The value at a place of the order; NaN where there is none. */
  at(place: number): number {
    if (this.#all) return this.#all[place] ?? Number.NaN;
    let before = 0;
    for (let upper = 0; upper < HALF; upper++) {
      const count = this.#counts[upper]!;
      if (place >= before + count) {
        before += count;
        continue;
      }
      for (const values of this.#pieces(upper, upper + 1, count)) {
        if (place < before + values.length) return values[place - before]!;
        before += values.length;
      }
    }
    return Number.NaN;
  }

  /** All values in ascending order, in pieces that hold until the next is taken. */
  *ascending(): Generator<Float32Array> {
    if (this.#all) {
      yield this.#all;
      return;
    }
    for (let from = 0, to = 0; from < HALF; from = to) {
      let count = 0;
      do count += this.#counts[to++]!;
      while (to < HALF && count + this.#counts[to]! <= this.#atATime);
      if (count > 0) yield* this.#pieces(from, to, count);
    }
  }

  /** The values whose upper halves are in [from, to): sorted, or, where these are too many of one half, counted. */
  *#pieces(from: number, to: number, count: number): Generator<Float32Array> {
    if (count <= this.#atATime) {
      yield this.#gather(from, to, count);
      return;
    }
    const counts = new Uint32Array(HALF);
    this.#eachKey((key) => {
      if (key >>> 16 === from) counts[key & 0xffff]!++;
    });
    const piece = new Float32Array(Math.min(HALF, this.#atATime));
    for (let lower = 0; lower < HALF; lower++) {
      let left = counts[lower]!;
      if (left > 0) piece.fill(valueOfKey(from * HALF + lower));
      for (; left > 0; left -= Math.min(left, piece.length)) yield piece.subarray(0, left);
    }
  }

  #gather(from: number, to: number, count: number): Float32Array {
    const values = new Float32Array(count);
    let at = 0;
    this.#eachKey((key, value) => {
      if (key >>> 16 >= from && key >>> 16 < to) values[at++] = value;
    });
    return values.sort();
  }

  #eachKey(visit: (key: number, value: number) => void): void {
    eachPiece(this.#voxels, (values, first) => {
      const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
      for (let i = 0; i < values.length; i++)
        if (this.#mask[first + i] !== 0) visit(keyOf(bits[i]!), values[i]!);
    });
  }
}

/** A whole number of 32 bits that orders as the float32 number of these bits does. */
function keyOf(bits: number): number {
  return (bits >>> 31 === 1 ? ~bits : bits | 0x8000_0000) >>> 0;
}

function valueOfKey(key: number): number {
  const bits = key >>> 31 === 1 ? key & 0x7fff_ffff : ~key;
  return new Float32Array(Uint32Array.of(bits).buffer)[0]!;
}
