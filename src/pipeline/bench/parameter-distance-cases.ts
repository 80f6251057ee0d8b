import { type Shape, sizeOf } from '../../core/shape.ts';
import { parameterDistance } from '../../engine/ops/parameter-distance.ts';
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
    const [, , { tensor: coefficients }] = combine!.bindings as [unknown, unknown, { tensor: typeof output }];
    const [g] = noiseOf(grad);
    return {
      section,
      data: new Map([[coefficients, Float32Array.of(0, 0, 2)]]),
      check: { tensor: gradInput!, expected: (i) => 2 * g! * (x[i]! - y[i]!) },
    };
  });
}
