import { ceilDiv, type Shape } from '../../core/shape.ts';
import type { Spec } from '../gpu/specialise.ts';
import { expectActivation, expectInputs, expectRule } from '../tape/check.ts';
import { type Param, read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';
import type { Tensor } from '../tape/tensor.ts';

/** Kernel and stride are 2; there is nothing to choose. */
export type MaxPool3dAttributes = Readonly<Record<string, never>>;

const FILE = 'max-pool3d.wgsl';
const LANES = 64;

/**
 * The largest value of each 2x2x2 window, stride 2: [batch, channels, depth, height, width] to
 * [batch, channels, floor(depth / 2), floor(height / 2), floor(width / 2)]. Of equal values the first in memory order
 * gets the gradient, as in PyTorch; backward finds it again from the input.
 */
export const maxPool3d: Op<MaxPool3dAttributes, undefined> = {
  name: 'max-pool3d',
  storesF16: true,

  shape(inputs: readonly Shape[]): Shape {
    const [input] = expectInputs('max-pool3d', inputs, 1);
    const [batch, channels, ...extents] = expectActivation('max-pool3d', input, inputs);
    const fits = extents.every((extent) => extent >= 2);
    expectRule('max-pool3d', fits, 'depth, height and width are at least 2', inputs);
    return [batch, channels, ...extents.map((extent) => Math.floor(extent / 2))];
  },

  forward(emit, [input], output): undefined {
    const windows = windowsOf(input!.shape, Math.floor);
    emit.run({
      label: 'max-pool3d/forward',
      kernel: {
        file: FILE,
        entry: windows.vector ? 'forward_vec4' : 'forward',
        spec: storedAs(input!, output, windows.vector),
      },
      bindings: [read(input!, true), write(output, true)],
      params: windows.params,
      workgroups: windows.groups,
      samples: input!.shape[0]!,
      channels: { count: input!.shape[1]! },
    });
  },

  backward({ inputs: [input] }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const windows = windowsOf(input!.shape, Math.ceil);
        emit.run({
          label: 'max-pool3d/backward',
          kernel: {
            file: FILE,
            entry: windows.vector ? 'backward_vec4' : 'backward',
            spec: { ...storedAs(input!, gradOutput, windows.vector), ACCUMULATE: accumulate ? 1 : 0 },
          },
          bindings: [
            read(input!, true),
            read(gradOutput, true),
            accumulate ? readWrite(gradInput, true) : write(gradInput, true),
          ],
          params: windows.params,
          workgroups: windows.groups,
          samples: input!.shape[0]!,
          channels: { count: input!.shape[1]! },
        });
      },
    ];
  },
};

/** The shader's aliases for what the input and the output, and their gradients, store. */
function storedAs(input: Tensor, output: Tensor, vector: boolean): Spec {
  return vector
    ? storageSpec({ Input4: input, Output4: output }, 4)
    : storageSpec({ Input: input, Output: output });
}

/** How the windows of an input are walked; `round` says whether incomplete ones at the ends count. */
function windowsOf(
  shape: Shape,
  round: (x: number) => number,
): {
  readonly vector: boolean;
  readonly params: readonly Param[];
  readonly groups: readonly [number, number, number];
} {
  const [batch, channels, depth, height, width] = shape as readonly [number, number, number, number, number];
  const vector = width % 8 === 0;
  const rows = round(height / 2);
  const columns = vector ? width / 8 : round(width / 2);
  const items = round(depth / 2) * rows * columns;
  const half = [depth, height, width].map((extent) => Math.floor(extent / 2));
  return {
    vector,
    params: [channels, depth, height, width, ...half, rows, columns, items],
    groups: [ceilDiv(items, LANES), channels, batch],
  };
}
