import { type Shape, sizeOf } from '../../core/shape.ts';
import { concat } from '../../engine/ops/concat.ts';
import { globalAveragePool } from '../../engine/ops/global-average-pool.ts';
import { linear } from '../../engine/ops/linear.ts';
import { type Tensor, tensor } from '../../engine/tape/tensor.ts';
import { noiseOf } from '../../engine/tune/isolated.ts';
import { type BenchCase, bytesOf } from './cases.ts';
import { passes, recordPass } from './elementwise-cases.ts';

function input(name: string, shape: Shape): Tensor {
  return tensor(name, shape, 'arena', { requiresGrad: true });
}

/** Three sources of one shape, joined along channels. Backward makes the gradient of each. */
export function concatCases(shape: Shape): BenchCase[] {
  const [samples, channels, ...extents] = shape as [number, number, ...number[]];
  const volume = sizeOf(extents);
  const joined = [samples, 3 * channels, ...extents];
  return passes('concat', joined, { forward: 2, backward: 2 }, (tape, pass) => {
    const sources = ['first', 'second', 'third'].map((name) => input(name, shape));
    const { section, output, grad, gradInput } = recordPass(tape, concat, sources, {}, pass);
    const noise = sources.map(noiseOf);
    const g = noiseOf(grad);
    /** The source of an element of the output, and its place there. */
    const from = (i: number): number => {
      const channel = Math.floor(i / volume);
      const [n, c] = [Math.floor(channel / (3 * channels)), channel % (3 * channels)];
      const source = Math.floor(c / channels);
      return noise[source]![(n * channels + (c % channels)) * volume + (i % volume)]!;
    };
    const of = (i: number): number => {
      const channel = Math.floor(i / volume);
      const n = Math.floor(channel / channels);
      return g[(n * 3 * channels + (channel % channels)) * volume + (i % volume)]!;
    };
    return pass === 'forward'
      ? { section, check: { tensor: output, expected: from } }
      : { section, check: { tensor: gradInput!, expected: of } };
  });
}

/** The mean of each channel, as heads that give numbers take it at the coarsest level. */
export function globalAveragePoolCases(shape: Shape): BenchCase[] {
  const volume = sizeOf(shape.slice(2));
  return passes('global-average-pool', shape, { forward: 1, backward: 1 }, (tape, pass) => {
    const source = input('input', shape);
    const { section, output, grad, gradInput } = recordPass(tape, globalAveragePool, [source], {}, pass);
    const [x, g] = [source, grad].map(noiseOf) as [Float32Array, Float32Array];
    const mean = (row: number): number =>
      x.subarray(row * volume, (row + 1) * volume).reduce((sum, v) => sum + v, 0) / volume;
    return pass === 'forward'
      ? { section, check: { tensor: output, expected: mean } }
      : { section, check: { tensor: gradInput!, expected: (i) => g[Math.floor(i / volume)]! / volume } };
  });
}

/** A fully connected layer with a bias. Backward makes all three gradients. */
export function linearCases(samples: number, inputs: number, outputs: number): BenchCase[] {
  const bytes = bytesOf([samples, inputs], [outputs, inputs], [samples, outputs]);
  return (['forward', 'backward'] as const).map((pass) => ({
    kernel: `linear/${pass}`,
    shape: `${inputs}->${outputs}@${samples}`,
    bound: 'bandwidth',
    flops: (pass === 'forward' ? 2 : 4) * samples * inputs * outputs,
    bytes: pass === 'forward' ? bytes : 2 * bytes,
    record(tape) {
      const tensors = [
        input('input', [samples, inputs]),
        input('weight', [outputs, inputs]),
        input('bias', [outputs]),
      ];
      const { section, output, grad, gradInput } = recordPass(tape, linear, tensors, {}, pass);
      const [x, w, b] = tensors.map(noiseOf) as [Float32Array, Float32Array, Float32Array];
      const g = noiseOf(grad);
      const expected =
        pass === 'forward'
          ? (at: number): number => {
              const [n, o] = [Math.floor(at / outputs), at % outputs];
              return x
                .subarray(n * inputs, (n + 1) * inputs)
                .reduce((sum, v, i) => sum + v * w[o * inputs + i]!, b[o]!);
            }
          : (at: number): number => {
              const [n, i] = [Math.floor(at / inputs), at % inputs];
              return g
                .subarray(n * outputs, (n + 1) * outputs)
                .reduce((sum, v, o) => sum + v * w[o * inputs + i]!, 0);
            };
      return { section, check: { tensor: pass === 'forward' ? output : gradInput!, expected } };
    },
  }));
}
