import { ceilDiv, type Shape, sameShape, sizeOf } from '../../core/shape.ts';
import type { Spec } from '../gpu/specialise.ts';
import { expectActivation, expectRule } from '../tape/check.ts';
import type { Command } from '../tape/command.ts';
import { read, readWrite, write } from '../tape/command.ts';
import type { Emitter, Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';
import { byteLength, type Tensor, tensor } from '../tape/tensor.ts';

/** There is nothing to choose: activations are joined along channels. */
export type ConcatAttributes = Readonly<Record<string, never>>;

const FILE = 'concat.wgsl';
const LANES = 64;
const PER_LANE = 8;

/**
 * Joins any number of activations [batch, channels, depth, height, width] along channels, in order: `torch.cat(inputs, 1)`.
 * A convolution of two sources needs no concat: `conv3d` reads both.
 */
export const concat: Op<ConcatAttributes, undefined> = {
  name: 'concat',
  storesF16: true,

  shape(inputs: readonly Shape[]): Shape {
    expectRule('concat', inputs.length > 0, 'takes at least 1 input', inputs);
    const [batch, , ...volume] = expectActivation('concat', inputs[0], inputs);
    let channels = 0;
    for (const input of inputs) {
      const [own, count, ...extents] = expectActivation('concat', input, inputs);
      const fits = own === batch && sameShape(extents, volume);
      expectRule('concat', fits, 'sources agree in batch, depth, height and width', inputs);
      channels += count;
    }
    return [batch, channels, ...volume];
  },

  forward(emit, inputs, output): undefined {
    for (const [i, source] of inputs.entries()) {
      const { whole, spec, ...command } = layoutOf(emit, source, output, firstChannel(inputs, i));
      emit.run({
        ...command,
        label: 'concat/forward',
        kernel: { file: FILE, entry: 'forward', spec },
        bindings: [read(source, true), write(whole, true)],
      });
    }
  },

  backward({ inputs }, gradOutput) {
    return inputs.map((_, i) => (emit, gradInput, accumulate) => {
      const { whole, spec, ...command } = layoutOf(emit, gradInput, gradOutput, firstChannel(inputs, i));
      emit.run({
        ...command,
        label: 'concat/backward',
        kernel: { file: FILE, entry: 'backward', spec: { ...spec, ACCUMULATE: accumulate ? 1 : 0 } },
        bindings: [read(whole, true), accumulate ? readWrite(gradInput, true) : write(gradInput, true)],
      });
    });
  },
};

function firstChannel(inputs: readonly Tensor[], index: number): number {
  return inputs.slice(0, index).reduce((sum, { shape }) => sum + shape[1]!, 0);
}

/** How one source (or its gradient) lies in the output (or its gradient), and the dispatch that copies it. */
function layoutOf(
  { capabilities }: Emitter,
  source: Tensor,
  output: Tensor,
  first: number,
): Pick<Command, 'params' | 'workgroups' | 'samples' | 'channels'> & {
  /** The output, or a view of the source's channels if the device does not bind all of it at once. */
  readonly whole: Tensor;
  readonly spec: Spec;
} {
  const [samples, channels, ...volume] = source.shape as [number, number, ...number[]];
  const voxels = sizeOf(volume);
  const width = voxels % 4 === 0 ? 4 : 1;
  const items = voxels / width;
  const outputChannels = output.shape[1]!;
  // A dispatch that is cut into samples may write a copy of its part of the output, which must then be all its own.
  const bound = [source, output].every((each) => byteLength(each) <= capabilities.maxBindingBytes);
  const view = { of: output, firstChannel: first };
  const label = `${output.label}[${first}..${first + channels - 1}]`;
  return {
    whole: bound ? output : tensor(label, source.shape, view, { element: output.element }),
    spec: {
      real: width === 4 ? 'vec4f' : 'f32',
      ...storageSpec({ Source: source, Output: output }, width),
    },
    params: {
      items,
      source_channels: channels,
      output_channels: bound ? outputChannels : channels,
      first: bound ? first : 0,
    },
    workgroups: [ceilDiv(items, LANES * PER_LANE), channels, samples],
    samples,
    ...(bound ? {} : { channels: { count: channels } }),
  };
}
