import type { Capabilities } from '../../gpu/capabilities.ts';
import { channelGroups } from '../../tape/split.ts';
import { type Geometry, type Pass, voxelsOf, type WeightPass, type WeightView } from './task.ts';

/**
 * The forward pass as passes between groups of channels that the device binds, a sample at a time: the pass itself
 * where its tensors fit. The sum over input channels goes on in the output, group after group.
 */
export function cutForward(pass: Pass, capabilities: Capabilities): Pass[] {
  const { geometry, from, to, weight, bias, accumulate } = pass;
  return channelGroups(to, capabilities).flatMap((out) =>
    channelGroups(from, capabilities).map((own, i) => ({
      geometry: { ...geometry, inChannels: own.channels, outChannels: out.channels },
      from: own.tensor,
      weight: weightOf(weight, geometry, own.first, out.first),
      bias: bias && i === 0 ? { ...bias, first: bias.first + out.first } : null,
      to: out.tensor,
      accumulate: accumulate || i > 0,
    })),
  );
}

/** The same for the input gradient, which sums over the output channels. */
export function cutBackwardInput(pass: Pass, capabilities: Capabilities): Pass[] {
  const { geometry, from, to, weight, accumulate } = pass;
  return channelGroups(to, capabilities).flatMap((own) =>
    channelGroups(from, capabilities).map((out, i) => ({
      geometry: { ...geometry, inChannels: own.channels, outChannels: out.channels },
      from: out.tensor,
      weight: weightOf(weight, geometry, own.first, out.first),
      bias: null,
      to: own.tensor,
      accumulate: accumulate || i > 0,
    })),
  );
}

/** The same for the weight gradient: each pair of groups has a part of the weight to itself. */
export function cutBackwardWeight(pass: WeightPass, capabilities: Capabilities): WeightPass[] {
  const { geometry, input, gradOutput, gradWeight, accumulate } = pass;
  return channelGroups(input, capabilities).flatMap((own) =>
    channelGroups(gradOutput, capabilities).map((out) => ({
      geometry: { ...geometry, inChannels: own.channels, outChannels: out.channels },
      input: own.tensor,
      gradOutput: out.tensor,
      gradWeight: weightOf(gradWeight, geometry, own.first, out.first),
      accumulate,
    })),
  );
}

/** The weights from an input and an output channel on. */
function weightOf(weight: WeightView, { kernel }: Geometry, inFirst: number, outFirst: number): WeightView {
  return { ...weight, first: weight.first + inFirst * weight.byIn + outFirst * voxelsOf(kernel) };
}
