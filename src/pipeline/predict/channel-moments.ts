/** A norm whose statistics are known. */
interface Norm {
  readonly weight: Float32Array;
  readonly bias: Float32Array;
  readonly eps: number;
  /** Channels fall into so many groups of consecutive ones. */
  readonly groups: number;
  /** Statistics that were learned, in place of the volume's own. */
  readonly running: { readonly mean: Float32Array; readonly variance: Float32Array } | undefined;
}

/** Counts, means and sums of squares around them, of parts that are put together (Chan et al. 1979). */
class Moments {
  count = 0;
  mean = 0;
  squares = 0;

  add(count: number, mean: number, squares: number): void {
    if (count === 0) return;
    const total = this.count + count;
    const apart = mean - this.mean;
    this.squares += squares + (apart * apart * this.count * count) / total;
    this.mean += (apart * count) / total;
    this.count = total;
  }
}

/** The mean and variance of each channel of a volume, put together in doubles from those of its parts, in their order. */
export class ChannelMoments {
  readonly #channels: readonly Moments[];

  constructor(channels: number) {
    this.#channels = Array.from({ length: channels }, () => new Moments());
  }

  /** @param sums [parts, channels, 4]: count, mean, sum of squares around it, and nothing */
  add(sums: Float32Array): void {
    for (let at = 0, c = 0; at < sums.length; at += 4, c = (c + 1) % this.#channels.length)
      this.#channels[c]!.add(sums[at]!, sums[at + 1]!, sums[at + 2]!);
  }

  /** What a norm makes of a channel's values: [channels, 4] with (value - first) * second + third. */
  coefficients({ weight, bias, eps, groups, running }: Norm): Float32Array {
    const count = this.#channels.length;
    const out = new Float32Array(4 * count);
    for (let c = 0; c < count; c++) {
      const group = new Moments();
      const size = count / groups;
      const first = Math.floor(c / size) * size;
      for (const { count: n, mean, squares } of this.#channels.slice(first, first + size))
        group.add(n, mean, squares);
      const mean = running ? running.mean[c]! : group.mean;
      const variance = running ? running.variance[c]! : group.squares / group.count;
      out.set([mean, weight[c]! / Math.sqrt(variance + eps), bias[c]!, 0], 4 * c);
    }
    return out;
  }
}
