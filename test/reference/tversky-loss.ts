import type { TverskyLossAttributes } from '../../src/engine/loss/tversky-loss.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';
import type { HostAttributes } from '../support/run-op.ts';

type Settings = HostAttributes<TverskyLossAttributes>;

/** Probabilities, targets and cross entropy of one voxel, and the derivatives of the probabilities by the logits. */
interface Voxel {
  readonly p: readonly number[];
  readonly r: readonly number[];
  readonly entropy: number;
  slope(by: number, of: number): number;
}

function voxelOf(logits: Nd, { activation, target }: Settings, n: number, v: number): Voxel {
  const [, labels] = logits.shape as [number, number];
  const voxels = logits.data.length / (logits.shape[0]! * labels);
  const z = Array.from({ length: labels }, (_, l) => logits.data[(n * labels + l) * voxels + v]!);
  const channels = target.shape[1]!;
  const given = Array.from({ length: channels }, (_, c) => target.data[(n * channels + c) * voxels + v]!);
  if (activation === 'sigmoid') {
    const p = z.map((x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))));
    const log = (x: number): number => Math.min(x, 0) - Math.log1p(Math.exp(-Math.abs(x)));
    return {
      p,
      r: given,
      entropy: z.reduce((sum, x, l) => sum - given[l]! * log(x) - (1 - given[l]!) * log(-x), 0),
      slope: (by, of) => (by === of ? p[of]! * (1 - p[of]!) : 0),
    };
  }
  const most = Math.max(...z);
  const total = most + Math.log(z.reduce((sum, x) => sum + Math.exp(x - most), 0));
  const p = z.map((x) => Math.exp(x - total));
  const r = [1 - given.reduce((a, b) => a + b, 0), ...given];
  return {
    p,
    r,
    entropy: r.reduce((sum, share, l) => sum + share * (total - z[l]!), 0),
    slope: (by, of) => p[of]! * ((by === of ? 1 : 0) - p[by]!),
  };
}

function evaluate(logits: Nd, settings: Settings): { value: number; grad: Nd } {
  const {
    alpha,
    beta,
    gamma,
    smooth,
    overlap,
    crossEntropy,
    pool: shared,
    background,
    activation,
  } = settings;
  const [items, labels] = logits.shape as [number, number];
  const voxels = logits.data.length / (items * labels);
  const all = Array.from({ length: items }, (_, n) =>
    Array.from({ length: voxels }, (_, v) => voxelOf(logits, settings, n, v)),
  );
  const pools = shared === 'batch' ? [all.map((_, n) => n)] : all.map((_, n) => [n]);
  const first = activation === 'softmax' && !background ? 1 : 0;
  const share = overlap / (pools.length * (labels - first));
  const entropies = crossEntropy / (items * voxels * (activation === 'sigmoid' ? labels : 1));
  const grad = zeros(logits.shape);
  let value = 0;
  for (const pool of pools) {
    const inside = pool.flatMap((n) => all[n]!);
    for (const { entropy } of inside) value += entropies * entropy;
    const byP: ((r: number) => number)[] = [];
    for (let l = 0; l < labels; l++) {
      byP.push(() => 0);
      if (l < first) continue;
      const sum = (of: (p: number, r: number) => number): number =>
        inside.reduce((total, { p, r }) => total + of(p[l]!, r[l]!), 0);
      const [hits, misses, alarms] = [
        sum((p, r) => r * p),
        sum((p, r) => r * (1 - p)),
        sum((p, r) => (1 - r) * p),
      ];
      const whole = hits + alpha * misses + beta * alarms + smooth;
      const index = (hits + smooth) / whole;
      value += share * (1 - index) ** gamma;
      const outer = -share * gamma * Math.max(1 - index, 1e-6) ** (gamma - 1);
      // Of a voxel's p: hits grow by r, misses shrink by r, alarms grow by 1 - r.
      byP[l] = (r) => (outer * (r - index * (r - alpha * r + beta * (1 - r)))) / whole;
    }
    for (const n of pool)
      all[n]!.forEach(({ p, r, slope }, v) => {
        for (let by = 0; by < labels; by++) {
          let sum = entropies * (p[by]! - r[by]!);
          for (let of = 0; of < labels; of++) sum += byP[of]!(r[of]!) * slope(by, of);
          grad.data[(n * labels + by) * voxels + v] = sum;
        }
      });
  }
  return { value, grad };
}

export const tverskyLossReference: Reference<Settings> = {
  forward: ([logits], settings) => ({
    shape: [1],
    data: Float64Array.of(evaluate(logits!, settings).value),
  }),
  backward: ([logits], settings, gradOutput) => {
    const { grad } = evaluate(logits!, settings);
    return [{ shape: grad.shape, data: grad.data.map((g) => g * gradOutput.data[0]!) }];
  },
};
