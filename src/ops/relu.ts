import { type Shape, sizeOf } from '../core/shape.ts';
import { expectInputs } from '../tape/check.ts';
import { read, readWrite, slice, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { flatChunks, flatGroups } from '../tape/workgroups.ts';

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
    for (const { first, count } of flatChunks(sizeOf(output.shape), emit.capabilities)) {
      const groups = flatGroups(count, ELEMENTS_PER_GROUP, emit.capabilities);
      emit.run({
        label: 'relu/forward',
        kernel: { file: 'relu.wgsl', entry: 'forward' },
        bindings: [slice(read(input!), first, count), slice(write(output), first, count)],
        params: [count, { f32: slope }, 0, groups[0]],
        workgroups: groups,
      });
    }
  },

  backward({ inputs: [input], attributes: { slope } }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const target = accumulate ? readWrite(gradInput) : write(gradInput);
        for (const { first, count } of flatChunks(sizeOf(gradInput.shape), emit.capabilities)) {
          const groups = flatGroups(count, ELEMENTS_PER_GROUP, emit.capabilities);
          emit.run({
            label: 'relu/backward',
            kernel: { file: 'relu.wgsl', entry: 'backward' },
            bindings: [read(input!), read(gradOutput), target].map((each) => slice(each, first, count)),
            params: [count, { f32: slope }, accumulate ? 1 : 0, groups[0]],
            workgroups: groups,
          });
        }
      },
    ];
  },
};
