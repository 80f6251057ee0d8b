import type { Shape } from '../../core/shape.ts';
import { expectInputs } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import { flatParts } from '../tape/flat-parts.ts';
import type { Op } from '../tape/op.ts';

/** There is nothing to choose. */
export type SigmoidAttributes = Readonly<Record<string, never>>;

const FILE = 'sigmoid.wgsl';

/** output = 1 / (1 + exp(-input)), elementwise. Any shape. Backward needs the output only. */
export const sigmoid: Op<SigmoidAttributes, undefined> = {
  name: 'sigmoid',

  shape(inputs: readonly Shape[]): Shape {
    const [input] = expectInputs('sigmoid', inputs, 1);
    return input!;
  },

  forward(emit, [input], output): undefined {
    for (const { spec, items, groups, part } of flatParts(output.shape, emit.capabilities))
      emit.run({
        label: 'sigmoid/forward',
        kernel: { file: FILE, entry: 'forward', spec },
        bindings: [part(read(input!)), part(write(output))],
        params: [items, groups[0]],
        workgroups: groups,
      });
  },

  backward({ output }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const target = accumulate ? readWrite(gradInput) : write(gradInput);
        for (const { spec, items, groups, part } of flatParts(output.shape, emit.capabilities))
          emit.run({
            label: 'sigmoid/backward',
            kernel: { file: FILE, entry: 'backward', spec: { ...spec, ACCUMULATE: accumulate ? 1 : 0 } },
            bindings: [part(read(output)), part(read(gradOutput)), part(target)],
            params: [items, groups[0]],
            workgroups: groups,
          });
      },
    ];
  },
};
