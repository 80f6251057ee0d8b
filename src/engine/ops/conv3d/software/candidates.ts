import type { Capabilities } from '../../../gpu/capabilities.ts';
import {
  type ConvolutionTask,
  type ConvolutionVariant,
  filled,
  inChannelsOf,
  type WeightGradientTask,
  type WeightGradientVariant,
} from '../task.ts';
import { convolveDirect, type DirectTile, type WeightTile, weightGradientDirect } from './direct.ts';
import {
  canConvolveWinograd,
  canDifferentiateWinograd,
  convolveWinograd,
  type WinogradTile,
  type WinogradWeightTile,
  weightGradientWinograd,
} from './winograd.ts';
import { canConvolveFused, convolveFused, type FusedTile, servedChannels } from './winograd-fused.ts';

/**
 * The built-in preferences, by subgroup size: `speed` is fitted to what was measured, in GFLOP/s of the plain
 * formula (8 lanes: Mesa lavapipe 25, 4 lanes: SwiftShader, 2 cores; see bench/notebook.md). A direct tile's worth for a
 * shape is its speed times the share of the tile that the shape fills. Winograd's transforms cost as much as
 * `overhead` channels on either side would: the fewer channels, the less is left of its speed. Larger tiles compile
 * longer: bodies stay near 600 multiply-adds (1152 take 2.3 s on SwiftShader).
 */
type Rated<T> = Readonly<Record<number, readonly (T & { readonly speed: number })[]>>;

const DIRECT_TILES: Rated<DirectTile> = {
  8: [
    { lanes: 8, vectors: 2, x: 4, y: 4, planes: 2, speed: 41 },
    { lanes: 8, vectors: 1, x: 8, y: 4, planes: 2, speed: 40 },
    { lanes: 8, vectors: 1, x: 4, y: 4, planes: 2, speed: 35 },
  ],
  4: [
    { lanes: 4, vectors: 4, x: 8, y: 4, planes: 1, speed: 4.4 },
    { lanes: 4, vectors: 2, x: 8, y: 8, planes: 1, speed: 3.1 },
    { lanes: 4, vectors: 2, x: 4, y: 4, planes: 1, speed: 2.5 },
  ],
};

const WINOGRAD_TILES: Rated<WinogradTile> = {
  8: [
    { lanes: 8, vectors: 2, run: 16, rows: 2, speed: 93 },
    { lanes: 8, vectors: 4, run: 8, rows: 2, speed: 85 },
  ],
  4: [
    { lanes: 4, vectors: 4, run: 16, rows: 1, speed: 13 },
    { lanes: 4, vectors: 4, run: 8, rows: 1, speed: 12 },
    { lanes: 4, vectors: 2, run: 16, rows: 2, speed: 8.7 },
    { lanes: 4, vectors: 2, run: 8, rows: 2, speed: 7.5 },
  ],
};
const OVERHEAD: Readonly<Record<number, number>> = { 8: 12, 4: 6 };

const FUSED_TILES: Rated<FusedTile> = {
  8: [
    { lanes: 8, vectors: 2, run: 64, rows: 1, speed: 155 },
    { lanes: 8, vectors: 4, run: 32, rows: 1, speed: 148 },
    { lanes: 8, vectors: 4, run: 16, rows: 2, speed: 148 },
    { lanes: 8, vectors: 2, run: 32, rows: 2, speed: 140 },
    { lanes: 8, vectors: 4, run: 8, rows: 4, speed: 148 },
  ],
};

const WEIGHT_TILES: Rated<WeightTile> = {
  8: [
    { lanes: 8, vectors: 2, inChannels: 4, speed: 22 },
    { lanes: 8, vectors: 1, inChannels: 4, speed: 18 },
  ],
  4: [
    { lanes: 4, vectors: 4, inChannels: 4, speed: 4.4 },
    { lanes: 4, vectors: 2, inChannels: 4, speed: 2.3 },
    { lanes: 4, vectors: 1, inChannels: 4, speed: 1.8 },
  ],
};

const WINOGRAD_WEIGHT_TILES: Rated<WinogradWeightTile> = {
  8: [
    { lanes: 8, vectors: 2, inChannels: 8, speed: 74 },
    { lanes: 8, vectors: 1, inChannels: 8, speed: 68 },
  ],
  4: [
    { lanes: 4, vectors: 4, inChannels: 4, speed: 13 },
    { lanes: 4, vectors: 2, inChannels: 8, speed: 13 },
    { lanes: 4, vectors: 2, inChannels: 4, speed: 12 },
  ],
};
const WEIGHT_OVERHEAD: Readonly<Record<number, number>> = { 8: 8, 4: 6 };

/** Share of the multiplications in Winograd's sum of multiplications and transforms. */
function multiplied(overhead: number, inChannels: number, outChannels: number): number {
  return 1 / (1 + overhead / inChannels + overhead / outChannels);
}

/** A variant and what it is worth for a shape. */
interface Candidate<V> {
  readonly variant: V;
  readonly worth: number;
}

function byWorth<V>(candidates: readonly Candidate<V>[]): V[] {
  return candidates
    .slice()
    .sort((a, b) => b.worth - a.worth)
    .map(({ variant }) => variant);
}

function directCandidates(
  lanes: number,
  { outChannels, outExtents: [depth, height, width] }: ConvolutionTask,
): Candidate<ConvolutionVariant>[] {
  return (DIRECT_TILES[lanes] ?? []).map((tile) => ({
    variant: {
      name: `direct-subgroup${tile.lanes} ${tile.x}x${tile.y}x${tile.planes}x${tile.vectors * tile.lanes}`,
      run: (emit, task) => convolveDirect(emit, task, tile),
    },
    worth:
      tile.speed *
      filled(outChannels, tile.lanes * tile.vectors) *
      filled(depth, tile.planes) *
      filled(height, tile.y) *
      filled(width, tile.x),
  }));
}

function winogradCandidates(
  capabilities: Capabilities,
  task: ConvolutionTask,
): Candidate<ConvolutionVariant>[] {
  const { outChannels, outExtents } = task;
  const [depth, height, width] = outExtents;
  const share = multiplied(OVERHEAD[capabilities.subgroupSize] ?? 0, inChannelsOf(task), outChannels);
  return (WINOGRAD_TILES[capabilities.subgroupSize] ?? [])
    .filter((tile) => canConvolveWinograd(capabilities, task, tile))
    .map((tile) => ({
      variant: {
        name: `winograd-subgroup${tile.lanes} ${tile.run}x${tile.rows}x${tile.vectors * tile.lanes}`,
        run: (emit, each) => convolveWinograd(emit, each, tile),
      },
      worth:
        tile.speed *
        share *
        filled(outChannels, tile.lanes * tile.vectors) *
        filled(depth, 4) *
        filled(height, 4) *
        filled(width, tile.run),
    }));
}

function fusedCandidates(capabilities: Capabilities, task: ConvolutionTask): Candidate<ConvolutionVariant>[] {
  const { outChannels, outExtents } = task;
  const [depth, height, width] = outExtents;
  const overhead = OVERHEAD[capabilities.subgroupSize] ?? 0;
  return (FUSED_TILES[capabilities.subgroupSize] ?? [])
    .filter((tile) => canConvolveFused(capabilities, task, tile))
    .map((tile) => ({
      variant: {
        name: `winograd-fused-subgroup${tile.lanes} ${tile.run}x${tile.rows}x${tile.vectors * tile.lanes}`,
        run: (emit, each) => convolveFused(emit, each, tile),
      },
      worth:
        tile.speed *
        multiplied(overhead, ...servedChannels(task, tile)) *
        filled(outChannels, tile.lanes * tile.vectors) *
        filled(depth, 4) *
        filled(height, 4) *
        filled(width, tile.run),
    }));
}

function directWeightCandidates(
  lanes: number,
  { outChannels }: WeightGradientTask,
): Candidate<WeightGradientVariant>[] {
  return (WEIGHT_TILES[lanes] ?? []).map((tile) => ({
    variant: {
      name: `direct-subgroup${tile.lanes} ${tile.inChannels}x${tile.vectors * tile.lanes}`,
      run: (emit, task) => weightGradientDirect(emit, task, tile),
    },
    worth: tile.speed * filled(outChannels, tile.lanes * tile.vectors),
  }));
}

function winogradWeightCandidates(
  capabilities: Capabilities,
  task: WeightGradientTask,
): Candidate<WeightGradientVariant>[] {
  const inChannels = task.sources.reduce((sum, { channels }) => sum + channels, 0);
  const [depth, height, width] = task.outExtents;
  const share = multiplied(WEIGHT_OVERHEAD[capabilities.subgroupSize] ?? 0, inChannels, task.outChannels);
  return (WINOGRAD_WEIGHT_TILES[capabilities.subgroupSize] ?? [])
    .filter((tile) => canDifferentiateWinograd(capabilities, task, tile))
    .map((tile) => ({
      variant: {
        name: `winograd-subgroup${tile.lanes} ${tile.inChannels}x${tile.vectors * tile.lanes}`,
        run: (emit, each) => weightGradientWinograd(emit, each, tile),
      },
      worth:
        tile.speed *
        share *
        filled(task.outChannels, tile.lanes * tile.vectors) *
        filled(inChannels, tile.inChannels) *
        filled(depth, 4) *
        filled(height, 4) *
        filled(width, 8),
    }));
}

/** The variants for software drivers that can convolve this here (kernel 3, stride 1, 32 bits), best first. */
export function softwareCandidates(capabilities: Capabilities, task: ConvolutionTask): ConvolutionVariant[] {
  if (!capabilities.software) return [];
  return byWorth([
    ...directCandidates(capabilities.subgroupSize, task),
    ...winogradCandidates(capabilities, task),
    ...fusedCandidates(capabilities, task),
  ]);
}

/** The same for a weight gradient. */
export function softwareWeightCandidates(
  capabilities: Capabilities,
  task: WeightGradientTask,
): WeightGradientVariant[] {
  if (!capabilities.software) return [];
  return byWorth([
    ...directWeightCandidates(capabilities.subgroupSize, task),
    ...winogradWeightCandidates(capabilities, task),
  ]);
}
