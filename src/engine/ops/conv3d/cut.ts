import type { Capabilities } from '../../gpu/capabilities.ts';
import { channelGroups } from '../../tape/split.ts';
import { type ConvolutionTask, tapsOf, type WeightGradientTask } from './task.ts';

/**
 * The task as tasks whose sources and outputs the device binds, a sample at a time: the task itself where they fit,
 * else groups of their channels. The sum over input channels goes on in the output, group after group.
 */
export function cutConvolution(task: ConvolutionTask, capabilities: Capabilities): ConvolutionTask[] {
  const sources = task.sources.flatMap(({ tensor, weight }) =>
    channelGroups(tensor, capabilities).map((group) => ({ ...group, weight })),
  );
  const outputs = channelGroups(task.output, capabilities);
  if (sources.length === task.sources.length && outputs.length === 1) return [task];
  return outputs.map((output) => ({
    ...task,
    sources: sources.map(({ tensor, channels, first, weight }) => ({
      tensor,
      channels,
      weight: {
        ...weight,
        first: weight.first + output.first * weight.byOut + first * weight.byIn,
      },
    })),
    output: output.tensor,
    outChannels: output.channels,
    bias: task.bias && { ...task.bias, first: task.bias.first + output.first },
  }));
}

/** Partial sums per weight and sample, with the volume in one slice: the lanes of `pointwise` keep theirs apart. */
function partialsOf(taps: number): number {
  return taps === 1 ? 64 : 1;
}

/** The same for a weight gradient, whose partial sums have to fit too. */
export function cutWeightGradient(
  task: WeightGradientTask,
  capabilities: Capabilities,
): WeightGradientTask[] {
  const taps = tapsOf(task);
  const pairs = Math.max(
    1,
    Math.floor(capabilities.maxBindingBytes / (4 * task.samples * taps * partialsOf(taps))),
  );
  const outputs = channelGroups(task.gradOutput, capabilities, pairs);
  const widest = Math.max(...outputs.map(({ channels }) => channels));
  const sources = task.sources.flatMap(({ tensor, first }) =>
    channelGroups(tensor, capabilities, Math.max(1, Math.floor(pairs / widest))).map((group) => ({
      ...group,
      first: first + group.first,
    })),
  );
  return outputs.map((output) => ({
    ...task,
    sources,
    gradOutput: output.tensor,
    outChannels: output.channels,
    outFirst: task.outFirst + output.first,
  }));
}
