import { ShapeError } from '../../core/errors.ts';
import type { Shape } from '../../core/shape.ts';
import { expectRule } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import type { Emitter, Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';

/** Weights of {@link weightedSum}. */
export interface WeightedSumAttributes {
  /** One per term (default: each 1). */
  readonly weights?: readonly number[];
}

/** The sum of scalars [1], such as losses, each times its weight: a scalar [1], added up in order. */
export const weightedSum: Op<WeightedSumAttributes, undefined> = {
  name: 'weighted-sum',

  shape(inputs: readonly Shape[], { weights = inputs.map(() => 1) }): Shape {
    const scalars = inputs.length > 0 && inputs.every((shape) => shape.length === 1 && shape[0] === 1);
    expectRule('weighted-sum', scalars, 'takes scalars, each of shape [1]', inputs);
    const given: unknown = weights;
    if (!Array.isArray(given) || given.length !== inputs.length || !given.every(Number.isFinite))
      throw new ShapeError(
        'weighted-sum',
        'there is one finite weight per scalar',
        `${inputs.length} scalars with weights ${JSON.stringify(weights)}`,
      );
    return [1];
  },

  forward(emit, inputs, output, { weights = inputs.map(() => 1) }): undefined {
    inputs.forEach((term, i) => {
      add(emit, 'weighted-sum/forward', weights[i]!, term, output, i > 0);
    });
  },

  backward({ inputs, attributes: { weights = inputs.map(() => 1) } }, gradOutput) {
    return weights.map((weight) => (emit, gradInput, accumulate) => {
      add(emit, 'weighted-sum/backward', weight, gradOutput, gradInput, accumulate);
    });
  },
};

function add(
  emit: Emitter,
  label: string,
  weight: number,
  term: Tensor,
  total: Tensor,
  accumulate: boolean,
): void {
  emit.run({
    label,
    kernel: { file: 'weighted-sum.wgsl', entry: 'add', spec: { ACCUMULATE: accumulate ? 1 : 0 } },
    bindings: [read(term), accumulate ? readWrite(total) : write(total)],
    params: { weight: { f32: weight } },
    workgroups: [1, 1, 1],
  });
}
