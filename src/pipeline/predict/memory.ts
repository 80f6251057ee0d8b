import { type Extents, type Triple, toTriple } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Capabilities } from '../../engine/gpu/capabilities.ts';
import { Gpu } from '../../engine/gpu/gpu.ts';
import { Network } from '../../engine/nn/network.ts';
import { architectureOf } from '../../engine/nn/networks/index.ts';
import {
  type Budgeted,
  boxesBelow,
  largestFit,
  largestTensors,
  type MemoryEstimate,
} from '../../engine/tape/memory.ts';
import type { Element } from '../../engine/tape/tensor.ts';
import type { ModelInfo } from '../models/model.ts';
import { Predictor } from './predictor.ts';

/** The window that a prediction slides, and how the network in it is recorded. */
export interface PredictedWindow {
  /** Extents, [z, y, x], or the edge of a cube. */
  readonly tile: Extents;
  /** Whether the outputs are taken as they are, as `Predictor.create` has it. */
  readonly raw?: boolean;
  /** Kernel variants by slot: they differ in what they need beside the tensors. */
  wanted?(slot: string): string | undefined;
  /** What activations are stored as (default f32). */
  readonly precision?: Element | undefined;
}

/** Voxels of a volume, [D, H, W], that a sliding window holds sums of at one time. */
export function slabVoxels([depth, height, width]: Triple, tile: Extents): number {
  return Math.min(depth, toTriple(tile)[0]) * height * width;
}

/**
 * What a network and its sliding window would allocate, found by recording them on a device that only counts.
 * @param volume [D, H, W], as it is cut to the brain
 * @throws OutOfMemoryError where a single buffer or binding is beyond the device's limits; ShapeError for a tile that
 *   the levels do not divide.
 */
export async function estimatePrediction(
  capabilities: Capabilities,
  { network, task }: Pick<ModelInfo, 'network' | 'task'>,
  volume: Triple,
  { tile, ...how }: PredictedWindow,
): Promise<MemoryEstimate> {
  const gpu = Gpu.counting(capabilities);
  const net = await Network.create(gpu, architectureOf(network), { training: false });
  const window = await (await Predictor.create(gpu, net, task, tile, how)).window(volume);
  const buffers = gpu.buffers.sort((a, b) => b.bytes - a.bytes);
  // A map's slab is read back through a buffer of its own size.
  const readback = 4 * slabVoxels(volume, tile);
  return {
    bytes: buffers.reduce((sum, { bytes }) => sum + bytes, readback),
    buffers,
    largest: largestTensors(window.statistics),
  };
}

/** A prediction as errors about memory tell of it. */
export function memoryOfPrediction(
  capabilities: Capabilities,
  info: Pick<ModelInfo, 'network' | 'task'>,
  volume: Triple,
  { tile, ...how }: PredictedWindow,
): Budgeted {
  const estimate = (extents: Extents): Promise<MemoryEstimate> =>
    estimatePrediction(capabilities, info, volume, { tile: extents, ...how });
  return {
    what: 'prediction',
    unit: 'tile',
    estimate: () => estimate(tile),
    async fits(_, budget) {
      const values = boxesBelow(tile, architectureOf(info.network).patchMultiple);
      const fit = await largestFit('tile', values, budget, async (extents) => {
        const smaller = await estimate(extents).catch(() => undefined);
        return smaller?.bytes ?? Number.POSITIVE_INFINITY;
      });
      return fit ? [fit] : [];
    },
    otherwise: worded`No smaller ${setting('tile')} makes it fit: take a network with fewer channels, or a larger budget.`,
  };
}
