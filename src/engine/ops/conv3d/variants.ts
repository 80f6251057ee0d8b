import type { Capabilities } from '../../gpu/capabilities.ts';
import type { Emitter } from '../../tape/op.ts';
import { channelGroups } from '../../tape/split.ts';
import { inWideSums } from '../../tape/wide-sums.ts';
import { cutConvolution, cutWeightGradient } from './cut.ts';
import { convolvePointwise, weightGradientPointwise } from './pointwise.ts';
import { softwareCandidates, softwareWeightCandidates } from './software/candidates.ts';
import {
  type ConvolutionTask,
  type ConvolutionVariant,
  filled,
  inChannelsOf,
  isHalf,
  isPlain,
  slotOf,
  type WeightGradientTask,
  type WeightGradientVariant,
  weightSlotOf,
} from './task.ts';
import { convolveTile, weightGradientTile } from './tile.ts';
import {
  canConvolveWide,
  canDifferentiateWide,
  canWriteBoth,
  convolveWide,
  type WideTile,
  weightGradientWide,
} from './wide.ts';

const TILE: ConvolutionVariant = { name: 'tile', run: convolveTile };
const WEIGHT_TILE: WeightGradientVariant = { name: 'tile', run: weightGradientTile };
const POINTWISE: ConvolutionVariant = { name: 'pointwise', run: convolvePointwise };
const WEIGHT_POINTWISE: WeightGradientVariant = { name: 'pointwise', run: weightGradientPointwise };

/** Tiles for GPUs: deep ones for large volumes; flat ones fill a chip with small ones. */
const WIDE_TILES: readonly WideTile[] = [
  { z: 8, staged: 2 },
  { z: 4, staged: 4 },
];

/** Wide tiles, if the device is a GPU: software drivers keep workgroup memory in main memory. */
function wideVariants(capabilities: Capabilities, task: ConvolutionTask): ConvolutionVariant[] {
  if (capabilities.family !== 'gpu') return [];
  const depth = task.outExtents[0];
  // Intel's units have 128 registers per lane at most, too few for the deep tile's sums.
  const deep = capabilities.vendor === 'intel' ? 0.9 : 1.1;
  return WIDE_TILES.filter((tile) => canConvolveWide(capabilities, task, tile))
    .map((tile) => ({
      variant: {
        name: `wide ${tile.z}x${tile.staged}`,
        run: (emit: Emitter, each: ConvolutionTask) => convolveWide(emit, each, tile),
      },
      worth: filled(depth, tile.z) * (tile.z === 8 ? deep : 1),
    }))
    .sort((a, b) => b.worth - a.worth)
    .map(({ variant }) => variant);
}

/** The variants that can convolve this here, best first. */
function convolutionCandidates(capabilities: Capabilities, task: ConvolutionTask): ConvolutionVariant[] {
  const dense = task.inputDilation.every((each) => each === 1);
  // A head has few channels on one side; with many on both, a GPU gains from sharing loads.
  if (dense && isPlain(task, 1)) {
    const narrow = capabilities.software || Math.min(task.outChannels, inChannelsOf(task)) <= 8;
    return narrow ? [POINTWISE, TILE] : [TILE, POINTWISE];
  }
  if (!dense || !isPlain(task, 3)) return [TILE];
  const wide = wideVariants(capabilities, task);
  if (isHalf(task)) return [...wide, TILE];
  const rated = softwareCandidates(capabilities, task);
  return capabilities.family === 'gpu' ? [...wide, TILE, ...rated] : [...rated, TILE];
}

function wideWeightVariants(capabilities: Capabilities): WeightGradientVariant[] {
  if (capabilities.family !== 'gpu') return [];
  return ([2, 1] as const)
    .filter((planes) => canDifferentiateWide(capabilities, planes))
    .map((planes) => ({
      name: `wide ${planes}`,
      run: (emit, task) => weightGradientWide(emit, task, planes),
    }));
}

/** The variants that can compute this weight gradient here, best first. */
function weightCandidates(capabilities: Capabilities, task: WeightGradientTask): WeightGradientVariant[] {
  if (isPlain(task, 1)) {
    const narrow = capabilities.software || Math.min(task.outChannels, task.inChannels) <= 8;
    return narrow ? [WEIGHT_POINTWISE, WEIGHT_TILE] : [WEIGHT_TILE, WEIGHT_POINTWISE];
  }
  if (!isPlain(task, 3)) return [WEIGHT_TILE];
  const wide = wideWeightVariants(capabilities);
  if (isHalf(task)) return [...wide, WEIGHT_TILE];
  const rated = softwareWeightCandidates(capabilities, task);
  return capabilities.family === 'gpu' ? [...wide, WEIGHT_TILE, ...rated] : [...rated, WEIGHT_TILE];
}

/** Convolves by the variant that is chosen for the task's shape; two outputs in one pass where a kernel can. */
export function convolve(emit: Emitter, task: ConvolutionTask): void {
  const { capabilities } = emit;
  const { also, ...own } = task;
  const both = also && bothVariants(capabilities, task);
  if (both?.length) {
    emit.choose(slotOf(task), both).run(emit, task);
    return;
  }
  if (also)
    convolve(emit, {
      ...own,
      sources: task.sources.map((source) => ({
        ...source,
        weight: {
          ...source.weight,
          first: source.weight.first + task.outChannels * source.weight.byOut,
        },
      })),
      output: also.output,
      outChannels: also.channels,
      accumulate: also.accumulate,
    });
  const passes = cutConvolution(own, capabilities)[0]!.sources.length;
  inWideSums(emit, own.label, own.output, own.accumulate, passes, (output, accumulate) => {
    for (const part of cutConvolution({ ...own, output, accumulate }, capabilities))
      emit.choose(slotOf(part), convolutionCandidates(capabilities, part)).run(emit, part);
  });
}

/** The variants that write both outputs in one pass: the wide ones, where all can be bound. */
function bothVariants(capabilities: Capabilities, task: ConvolutionTask): ConvolutionVariant[] {
  const dense = task.inputDilation.every((each) => each === 1);
  if (!dense || !isPlain(task, 3) || !canWriteBoth(task)) return [];
  const tensors = [task.output, task.also!.output, ...task.sources.map(({ tensor }) => tensor)];
  const whole = tensors.every((each) => channelGroups(each, capabilities).length === 1);
  return whole ? wideVariants(capabilities, task) : [];
}

/** Weight gradient by the variant that is chosen for the task's shape. */
export function weightGradient(emit: Emitter, task: WeightGradientTask): void {
  for (const part of cutWeightGradient(task, emit.capabilities))
    emit.choose(weightSlotOf(part), weightCandidates(emit.capabilities, part)).run(emit, part);
}
