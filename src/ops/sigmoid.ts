import { type Shape, sizeOf } from '../core/shape.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import { expectInputs } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { flatGroups } from '../tape/workgroups.ts';

/** There is nothing to choose. */
export type SigmoidAttributes = Readonly<Record<string, never>>;

const FILE = 'sigmoid.wgsl';
const LANES = 64;
/** The shader's constant. */
const ITEMS = 8;

/** output = 1 / (1 + exp(-input)), elementwise. Any shape. Backward needs the output only. */
export const sigmoid: Op<SigmoidAttributes, undefined> = {
  name: 'sigmoid',

  shape(inputs: readonly Shape[]): Shape {
    const [input] = expectInputs('sigmoid', inputs, 1);
    return input!;
  },

  forward(emit, [input], output): undefined {
    const { spec, items, groups } = layoutOf(output.shape, emit.capabilities);
    emit.run({
      label: 'sigmoid/forward',
      kernel: { file: FILE, entry: 'forward', spec },
      bindings: [read(input!), write(output)],
      params: [items, groups[0]],
      workgroups: groups,
    });
  },

  backward({ output }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const { spec, items, groups } = layoutOf(output.shape, emit.capabilities);
        emit.run({
          label: 'sigmoid/backward',
          kernel: { file: FILE, entry: 'backward', spec: { ...spec, ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [read(output), read(gradOutput), accumulate ? readWrite(gradInput) : write(gradInput)],
          params: [items, groups[0]],
          workgroups: groups,
        });
      },
    ];
  },
};

function layoutOf(
  shape: Shape,
  capabilities: Capabilities,
): {
  readonly spec: { readonly real: string };
  readonly items: number;
  readonly groups: readonly [number, number, number];
} {
  const size = sizeOf(shape);
  const vector = size % 4 === 0;
  const items = vector ? size / 4 : size;
  return {
    spec: { real: vector ? 'vec4f' : 'f32' },
    items,
    groups: flatGroups(items, LANES * ITEMS, capabilities),
  };
}
