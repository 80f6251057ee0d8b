import { type Shape, sameShape } from '../../core/shape.ts';
import { expectInputs, expectRule } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import { flatParts } from '../tape/flat-parts.ts';
import type { Emitter, Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';
import { inWideSums } from '../tape/wide-sums.ts';

/** There is nothing to choose. */
export type AddAttributes = Readonly<Record<string, never>>;

const FILE = 'add.wgsl';

/**
 * output = input 0 + input 1 + …: two or more inputs of one shape, added in that order. Any shape.
 * The gradient of each input is the output's; the tape lets them share it (see {@link Op.passesGradient}).
 */
export const add: Op<AddAttributes, undefined> = {
  name: 'add',
  storesF16: true,
  passesGradient: true,

  shape(inputs: readonly Shape[]): Shape {
    const [first, ...others] = expectInputs('add', inputs, 2, Number.POSITIVE_INFINITY);
    const same = others.every((shape) => sameShape(shape, first!));
    expectRule('add', same, 'all inputs have one shape', inputs);
    return first!;
  },

  forward(emit, [first, second, ...others], output): undefined {
    inWideSums(emit, 'add', output, false, 1 + others.length, (sum) => {
      const stored = { First: first!, Second: second!, Output: sum };
      for (const { spec, items, groups, part } of flatParts(output.shape, emit.capabilities, stored))
        emit.run({
          label: 'add/forward',
          kernel: { file: FILE, entry: 'forward', spec },
          bindings: [part(read(first!)), part(read(second!)), part(write(sum))],
          params: { items, groups_x: groups[0] },
          workgroups: groups,
        });
      for (const other of others) addTo(emit, 'add/forward_more', other, sum, true);
    });
  },

  backward({ inputs }, gradOutput) {
    return inputs.map(() => (emit, gradInput, accumulate) => {
      addTo(emit, 'add/backward', gradOutput, gradInput, accumulate);
    });
  },
};

/** target (+)= source, of one shape. */
export function addTo(
  emit: Emitter,
  label: string,
  source: Tensor,
  target: Tensor,
  accumulate: boolean,
): void {
  const stored = { First: source, Output: target };
  for (const { spec, items, groups, part } of flatParts(target.shape, emit.capabilities, stored))
    emit.run({
      label,
      kernel: { file: FILE, entry: 'accumulate', spec: { ...spec, ACCUMULATE: accumulate ? 1 : 0 } },
      bindings: [part(read(source)), part(accumulate ? readWrite(target) : write(target))],
      params: { items, groups_x: groups[0] },
      workgroups: groups,
    });
}
