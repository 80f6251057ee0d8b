import { ShapeError } from '../../core/errors.ts';
import { ceilDiv, type Shape, sameShape, sizeOf } from '../../core/shape.ts';
import { expectInputs, expectRule } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import type { GradientThunk, Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';

/** How {@link parameterDistance} measures. */
export interface ParameterDistanceAttributes {
  /**
   * - `l2` (default): the sum of squared differences (Duong et al. 2015, section 3).
   * - `trace`: the trace norm of the matrix whose two rows are the tensors (Yang and Hospedales 2017, eq. 1, with the last
   *   axis flattening). It favours rows that point in one direction, whatever their lengths.
   */
  readonly norm?: 'l2' | 'trace';
}

/** Three coefficients per pair: of the sum in its gradient, of both, and of the difference. */
export interface ParameterDistanceSaved {
  readonly coefficients: Tensor;
}

const FILE = 'parameter-distance.wgsl';
const LANES = 64;
const PER_LANE = 16;
/** Sums per pair: of s s, s e and e e. */
const SUMS = 3;

/**
 * What keeps the parameters of two networks alike (soft sharing): a scalar [1], the sum over pairs of tensors of their
 * distance. Inputs: the tensors of one network in order, then those of the other, each of its partner's shape.
 *
 * The trace norm of two rows a and b follows from their sum s and difference e without a singular value decomposition:
 * it is the root of (s.s + e.e) / 2 + q with q² = s.s e.e - (s.e)². It has a kink if the rows are parallel, as they are
 * in networks that start alike; q² + (κ (s.s + e.e))² with κ = 1e-3 stands for q², which changes the norm by at most
 * a relative 1e-3. Sums have a fixed order.
 */
export const parameterDistance: Op<ParameterDistanceAttributes, ParameterDistanceSaved> = {
  name: 'parameter-distance',

  shape(inputs: readonly Shape[], { norm = 'l2' }): Shape {
    expectInputs('parameter-distance', inputs, 2, Number.POSITIVE_INFINITY);
    const pairs = inputs.length / 2;
    expectRule('parameter-distance', inputs.length % 2 === 0, 'takes pairs of tensors', inputs);
    const fit = inputs.slice(0, pairs).every((shape, k) => sameShape(shape, inputs[pairs + k]!));
    expectRule('parameter-distance', fit, 'the tensors of a pair have one shape', inputs);
    const given: unknown = norm;
    if (given !== 'l2' && given !== 'trace')
      throw new ShapeError(
        'parameter-distance',
        'the norm is l2 or trace',
        JSON.stringify(given) ?? 'nothing',
      );
    return [1];
  },

  forward(emit, inputs, output, { norm = 'l2' }): ParameterDistanceSaved {
    const pairs = inputs.length / 2;
    // Each pair has as many partial sums as the largest one: beyond its elements a workgroup adds up nothing.
    const most = Math.max(...inputs.map(({ shape }) => ceilDiv(sizeOf(shape), LANES * PER_LANE)));
    const partials = emit.scratch('distance partials', [pairs, SUMS, most]);
    const coefficients = emit.scratch('distance coefficients', [pairs, SUMS]);
    for (let k = 0; k < pairs; k++)
      emit.run({
        label: 'parameter-distance/sums',
        kernel: { file: FILE, entry: 'sums' },
        bindings: [read(inputs[k]!), read(inputs[pairs + k]!), write(partials)],
        params: { elements: sizeOf(inputs[k]!.shape), pair: k, partials: most },
        workgroups: [most, 1, 1],
      });
    emit.run({
      label: 'parameter-distance/combine',
      kernel: { file: FILE, entry: 'combine', spec: { TRACE: norm === 'trace' ? 1 : 0 } },
      bindings: [read(partials), write(output), write(coefficients)],
      params: { pairs, partials: most },
      workgroups: [1, 1, 1],
    });
    return { coefficients };
  },

  backward({ inputs, saved: { coefficients } }, gradOutput) {
    const pairs = inputs.length / 2;
    return inputs.map((own, i): GradientThunk => {
      const k = i % pairs;
      const partner = inputs[i < pairs ? i + pairs : k]!;
      return (emit, gradInput, accumulate) => {
        const elements = sizeOf(own.shape);
        emit.run({
          label: 'parameter-distance/backward',
          kernel: { file: FILE, entry: 'backward', spec: { ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [
            read(own),
            read(partner),
            read(coefficients),
            read(gradOutput),
            accumulate ? readWrite(gradInput) : write(gradInput),
          ],
          params: { elements, pair: k, sign: { f32: i < pairs ? 1 : -1 } },
          workgroups: [ceilDiv(elements, LANES * PER_LANE), 1, 1],
        });
      };
    });
  },
};
