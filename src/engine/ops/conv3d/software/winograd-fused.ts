import { ceilDiv, roundUp } from '../../../../core/shape.ts';
import type { Capabilities } from '../../../gpu/capabilities.ts';
import { read, readWrite, write } from '../../../tape/command.ts';
import type { Emitter } from '../../../tape/op.ts';
import { type ConvolutionTask, inChannelsOf, type Source } from '../task.ts';
import { bindsScratch, bindsWhole, transformWeights, weightsSize } from './winograd.ts';

/** Tile of shaders/software/conv3d-winograd-fused.wgsl. */
export interface FusedTile {
  /** Size of a subgroup. */
  readonly lanes: number;
  /** Vectors of `lanes` output channels. */
  readonly vectors: number;
  /** Voxels along x, a multiple of 8. */
  readonly run: number;
  /** Rows of 4x4 outputs in z and y. */
  readonly rows: number;
}

const FILE = 'software/conv3d-winograd-fused.wgsl';
const POINTS = 36;
/** Workgroups, each with scratch of its own: a multiple of the threads of most processors. */
const GROUPS = 16;
/** Blocks of output channels share their transformed inputs where that leaves so many workgroups. */
const LEAST_GROUPS = 8;
/** A workgroup's scratch must stay in the cache of its core. */
const MOST_BYTES = 768 * 2 ** 10;

interface FusedLayout {
  readonly blocks: number;
  readonly halo: 0 | 1;
  /** Tiles along x, y and z. */
  readonly across: readonly [number, number, number];
  readonly rows: number;
  /** Whether a workgroup transforms its inputs once for all blocks. */
  readonly shared: boolean;
  readonly tiles: number;
  readonly perGroup: number;
  readonly groups: number;
  /** Floats of a workgroup's scratch. */
  readonly own: number;
  readonly weights: number;
}

function layoutOf(task: ConvolutionTask, tile: FusedTile): FusedLayout {
  const [depth, height, width] = task.outExtents;
  const channels = inChannelsOf(task);
  const blocks = ceilDiv(task.outChannels, tile.vectors * tile.lanes);
  const halo = tile.run < width ? 1 : 0;
  const across = [ceilDiv(width, tile.run), ceilDiv(height, 4), ceilDiv(depth, 4)] as const;
  const rows = task.samples * across[1] * across[2];
  const places = across[0] * ceilDiv(rows, tile.rows);
  const tiles = blocks * places;
  const shared = places >= LEAST_GROUPS;
  const perGroup = shared ? blocks * ceilDiv(places, GROUPS) : ceilDiv(tiles, GROUPS);
  const loads = ceilDiv(tile.rows * (tile.run + 2 * halo), tile.lanes);
  return {
    blocks,
    halo,
    across,
    rows,
    shared,
    tiles,
    perGroup,
    groups: ceilDiv(tiles, perGroup),
    own: POINTS * tile.lanes * (channels * roundUp(loads, 4) + tile.vectors * tile.rows * tile.run),
    weights: weightsSize(channels, blocks, tile),
  };
}

/**
 * The task as tasks of one kernel each: both sources at once where a workgroup's scratch holds their channels, else a
 * source at a time, whose products add up in the output. One tensor is not bound twice, since all are writable.
 */
function fusedPasses(task: ConvolutionTask, tile: FusedTile): ConvolutionTask[] {
  const { sources } = task;
  const distinct = sources[0]?.tensor !== sources[1]?.tensor;
  if (sources.length === 1 || (sources.length === 2 && distinct && isCached(task, tile))) return [task];
  return sources.map((source, i) => ({
    ...task,
    sources: [source],
    bias: i === 0 ? task.bias : null,
    accumulate: task.accumulate || i > 0,
  }));
}

/** Input channels that an output transform serves, and output channels that an input transform serves. */
export function servedChannels(task: ConvolutionTask, tile: FusedTile): readonly [number, number] {
  const pass = fusedPasses(task, tile)[0]!;
  const block = tile.vectors * tile.lanes;
  return [inChannelsOf(pass), layoutOf(pass, tile).shared ? Math.max(task.outChannels, block) : block];
}

function isCached(pass: ConvolutionTask, tile: FusedTile): boolean {
  return 4 * layoutOf(pass, tile).own <= MOST_BYTES;
}

/** Whether {@link convolveFused} computes this, the device binds what it needs, and a cache holds it. */
export function canConvolveFused(
  capabilities: Capabilities,
  task: ConvolutionTask,
  tile: FusedTile,
): boolean {
  return (
    task.padding[0] === 1 &&
    bindsWhole(capabilities, [task.output, ...task.sources.map(({ tensor }) => tensor)]) &&
    fusedPasses(task, tile).every((pass) => {
      const { groups, own, weights } = layoutOf(pass, tile);
      return isCached(pass, tile) && bindsScratch(capabilities, [groups * own, weights]);
    })
  );
}

/** 3x3x3 convolution of stride 1 and padding 1 by F(4,3) over z and y; the device's subgroups have exactly `lanes`. */
export function convolveFused(emit: Emitter, task: ConvolutionTask, tile: FusedTile): void {
  for (const pass of fusedPasses(task, tile)) convolvePass(emit, pass, tile);
}

function convolvePass(emit: Emitter, task: ConvolutionTask, tile: FusedTile): void {
  const { blocks, halo, across, rows, tiles, perGroup, groups, own, weights: size } = layoutOf(task, tile);
  const { label, bias, accumulate } = task;
  const [first, second] = task.sources as [Source, Source?];
  const weights = transformWeights(emit, task, tile, blocks, size);
  const scratch = emit.scratch(`${label} points`, [groups * own]);
  emit.run({
    label,
    kernel: {
      file: FILE,
      entry: 'convolve',
      spec: {
        LANES: tile.lanes,
        VECTORS: tile.vectors,
        RUN: tile.run,
        ROWS: tile.rows,
        HALO: halo,
      },
    },
    bindings: [
      read(first.tensor),
      read(weights),
      read(bias?.tensor ?? first.weight.tensor),
      write(scratch),
      accumulate ? readWrite(task.output) : write(task.output),
      second ? read(second.tensor) : write(emit.scratch(`${label} no second source`, [1])),
    ],
    params: {
      channels: inChannelsOf(task),
      first_channels: first.channels,
      out_channels: task.outChannels,
      depth: task.outExtents[0],
      height: task.outExtents[1],
      width: task.outExtents[2],
      tiles_x: across[0],
      tiles_y: across[1],
      tiles_z: across[2],
      blocks,
      rows,
      tiles,
      per_group: perGroup,
      has_bias: bias ? 1 : 0,
      bias_first: bias?.first ?? 0,
      accumulate: accumulate ? 1 : 0,
    },
    workgroups: [groups, 1, 1],
  });
}
