import { roundUp } from '../../core/shape.ts';
import type { Capabilities } from '../../gpu/capabilities.ts';
import type { Emitter, Variant } from '../../tape/op.ts';
import { cutConvolution, cutWeightGradient } from './cut.ts';
import { convolveDirect, type DirectTile, type WeightTile, weightGradientDirect } from './direct.ts';
import { convolvePointwise, weightGradientPointwise } from './pointwise.ts';
import { type ConvolutionTask, inChannelsOf, slotOf, type WeightGradientTask } from './task.ts';
import { convolveTile, weightGradientTile } from './tile.ts';
import {
  convolveWinograd,
  fitsWinograd,
  type WinogradTile,
  type WinogradWeightTile,
  weightGradientWinograd,
  winogradPanelBytes,
} from './winograd.ts';

interface ConvolutionVariant extends Variant {
  run(emit: Emitter, task: ConvolutionTask): void;
}

interface WeightGradientVariant extends Variant {
  run(emit: Emitter, task: WeightGradientTask): void;
}

/**
 * The built-in preferences, by subgroup size: `speed` is what a full tile reached, in GFLOP/s by CPU time (8 lanes:
 * Mesa lavapipe 25, 4 lanes: SwiftShader, 2 cores; see bench/results). A tile's worth for a shape is its speed times
 * the share of the tile that the shape fills. Larger tiles compile longer: bodies stay near 600 multiply-adds
 * (8x8x1x8 has 1152: 2.3 s on SwiftShader).
 */
const DIRECT_TILES: Readonly<Record<number, readonly (DirectTile & { readonly speed: number })[]>> = {
  8: [
    { lanes: 8, vectors: 2, x: 4, y: 4, planes: 2, speed: 55 },
    { lanes: 8, vectors: 1, x: 8, y: 4, planes: 2, speed: 48 },
    { lanes: 8, vectors: 1, x: 4, y: 4, planes: 2, speed: 40 },
  ],
  4: [
    { lanes: 4, vectors: 4, x: 8, y: 4, planes: 1, speed: 5.3 },
    { lanes: 4, vectors: 2, x: 8, y: 8, planes: 1, speed: 4.4 },
    { lanes: 4, vectors: 2, x: 4, y: 4, planes: 1, speed: 3.3 },
  ],
};

const WEIGHT_TILES: Readonly<Record<number, readonly (WeightTile & { readonly speed: number })[]>> = {
  8: [
    { lanes: 8, vectors: 2, inChannels: 4, speed: 25 },
    { lanes: 8, vectors: 1, inChannels: 4, speed: 21 },
  ],
  4: [
    { lanes: 4, vectors: 4, inChannels: 4, speed: 4.9 },
    { lanes: 4, vectors: 2, inChannels: 4, speed: 4.0 },
    { lanes: 4, vectors: 1, inChannels: 4, speed: 2.2 },
  ],
};

const WINOGRAD_TILES: Readonly<Record<number, readonly WinogradTile[]>> = {
  8: [
    { lanes: 8, vectors: 4, run: 16, rows: 1 },
    { lanes: 8, vectors: 2, run: 16, rows: 2 },
    { lanes: 8, vectors: 4, run: 8, rows: 2 },
  ],
  4: [
    { lanes: 4, vectors: 4, run: 16, rows: 1 },
    { lanes: 4, vectors: 4, run: 8, rows: 1 },
  ],
};

const WINOGRAD_WEIGHT_TILES: Readonly<Record<number, readonly WinogradWeightTile[]>> = {
  8: [{ lanes: 8, vectors: 2, inChannels: 8 }],
  4: [{ lanes: 4, vectors: 4, inChannels: 4 }],
};

const TILE: ConvolutionVariant = { name: 'tile', run: convolveTile };
const WEIGHT_TILE: WeightGradientVariant = { name: 'tile', run: weightGradientTile };
const POINTWISE: ConvolutionVariant = { name: 'pointwise', run: convolvePointwise };
const WEIGHT_POINTWISE: WeightGradientVariant = { name: 'pointwise', run: weightGradientPointwise };

function direct(tile: DirectTile): ConvolutionVariant {
  return {
    name: `direct-subgroup${tile.lanes} ${tile.x}x${tile.y}x${tile.planes}x${tile.vectors * tile.lanes}`,
    run: (emit, task) => convolveDirect(emit, task, tile),
  };
}

function weightDirect(tile: WeightTile): WeightGradientVariant {
  return {
    name: `direct-subgroup${tile.lanes} ${tile.inChannels}x${tile.vectors * tile.lanes}`,
    run: (emit, task) => weightGradientDirect(emit, task, tile),
  };
}

function winograd(tile: WinogradTile): ConvolutionVariant {
  return {
    name: `winograd-subgroup${tile.lanes} ${tile.run}x${tile.rows}x${tile.vectors * tile.lanes}`,
    run: (emit, task) => convolveWinograd(emit, task, tile),
  };
}

function weightWinograd(tile: WinogradWeightTile): WeightGradientVariant {
  return {
    name: `winograd-subgroup${tile.lanes} ${tile.inChannels}x${tile.vectors * tile.lanes}`,
    run: (emit, task) => weightGradientWinograd(emit, task, tile),
  };
}

/** Share of tiles of extent `tile` that `n` fills. */
function filled(n: number, tile: number): number {
  return n / roundUp(n, tile);
}

/** Tiles by worth, best first. */
function byWorth<T extends { readonly speed: number }>(tiles: readonly T[], share: (tile: T) => number): T[] {
  return tiles.slice().sort((a, b) => b.speed * share(b) - a.speed * share(a));
}

/** The variants that can convolve this here, best first. */
function convolutionCandidates(capabilities: Capabilities, task: ConvolutionTask): ConvolutionVariant[] {
  if (task.stride !== 1 || task.dilation !== 1) return [TILE];
  // A head has few channels on one side; with many on both, a GPU gains from sharing loads.
  if (task.kernel === 1) {
    const narrow = capabilities.software || Math.min(task.outChannels, inChannelsOf(task)) <= 8;
    return narrow ? [POINTWISE, TILE] : [TILE, POINTWISE];
  }
  const [depth, height, width] = task.outExtents;
  const tiles = byWorth(
    DIRECT_TILES[capabilities.subgroupSize] ?? [],
    ({ lanes, vectors, x, y, planes }) =>
      filled(task.outChannels, lanes * vectors) *
      filled(depth, planes) *
      filled(height, y) *
      filled(width, x),
  ).map(direct);
  const tensors = [task.output, ...task.sources.map(({ tensor }) => tensor)];
  const transformed = (WINOGRAD_TILES[capabilities.subgroupSize] ?? [])
    .filter(
      (tile) =>
        fitsWinograd({ capabilities }, tensors) &&
        winogradPanelBytes(inChannelsOf(task), task.outChannels, tile) <= capabilities.maxBindingBytes,
    )
    .map(winograd);
  return capabilities.family === 'gpu' ? [TILE, ...tiles, ...transformed] : [...tiles, ...transformed, TILE];
}

/** The variants that can compute this weight gradient here, best first. */
function weightCandidates(capabilities: Capabilities, task: WeightGradientTask): WeightGradientVariant[] {
  if (task.stride !== 1) return [WEIGHT_TILE];
  if (task.kernel === 1) {
    const narrow = capabilities.software || Math.min(task.outChannels, task.inChannels) <= 8;
    return narrow ? [WEIGHT_POINTWISE, WEIGHT_TILE] : [WEIGHT_TILE, WEIGHT_POINTWISE];
  }
  const tiles = byWorth(WEIGHT_TILES[capabilities.subgroupSize] ?? [], ({ lanes, vectors }) =>
    filled(task.outChannels, lanes * vectors),
  ).map(weightDirect);
  const tensors = [task.gradOutput, ...task.sources.map(({ tensor }) => tensor)];
  const transformed = fitsWinograd({ capabilities }, tensors)
    ? (WINOGRAD_WEIGHT_TILES[capabilities.subgroupSize] ?? []).map(weightWinograd)
    : [];
  return capabilities.family === 'gpu'
    ? [WEIGHT_TILE, ...tiles, ...transformed]
    : [...tiles, ...transformed, WEIGHT_TILE];
}

/** Convolves by the variant that is chosen for the task's shape. */
export function convolve(emit: Emitter, task: ConvolutionTask): void {
  for (const part of cutConvolution(task, emit.capabilities))
    emit.choose(slotOf(part), convolutionCandidates(emit.capabilities, part)).run(emit, part);
}

/** Weight gradient by the variant that is chosen for the task's shape. */
export function weightGradient(emit: Emitter, task: WeightGradientTask): void {
  for (const part of cutWeightGradient(task, emit.capabilities)) {
    const from = part.sources.map((source) => source.channels).join('+');
    const { outChannels, samples, outExtents, kernel, stride, padding } = part;
    const slot = `conv3d/backward_weight ${from}->${outChannels}@${samples}x${outExtents.join('x')} k${kernel} s${stride} p${padding}`;
    emit.choose(slot, weightCandidates(emit.capabilities, part)).run(emit, part);
  }
}
