import type { Capabilities } from '../../gpu/capabilities.ts';
import type { Emitter, Variant } from '../../tape/op.ts';
import { convolveDirect, type DirectTile, type WeightTile, weightGradientDirect } from './direct.ts';
import { convolvePointwise, weightGradientPointwise } from './pointwise.ts';
import { type ConvolutionTask, inChannelsOf, slotOf, type WeightGradientTask } from './task.ts';
import { convolveTile, weightGradientTile } from './tile.ts';

interface ConvolutionVariant extends Variant {
  run(emit: Emitter, task: ConvolutionTask): void;
}

interface WeightGradientVariant extends Variant {
  run(emit: Emitter, task: WeightGradientTask): void;
}

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

/** Register tiles by subgroup size, best first for many output channels. */
const DIRECT_TILES: Readonly<Record<number, readonly DirectTile[]>> = {
  8: [
    { lanes: 8, vectors: 2, x: 4, y: 4, planes: 2 },
    { lanes: 8, vectors: 1, x: 8, y: 4, planes: 2 },
    { lanes: 8, vectors: 1, x: 4, y: 4, planes: 2 },
  ],
  4: [
    { lanes: 4, vectors: 4, x: 4, y: 4, planes: 1 },
    { lanes: 4, vectors: 2, x: 4, y: 4, planes: 1 },
    { lanes: 4, vectors: 2, x: 4, y: 4, planes: 2 },
    { lanes: 4, vectors: 2, x: 8, y: 4, planes: 1 },
    { lanes: 4, vectors: 4, x: 8, y: 4, planes: 1 },
    { lanes: 4, vectors: 2, x: 8, y: 8, planes: 1 },
    { lanes: 4, vectors: 4, x: 8, y: 8, planes: 1 },
    { lanes: 4, vectors: 4, x: 4, y: 4, planes: 2 },
  ],
};

const WEIGHT_TILES: Readonly<Record<number, readonly WeightTile[]>> = {
  8: [
    { lanes: 8, vectors: 2, inChannels: 4 },
    { lanes: 8, vectors: 1, inChannels: 4 },
  ],
  4: [
    { lanes: 4, vectors: 2, inChannels: 4 },
    { lanes: 4, vectors: 4, inChannels: 2 },
    { lanes: 4, vectors: 4, inChannels: 4 },
    { lanes: 4, vectors: 2, inChannels: 2 },
    { lanes: 4, vectors: 1, inChannels: 4 },
  ],
};

/** The variants that can convolve this here, best first by what was measured (see bench/results). */
function convolutionCandidates(capabilities: Capabilities, task: ConvolutionTask): ConvolutionVariant[] {
  if (task.stride !== 1 || task.dilation !== 1) return [TILE];
  // A head has few channels on one side; with many on both, a GPU gains from sharing loads.
  if (task.kernel === 1) {
    const narrow = capabilities.software || Math.min(task.outChannels, inChannelsOf(task)) <= 8;
    return narrow ? [POINTWISE, TILE] : [TILE, POINTWISE];
  }
  const tiles = DIRECT_TILES[capabilities.subgroupSize] ?? [];
  const vectors = Math.ceil(task.outChannels / capabilities.subgroupSize);
  // Fewer vectors than the tile has would multiply zeros.
  const fits = tiles.filter((tile) => tile.vectors <= vectors).map(direct);
  const rest = tiles.filter((tile) => tile.vectors > vectors).map(direct);
  return [...fits, ...rest, TILE];
}

/** The variants that can compute this weight gradient here, best first. */
function weightCandidates(capabilities: Capabilities, task: WeightGradientTask): WeightGradientVariant[] {
  if (task.stride !== 1) return [WEIGHT_TILE];
  if (task.kernel === 1) {
    const narrow = capabilities.software || Math.min(task.outChannels, task.inChannels) <= 8;
    return narrow ? [WEIGHT_POINTWISE, WEIGHT_TILE] : [WEIGHT_TILE, WEIGHT_POINTWISE];
  }
  const tiles = WEIGHT_TILES[capabilities.subgroupSize] ?? [];
  const vectors = Math.ceil(task.outChannels / capabilities.subgroupSize);
  const fits = tiles.filter((tile) => tile.vectors <= vectors).map(weightDirect);
  const rest = tiles.filter((tile) => tile.vectors > vectors).map(weightDirect);
  return [...fits, ...rest, WEIGHT_TILE];
}

/** Convolves by the variant that is chosen for the task's shape. */
export function convolve(emit: Emitter, task: ConvolutionTask): void {
  emit.choose(slotOf(task), convolutionCandidates(emit.capabilities, task)).run(emit, task);
}

/** Weight gradient by the variant that is chosen for the task's shape. */
export function weightGradient(emit: Emitter, task: WeightGradientTask): void {
  const from = task.sources.map((source) => source.channels).join('+');
  const { outChannels, samples, outExtents, kernel, stride, padding } = task;
  const slot = `conv3d/backward_weight ${from}->${outChannels}@${samples}x${outExtents.join('x')} k${kernel} s${stride} p${padding}`;
  emit.choose(slot, weightCandidates(emit.capabilities, task)).run(emit, task);
}
