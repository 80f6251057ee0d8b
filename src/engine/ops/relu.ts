import type { Shape } from '../../core/shape.ts';
import { expectInputs } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import { flatParts } from '../tape/flat-parts.ts';
import type { Op } from '../tape/op.ts';

/** `slope` is 0 for ReLU, and the slope below zero for leaky ReLU. */
export interface ReluAttributes {
  readonly slope: number;
}

const FILE = 'relu.wgsl';

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
    for (const { spec, items, groups, part } of flatParts(output.shape, emit.capabilities))
      emit.run({
        label: 'relu/forward',
        kernel: { file: FILE, entry: 'forward', spec },
        bindings: [part(read(input!)), part(write(output))],
        params: [items, { f32: slope }, groups[0]],
        workgroups: groups,
      });
  },

  backward({ inputs: [input], attributes: { slope } }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const target = accumulate ? readWrite(gradInput) : write(gradInput);
        for (const { spec, items, groups, part } of flatParts(gradInput.shape, emit.capabilities))
          emit.run({
            label: 'relu/backward',
            kernel: { file: FILE, entry: 'backward', spec: { ...spec, ACCUMULATE: accumulate ? 1 : 0 } },
            bindings: [part(read(input!)), part(read(gradOutput)), part(target)],
            params: [items, { f32: slope }, groups[0]],
            workgroups: groups,
          });
      },
    ];
  },
};
