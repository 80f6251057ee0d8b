import { type Shape, sizeOf } from '../core/shape.ts';
import { expectInputs } from '../tape/check.ts';
import { type Command, read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { flatGroups } from '../tape/workgroups.ts';

/** `slope` is 0 for ReLU, and the slope below zero for leaky ReLU. */
export interface ReluAttributes {
  readonly slope: number;
}

const ELEMENTS_PER_GROUP = 64 * 16;

/**
 * output = max(input, 0) + slope * min(input, 0). Any shape.
 * The gradient at 0 is `slope`, as in PyTorch.
 */
export const relu: Op<ReluAttributes, undefined> = {
  name: 'relu',

  shape(inputs: readonly Shape[]): Shape {
    const [input] = expectInputs('relu', inputs, 1);
    return input!;
  },

  forward(emit, [input], output, { slope }): undefined {
    const size = sizeOf(output.shape);
    const groups = flatGroups(size, ELEMENTS_PER_GROUP, emit.capabilities);
    emit.run({
      label: 'relu/forward',
      kernel: { file: 'relu.wgsl', entry: 'forward' },
      bindings: [read(input!), write(output)],
      params: [size, { f32: slope }, 0, groups[0]],
      workgroups: groups,
    });
  },

  backward({ inputs: [input], attributes: { slope } }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const size = sizeOf(gradInput.shape);
        const groups = flatGroups(size, ELEMENTS_PER_GROUP, emit.capabilities);
        const command: Command = {
          label: 'relu/backward',
          kernel: { file: 'relu.wgsl', entry: 'backward' },
          bindings: [read(input!), read(gradOutput), accumulate ? readWrite(gradInput) : write(gradInput)],
          params: [size, { f32: slope }, accumulate ? 1 : 0, groups[0]],
          workgroups: groups,
        };
        emit.run(command);
      },
    ];
  },
};
