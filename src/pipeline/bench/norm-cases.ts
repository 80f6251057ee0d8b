import { type Shape, sizeOf } from '../../core/shape.ts';
import { batchNorm } from '../../engine/ops/batch-norm.ts';
import { groupNorm } from '../../engine/ops/group-norm.ts';
import type { Op } from '../../engine/tape/op.ts';
import { type Tensor, tensor } from '../../engine/tape/tensor.ts';
import { noiseOf } from '../../engine/tune/isolated.ts';
import type { BenchCase } from './cases.ts';
import { passes, recordPass } from './elementwise-cases.ts';

const EPS = 1e-5;

/** Batch norm in training with a fused ReLU. */
export function batchNormCases(shape: Shape): BenchCase[] {
  const channels = shape[1]!;
  const [runningMean, runningVar] = ['mean', 'var'].map((name) => tensor(name, [channels], 'arena')) as [
    Tensor,
    Tensor,
  ];
  const attributes = { training: true, momentum: 0.1, eps: EPS, slope: 0, runningMean, runningVar };
  return normCases(batchNorm, shape, attributes, shape[0]!, [runningMean, runningVar]);
}

/** Instance norm with a fused ReLU. */
export function groupNormCases(shape: Shape): BenchCase[] {
  return normCases(groupNorm, shape, { eps: EPS, slope: 0 }, 1);
}

/**
 * A normalisation whose statistics are those of a channel in the first `pooled` samples. Each pass reads its inputs
 * twice, once for the sums.
 */
function normCases<A, S>(
  op: Op<A, S>,
  shape: Shape,
  attributes: A,
  pooled: number,
  shared: readonly Tensor[] = [],
): BenchCase[] {
  const [, channels, ...extents] = shape as [number, number, ...number[]];
  const volume = sizeOf(extents);
  return passes(op.name, shape, { forward: 3, backward: 5 }, (tape, pass) => {
    const input = tensor('input', shape, 'arena', { requiresGrad: true });
    const [weight, bias] = ['weight', 'bias'].map((name) =>
      tensor(name, [channels], 'arena', { requiresGrad: true }),
    ) as [Tensor, Tensor];
    const inputs = [input, weight, bias];
    const { section, output, grad, gradInput } = recordPass(tape, op, inputs, attributes, pass, shared);
    const [x, w, b, g] = [input, weight, bias, grad].map(noiseOf) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    // Sums take a while: only elements of the first sample's first channel are looked at.
    const values = (data: Float32Array): number[] =>
      Array.from({ length: pooled }, (_, n) => [
        ...data.subarray(n * channels * volume, n * channels * volume + volume),
      ]).flat();
    const own = values(x);
    const mean = average(own);
    const scale = 1 / Math.sqrt(average(own.map((v) => (v - mean) ** 2)) + EPS);
    const among = volume;
    const normal = (v: number, m: number, s: number): number => (v - m) * s;
    const activated = (v: number): number => Math.max(0, v * w[0]! + b[0]!);
    if (pass === 'forward')
      return {
        section,
        check: { tensor: output, among, expected: (i) => activated(normal(x[i]!, mean, scale)) },
      };
    const saved = section.outside.find((t) => t.label.endsWith('/statistics'))!;
    const statistics = noiseOf(saved);
    const normalised = own.map((v) => normal(v, statistics[0]!, statistics[1]!));
    const masked = values(g).map((v, i) => (activated(normalised[i]!) > 0 ? v : 0));
    const sum = average(masked);
    const dot = average(masked.map((v, i) => v * normalised[i]!));
    const expected = (i: number): number =>
      w[0]! * statistics[1]! * (masked[i]! - sum - normalised[i]! * dot);
    return { section, check: { tensor: gradInput!, among, expected } };
  });
}

function average(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
