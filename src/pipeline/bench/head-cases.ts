import { type Shape, sizeOf } from '../../core/shape.ts';
import { concat } from '../../engine/ops/concat.ts';
import { globalAveragePool } from '../../engine/ops/global-average-pool.ts';
import { linear } from '../../engine/ops/linear.ts';
import { upsampleTrilinear } from '../../engine/ops/upsample-trilinear.ts';
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

/** Trilinear upsampling by 2. */
export function upsampleCases(shape: Shape): BenchCase[] {
  const [, , ...extents] = shape as [number, number, number, number, number];
  return passes('upsample-trilinear', shape, { forward: 9, backward: 9 }, (tape, pass) => {
    const source = input('input', shape);
    const attributes = { scale: [2, 2, 2] } as const;
    const { section, output, grad, gradInput } = recordPass(
      tape,
      upsampleTrilinear,
      [source],
      attributes,
      pass,
    );
    const [x, g] = [source, grad].map(noiseOf) as [Float32Array, Float32Array];
    /** Three quarters of the nearest voxel and a quarter of the next one, or all of it at an end. */
    const taps = (o: number, extent: number): readonly (readonly [number, number])[] => {
      const near = o >> 1;
      const next = Math.min(Math.max(near + (o % 2 === 0 ? -1 : 1), 0), extent - 1);
      return [
        [near, 0.75],
        [next, 0.25],
      ];
    };
    const places = (flat: number, sizes: readonly number[]): readonly number[] => {
      const [depth, height, width] = sizes as [number, number, number];
      const plane = Math.floor(flat / (width * height));
      return [Math.floor(plane / depth), plane % depth, Math.floor(flat / width) % height, flat % width];
    };
    const forward = (flat: number): number => {
      const [row, ...at] = places(
        flat,
        extents.map((extent) => 2 * extent),
      ) as [number, ...number[]];
      const [z, y, x3] = at.map((o, axis) => taps(o, extents[axis]!));
      let sum = 0;
      for (const [k, a] of z!)
        for (const [j, b] of y!)
          for (const [i, c] of x3!)
            sum += a * b * c * x[((row * extents[0] + k) * extents[1] + j) * extents[2] + i]!;
      return sum;
    };
    const backward = (flat: number): number => {
      const [row, ...own] = places(flat, extents) as [number, ...number[]];
      const weights = own.map((i, axis) =>
        Array.from({ length: 2 * extents[axis]! }, (_, o) =>
          taps(o, extents[axis]!).reduce((sum, [at, weight]) => sum + (at === i ? weight : 0), 0),
        ),
      ) as [number[], number[], number[]];
      let sum = 0;
      weights[0].forEach((a, z) => {
        if (a === 0) return;
        weights[1].forEach((b, y) => {
          if (b === 0) return;
          const line = ((row * 2 * extents[0] + z) * 2 * extents[1] + y) * 2 * extents[2];
          weights[2].forEach((c, i) => {
            sum += a * b * c * g[line + i]!;
          });
        });
      });
      return sum;
    };
    return pass === 'forward'
      ? { section, check: { tensor: output, expected: forward } }
      : { section, check: { tensor: gradInput!, expected: backward } };
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
