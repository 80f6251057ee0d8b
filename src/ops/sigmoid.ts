import { type Shape, sizeOf } from '../core/shape.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import { expectInputs } from '../tape/check.ts';
import { type Binding, read, readWrite, slice, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { flatChunks, flatGroups } from '../tape/workgroups.ts';

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
    for (const { spec, items, groups, part } of chunksOf(output.shape, emit.capabilities))
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
        for (const { spec, items, groups, part } of chunksOf(output.shape, emit.capabilities))
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

interface Chunk {
  readonly spec: { readonly real: string };
  readonly items: number;
  readonly groups: readonly [number, number, number];
  /** Cuts a binding of a whole tensor to the chunk. */
  part(binding: Binding): Binding;
}

function chunksOf(shape: Shape, capabilities: Capabilities): Chunk[] {
  const size = sizeOf(shape);
  const width = size % 4 === 0 ? 4 : 1;
  return flatChunks(size, capabilities).map(({ first, count }) => ({
    spec: { real: width === 4 ? 'vec4f' : 'f32' },
    items: count / width,
    groups: flatGroups(count / width, LANES * ITEMS, capabilities),
    part: (binding) => slice(binding, first, count),
  }));
}
