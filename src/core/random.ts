/**
 * Seeded random numbers: xoshiro128** (Blackman and Vigna 2018), state filled by splitmix32.
 * The state is four 32-bit words, so a checkpoint can hold it and a resumed run goes on bit for bit.
 */
export class Random {
  readonly #state: Uint32Array;

  /** @param seed any integer; only its low 32 bits count. */
  constructor(seed: number) {
    this.#state = new Uint32Array(4);
    let s = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      s = (s + 0x9e3779b9) >>> 0;
      let z = s;
      z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
      z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
      this.#state[i] = (z ^ (z >>> 15)) >>> 0;
    }
  }

  /** A generator that goes on from a saved state (see {@link state}). */
  static fromState(state: ArrayLike<number>): Random {
    const random = new Random(0);
    for (let i = 0; i < 4; i++) random.#state[i] = (state[i] ?? 0) >>> 0;
    return random;
  }

  /** A copy of the four state words. */
  get state(): Uint32Array {
    return this.#state.slice();
  }

  /** Uniform integer in [0, 2^32). */
  uint32(): number {
    const s = this.#state;
    const s1 = s[1]!;
    const x = Math.imul(s1, 5);
    const result = Math.imul((x << 7) | (x >>> 25), 9) >>> 0;
    const t = s1 << 9;
    s[2]! ^= s[0]!;
    s[3]! ^= s1;
    s[1]! ^= s[2]!;
    s[0]! ^= s[3]!;
    s[2]! ^= t;
    const s3 = s[3]!;
    s[3] = (s3 << 11) | (s3 >>> 21);
    return result;
  }

  /** Uniform in [0, 1), 32 bits of resolution. */
  uniform(low = 0, high = 1): number {
    return low + (high - low) * (this.uint32() / 4294967296);
  }

  /** Uniform integer in [0, n). */
  integer(n: number): number {
    return Math.floor((this.uint32() / 4294967296) * n);
  }

  /** Normal deviate (Box and Muller; one deviate a call, so the stream is easy to resume). */
  normal(mean = 0, deviation = 1): number {
    const u = (this.uint32() + 0.5) / 4294967296;
    const v = this.uint32() / 4294967296;
    return mean + deviation * Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * v);
  }

  /** An independent generator for a named purpose; the same parent state and name give the same child. */
  fork(name: string): Random {
    let h = 0x811c9dc5;
    for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
    return new Random((this.#state[0]! ^ this.#state[2]! ^ h) >>> 0);
  }

  /** A shuffled copy (Fisher and Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const out = items.slice();
    for (let i = out.length - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [out[i], out[j]] = [out[j]!, out[i]!];
    }
    return out;
  }
}
