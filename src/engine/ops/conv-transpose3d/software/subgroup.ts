import { ceilDiv, roundUp } from '../../../../core/shape.ts';
import type { Spec } from '../../../gpu/specialise.ts';
import { read, readWrite, slice, uniform, write } from '../../../tape/command.ts';
import type { Emitter } from '../../../tape/op.ts';
import type { Tensor } from '../../../tape/tensor.ts';
import { ALIGNMENT, finish } from '../cell.ts';
import { type Pass, voxelsOf, type WeightPass, type WeightView } from '../task.ts';

const FILE = 'software/conv-transpose3d-subgroup.wgsl';
/** Vec4f of a panel: 64 KiB, which every device binds as a uniform block. */
const PANEL = 4096;

/** Forward with output channels as lanes. */
export function forwardSubgroup(emit: Emitter, pass: Pass, lanes: number): void {
  run(emit, pass, { entry: 'forward', lanes, vectors: 1, voxels: 16, step: 2 });
}

/** Input channels of a workgroup at most: with the tiles of voxels, 128 sums a lane. */
const BACK_CHANNELS = 32;

/** Input gradient with input channels as lanes. */
export function backwardInputSubgroup(emit: Emitter, pass: Pass, lanes: number): void {
  const vectors = vectorsFor(pass.geometry.inChannels, lanes, BACK_CHANNELS);
  run(emit, pass, { entry: 'backward_input', lanes, vectors, voxels: 4 * lanes, step: 1 });
}

/** Input channels of a workgroup at most: the code for more no longer fits into a core's cache of instructions. */
const WEIGHT_CHANNELS = 16;
/** Voxels that one register adds up: an even number, and few enough to keep the error of a sum near 1e-6. */
const SLICE = 1024;

/** Weight gradient with output channels as lanes, then the sum of its slices. */
export function backwardWeightSubgroup(
  emit: Emitter,
  { geometry, input, gradOutput, gradWeight, accumulate }: WeightPass,
  lanes: number,
): void {
  const { samples, inChannels, outChannels } = geometry;
  const [depth, height, width] = geometry.inExtents;
  const vectors = vectorsFor(inChannels, lanes, WEIGHT_CHANNELS);
  const slices = ceilDiv(voxelsOf(geometry.inExtents), SLICE);
  const stride = roundUp(inChannels * outChannels * 8, ALIGNMENT);
  const partial = emit.scratch('conv-transpose3d/weight_partial', [samples, slices * stride]);
  const outBlocks = ceilDiv(outChannels, lanes);
  emit.run({
    label: 'conv-transpose3d/backward_weight',
    kernel: {
      file: FILE,
      entry: 'backward_weight',
      spec: { LANES: lanes, WEIGHT_VECTORS: vectors, ...pairing(width) },
    },
    bindings: [read(gradOutput, true), read(input, true), write(partial, true)],
    params: {
      depth,
      height,
      width,
      in_channels: inChannels,
      out_channels: outChannels,
      voxels: SLICE,
      slices,
      stride: stride / 4,
      out_blocks: outBlocks,
      rounds: 2,
    },
    workgroups: [outBlocks * ceilDiv(inChannels, vectors * lanes), slices, samples],
    samples,
  });
  finish(emit, geometry, partial, samples * slices, gradWeight, accumulate);
}

/** Vectors of `lanes` channels: as few as hold `channels`, in powers of two, and at most `most` channels. */
function vectorsFor(channels: number, lanes: number, most: number): number {
  let vectors = 1;
  while (vectors * lanes < Math.min(channels, most)) vectors *= 2;
  return vectors;
}

/** How gradients and inputs are loaded: two voxels at once where rows are even. */
function pairing(width: number): Spec {
  return width % 2 === 0 ? {} : { PAIRED: 0, Pair: 'f32', Quad: 'f32' };
}

/** `voxels` and `step` are constants of the shader. */
interface Tile {
  readonly entry: 'forward' | 'backward_input';
  readonly lanes: number;
  readonly vectors: number;
  /** Of one plane in a workgroup. */
  readonly voxels: number;
  /** Channels of the sum at a time. */
  readonly step: number;
}

/** How the weights are cut into panels. */
interface Panels {
  /** Channels of the sum in a panel, and blocks of result channels. */
  readonly count: number;
  readonly blocks: number;
  /** Panels along the result's channels, and along the sum's. */
  readonly across: number;
  readonly along: number;
}

function panelsOf(resultChannels: number, sumChannels: number, { lanes, vectors, step }: Tile): Panels {
  const perChannel = 2 * vectors * lanes;
  const along = ceilDiv(sumChannels, Math.floor(PANEL / perChannel));
  const count = roundUp(ceilDiv(sumChannels, along), step);
  const allBlocks = ceilDiv(resultChannels, vectors * lanes);
  const blocks = Math.min(allBlocks, Math.floor(PANEL / (perChannel * count)));
  return { count, blocks, across: ceilDiv(allBlocks, blocks), along };
}

function run(emit: Emitter, pass: Pass, tile: Tile): void {
  const { entry, lanes, vectors, voxels, step } = tile;
  const { geometry, from, weight, bias, to } = pass;
  const { inChannels, outChannels, samples } = geometry;
  const [depth, height, width] = geometry.inExtents;
  const isForward = entry === 'forward';
  const [resultChannels, sumChannels] = isForward ? [outChannels, inChannels] : [inChannels, outChannels];
  const panels = panelsOf(resultChannels, sumChannels, tile);
  const panel = pack(emit, weight, resultChannels, sumChannels, panels, tile);
  const allBlocks = ceilDiv(resultChannels, vectors * lanes);
  const tiles = ceilDiv(height * width, voxels);
  const spec: Spec = isForward ? {} : { VECTORS: vectors, ...pairing(width) };
  for (let i = 0; i < panels.across * panels.along; i++) {
    const firstBlock = (i % panels.across) * panels.blocks;
    const firstSum = Math.floor(i / panels.across) * panels.count;
    const blocks = Math.min(panels.blocks, allBlocks - firstBlock);
    const accumulate = pass.accumulate || firstSum > 0;
    // Each panel along the result's channels writes a part of it: only the first may count as overwriting.
    const target = accumulate || i > 0 ? readWrite(to, true) : write(to, true);
    const panelBinding = uniform(panel, i * PANEL * 4, PANEL * 4);
    emit.run({
      label: `conv-transpose3d/${entry}`,
      kernel: { file: FILE, entry, spec: { LANES: lanes, ACCUMULATE: accumulate ? 1 : 0, ...spec } },
      bindings: isForward
        ? [read(from, true), panelBinding, read((bias ?? weight).tensor), target]
        : [read(from, true), panelBinding, target],
      params: {
        depth,
        height,
        width,
        result_channels: resultChannels,
        sum_channels: sumChannels,
        first_result: firstBlock * vectors * lanes,
        first_sum: firstSum,
        count: Math.min(panels.count, roundUp(sumChannels - firstSum, step)),
        blocks,
        bias: bias && firstSum === 0 ? 1 : 0,
        bias_first: bias?.first ?? 0,
        rounds: vectors,
      },
      workgroups: [tiles, depth, samples * blocks],
      samples,
    });
  }
}

function pack(
  emit: Emitter,
  weight: WeightView,
  resultChannels: number,
  sumChannels: number,
  { count, blocks, across, along }: Panels,
  { entry, lanes, vectors }: Tile,
): Tensor {
  const panel = emit.panel(`conv-transpose3d/${entry}_panel`, [across * along * PANEL * 4]);
  // Two vec4f of taps for each pair of channels.
  const [byResult, bySum] = entry === 'forward' ? [2, weight.byIn / 4] : [weight.byIn / 4, 2];
  const size = blocks * count * vectors * 2 * lanes;
  emit.run({
    label: 'conv-transpose3d/pack',
    kernel: { file: FILE, entry: 'pack', spec: { LANES: lanes } },
    bindings: [read(weight.tensor), slice(write(panel), 0, ((across * along - 1) * PANEL + size) * 4)],
    params: {
      first: weight.first / 4,
      by_result: byResult,
      by_sum: bySum,
      result_channels: resultChannels,
      sum_channels: sumChannels,
      vectors,
      count,
      blocks,
      across,
      size,
    },
    workgroups: [ceilDiv(size, 64), across * along, 1],
  });
  return panel;
}
