import { ceilDiv, roundUp } from '../../core/shape.ts';
import { read, readWrite, slice, uniform, write } from '../../tape/command.ts';
import type { Emitter } from '../../tape/op.ts';
import type { Tensor } from '../../tape/tensor.ts';
import { ALIGNMENT, finish } from './cell.ts';
import type { Pass, WeightPass, WeightView } from './task.ts';

const FILE = 'conv-transpose3d-subgroup.wgsl';
/** Voxels along x of a workgroup, and vec4f of a panel: 64 KiB, which every device binds as a uniform block. */
const TILE = 8;
const PANEL = 4096;

/** Forward with output channels as lanes. */
export function forwardSubgroup(emit: Emitter, pass: Pass, lanes: number): void {
  run(emit, pass, { entry: 'forward', lanes, vectors: 1 });
}

/** Input gradient with `vectors` times `lanes` input channels in a workgroup. */
export function backwardInputSubgroup(emit: Emitter, pass: Pass, lanes: number, vectors: number): void {
  run(emit, pass, { entry: 'backward_input', lanes, vectors });
}

/** Input channels of a workgroup: the shader's constant. */
const WEIGHT_CHANNELS = 8;
/** Voxels that one register adds up at most (but at least a row): keeps the error of a sum near 1e-6. */
const MOST_VOXELS = 2048;

/** Weight gradient with output channels as lanes, then the sum of its slices. */
export function backwardWeightSubgroup(
  emit: Emitter,
  { geometry, input, gradOutput, gradWeight, accumulate }: WeightPass,
  lanes: number,
): void {
  const { samples, inChannels, outChannels } = geometry;
  const [depth, height, width] = geometry.inExtents;
  const rows = Math.max(1, Math.floor(MOST_VOXELS / width));
  const slices = ceilDiv(depth * height, rows);
  const stride = roundUp(inChannels * outChannels * 8, ALIGNMENT);
  const partial = emit.scratch('conv-transpose3d/weight_partial', [samples, slices * stride]);
  const outBlocks = ceilDiv(outChannels, lanes);
  emit.run({
    label: 'conv-transpose3d/backward_weight',
    kernel: { file: FILE, entry: 'backward_weight', spec: { LANES: lanes } },
    bindings: [read(input, true), read(gradOutput, true), write(partial, true)],
    params: [depth, height, width, inChannels, outChannels, rows, slices, stride / 4, outBlocks],
    workgroups: [2 * outBlocks * ceilDiv(inChannels, WEIGHT_CHANNELS), slices, samples],
    samples,
  });
  finish(emit, geometry, partial, samples * slices, gradWeight, accumulate);
}

interface Tile {
  readonly entry: 'forward' | 'backward_input';
  readonly lanes: number;
  readonly vectors: number;
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

function panelsOf(resultChannels: number, sumChannels: number, { lanes, vectors }: Tile): Panels {
  const perChannel = 2 * vectors * lanes;
  const along = ceilDiv(sumChannels, Math.floor(PANEL / perChannel));
  const count = ceilDiv(sumChannels, along);
  const allBlocks = ceilDiv(resultChannels, vectors * lanes);
  const blocks = Math.min(allBlocks, Math.floor(PANEL / (perChannel * count)));
  return { count, blocks, across: ceilDiv(allBlocks, blocks), along };
}

function run(emit: Emitter, pass: Pass, tile: Tile): void {
  const { entry, lanes, vectors } = tile;
  const { geometry, from, weight, bias, to } = pass;
  const { inChannels, outChannels, samples } = geometry;
  const [depth, height, width] = geometry.inExtents;
  const isForward = entry === 'forward';
  const [resultChannels, sumChannels] = isForward ? [outChannels, inChannels] : [inChannels, outChannels];
  const panels = panelsOf(resultChannels, sumChannels, tile);
  const panel = pack(emit, weight, resultChannels, sumChannels, panels, tile);
  const allBlocks = ceilDiv(resultChannels, vectors * lanes);
  const tiles = ceilDiv(width, TILE);
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
      kernel: {
        file: FILE,
        entry,
        spec: { LANES: lanes, VECTORS: vectors, ACCUMULATE: accumulate ? 1 : 0 },
      },
      bindings: isForward
        ? [read(from, true), panelBinding, read((bias ?? weight).tensor), target]
        : [read(from, true), panelBinding, target],
      params: [
        depth,
        height,
        width,
        resultChannels,
        sumChannels,
        firstBlock * vectors * lanes,
        firstSum,
        Math.min(panels.count, sumChannels - firstSum),
        blocks,
        tiles,
        bias && firstSum === 0 ? 1 : 0,
        bias?.first ?? 0,
      ],
      workgroups: [tiles * height, depth, samples * blocks],
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
  for (let i = 0; i < across * along; i++)
    emit.run({
      label: 'conv-transpose3d/pack',
      kernel: { file: FILE, entry: 'pack', spec: { LANES: lanes } },
      bindings: [read(weight.tensor), slice(write(panel), i * PANEL * 4, size * 4)],
      params: [
        weight.first / 4,
        byResult,
        bySum,
        resultChannels,
        sumChannels,
        vectors,
        count,
        (i % across) * blocks,
        Math.floor(i / across) * count,
        size,
      ],
      workgroups: [ceilDiv(size, 64), 1, 1],
    });
  return panel;
}
