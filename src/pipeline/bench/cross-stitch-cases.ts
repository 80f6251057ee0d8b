import { type Shape, sizeOf } from '../../core/shape.ts';
import { crossStitch } from '../../engine/ops/cross-stitch.ts';
import { tensor } from '../../engine/tape/tensor.ts';
import { noiseOf } from '../../engine/tune/isolated.ts';
import type { BenchCase } from './cases.ts';
import { passes, recordPass } from './elementwise-cases.ts';

/** One side of a cross-stitch unit. Backward makes both gradients, and the sums of the unit's own. */
export function crossStitchCases(shape: Shape): BenchCase[] {
  const [, channels, ...extents] = shape as [number, number, ...number[]];
  const volume = sizeOf(extents);
  return passes('cross-stitch', shape, { forward: 3, backward: 7 }, (tape, pass) => {
    const [own, other] = ['own', 'other'].map((name) =>
      tensor(name, shape, 'arena', { requiresGrad: true }),
    ) as [ReturnType<typeof tensor>, ReturnType<typeof tensor>];
    const weight = tensor('weight', [2, channels], 'arena', { requiresGrad: true });
    const { section, output, grad, gradInput } = recordPass(
      tape,
      crossStitch,
      [own, other, weight],
      {},
      pass,
    );
    const [x, y, w, g] = [own, other, weight, grad].map(noiseOf) as [
      Float32Array,
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const channel = (i: number): number => Math.floor(i / volume) % channels;
    const blended = (i: number): number => w[channel(i)]! * x[i]! + w[channels + channel(i)]! * y[i]!;
    return pass === 'forward'
      ? { section, check: { tensor: output, expected: blended } }
      : { section, check: { tensor: gradInput!, expected: (i) => g[i]! * w[channel(i)]! } };
  });
}
