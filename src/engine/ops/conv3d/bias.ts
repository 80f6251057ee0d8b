import { read, readWrite, write } from '../../tape/command.ts';
import type { Emitter } from '../../tape/op.ts';
import { channelGroups } from '../../tape/split.ts';
import { storageSpec } from '../../tape/storage.ts';
import type { Tensor } from '../../tape/tensor.ts';
import { flatGroups } from '../../tape/workgroups.ts';
import { sumPartials } from '../reduce/sum-partials.ts';
import { extentsOf, sliceCount, voxelsOf } from './task.ts';

const LANES = 64;

/** grad_bias (+)= sum over batch and voxels of grad_output: lane-wise partials, then their sum in a fixed order. */
export function biasGradient(emit: Emitter, gradOutput: Tensor, gradBias: Tensor, accumulate: boolean): void {
  const samples = gradOutput.shape[0]!;
  const voxels = voxelsOf(extentsOf(gradOutput.shape));
  for (const { tensor, first, channels } of channelGroups(gradOutput, emit.capabilities)) {
    const slices = sliceCount(voxels, channels * samples, 64, LANES * 64);
    const partial = emit.scratch('conv3d/bias_partial', [samples, slices * LANES * channels]);
    emit.run({
      label: 'conv3d/backward_bias',
      kernel: { file: 'conv3d.wgsl', entry: 'bias_partial', spec: storageSpec({ Output: gradOutput }) },
      bindings: [read(tensor, true), write(partial, true)],
      params: { channels, size: voxels, slices },
      workgroups: [channels, slices, samples],
      samples,
    });
    const label = 'conv3d/backward_bias_reduce';
    const partials = samples * slices * LANES;
    if (emit.capabilities.family === 'gpu') {
      const layout = { stride: channels, elements: channels, inner: channels, byRow: 0 };
      sumPartials(emit, label, { from: partial, partials, ...layout, to: gradBias, first, accumulate });
      continue;
    }
    const groups = flatGroups(channels, LANES, emit.capabilities);
    emit.run({
      label,
      kernel: { file: 'conv3d.wgsl', entry: 'weight_reduce' },
      bindings: [read(partial), accumulate ? readWrite(gradBias) : write(gradBias)],
      params: {
        inner: channels,
        outer: 1,
        partials,
        by_out: 0,
        first,
        accumulate: accumulate ? 1 : 0,
        groups_x: groups[0],
      },
      workgroups: groups,
    });
  }
}
