import { type Shape, sizeOf } from '../../core/shape.ts';
import { halfOverlap } from '../../engine/ops/half-overlap.ts';
import { parameterDistance } from '../../engine/ops/parameter-distance.ts';
import { scalarBlocks } from '../../engine/ops/scalar-blocks.ts';
import { tensor } from '../../engine/tape/tensor.ts';
import { noiseOf } from '../../engine/tune/isolated.ts';
import type { BenchCase } from './cases.ts';
import { passes, recordPass } from './elementwise-cases.ts';

/** The distance of two weights. Backward makes both gradients, of the same sources. */
export function parameterDistanceCases(shape: Shape): BenchCase[] {
  return passes('parameter-distance', shape, { forward: 2, backward: 6 }, (tape, pass) => {
    const inputs = ['first', 'second'].map((name) => tensor(name, shape, 'arena', { requiresGrad: true }));
    const { section, output, grad, gradInput } = recordPass(tape, parameterDistance, inputs, {}, pass);
    const [x, y] = inputs.map(noiseOf) as [Float32Array, Float32Array];
    if (pass === 'forward') {
      let distance = 0;
      for (let i = 0; i < sizeOf(shape); i++) distance += (x[i]! - y[i]!) ** 2;
      return { section, check: { tensor: output, expected: () => distance } };
    }
    const combine = tape.commands.find(({ label }) => label === 'parameter-distance/combine');
    const coefficients = combine!.bindings[2]!.tensor;
    const [g] = noiseOf(grad);
    return {
      section,
      data: new Map([[coefficients, Float32Array.of(0, 0, 2)]]),
      check: { tensor: gradInput!, expected: (i) => 2 * g! * (x[i]! - y[i]!) },
    };
  });
}

/** A matrix of mixtures as a convolution's weight. */
export function scalarBlocksCases(matrix: readonly [number, number], size: number): BenchCase[] {
  const [rows, columns] = matrix;
  const weight = [rows * size, columns * size, 1, 1, 1];
  return passes('scalar-blocks', weight, { forward: 1, backward: 1 / (columns * size) }, (tape, pass) => {
    const input = tensor('matrix', matrix, 'arena', { requiresGrad: true });
    const { section, output, grad, gradInput } = recordPass(tape, scalarBlocks, [input], { size }, pass);
    const [x, g] = [noiseOf(input), noiseOf(grad)];
    const width = columns * size;
    const place = (i: number): readonly [number, number] => [Math.floor(i / width), i % width];
    if (pass === 'forward') {
      const expected = (i: number): number => {
        const [row, column] = place(i);
        const of = Math.floor(row / size) * columns + Math.floor(column / size);
        return row % size === column % size ? x[of]! : 0;
      };
      return { section, check: { tensor: output, expected } };
    }
    const expected = (i: number): number => {
      const first = Math.floor(i / columns) * size * width + (i % columns) * size;
      let sum = 0;
      for (let k = 0; k < size; k++) sum += g[first + k * (width + 1)]!;
      return sum;
    };
    return { section, check: { tensor: gradInput!, expected } };
  });
}

/** What the two halves of a weight have in common; its time is that of the dot products of all pairs of rows. */
export function halfOverlapCases(shape: Shape): BenchCase[] {
  return passes('half-overlap', shape, { forward: 1, backward: 2 }, (tape, pass) => {
    const input = tensor('weight', shape, 'arena', { requiresGrad: true });
    const { section, output, grad, gradInput } = recordPass(tape, halfOverlap, [input], {}, pass);
    const x = noiseOf(input);
    const half = shape[0]! / 2;
    const length = sizeOf(shape) / shape[0]!;
    const product = (i: number, j: number): number => {
      let sum = 0;
      for (let k = 0; k < length; k++) sum += x[i * length + k]! * x[(half + j) * length + k]!;
      return sum;
    };
    if (pass === 'forward') {
      let overlap = 0;
      for (let i = 0; i < half; i++) for (let j = 0; j < half; j++) overlap += product(i, j) ** 2;
      return { section, check: { tensor: output, expected: () => overlap } };
    }
    const combine = tape.commands.find(({ label }) => label === 'half-overlap/combine');
    const products = combine!.bindings[0]!.tensor;
    const values = Float32Array.from({ length: half * half }, (_, k) =>
      product(Math.floor(k / half), k % half),
    );
    const [g] = noiseOf(grad);
    const expected = (at: number): number => {
      const [row, k] = [Math.floor(at / length), at % length];
      let sum = 0;
      for (let j = 0; j < half; j++)
        sum +=
          row < half
            ? values[row * half + j]! * x[(half + j) * length + k]!
            : values[j * half + row - half]! * x[j * length + k]!;
      return 2 * g! * sum;
    };
    return { section, data: new Map([[products, values]]), check: { tensor: gradInput!, expected } };
  });
}
