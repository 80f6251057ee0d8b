import type { Extents } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Capabilities } from '../../engine/gpu/capabilities.ts';
import { Gpu } from '../../engine/gpu/gpu.ts';
import { architectureOf } from '../../engine/nn/networks/index.ts';
import {
  type Budgeted,
  boxesBelow,
  type Fit,
  largestFit,
  largestTensors,
  type MemoryEstimate,
  multiplesBelow,
  requireBudget,
} from '../../engine/tape/memory.ts';
import { scanName } from '../../imaging/dataset/dataset.ts';
import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import { slabVoxels } from '../predict/memory.ts';
import { Predictor } from '../predict/predictor.ts';
import { networkOf, taskOf } from './network.ts';
import type { TrainingData } from './prepare.ts';
import { designSpacing, TrainingSession } from './session.ts';
import type { ResolvedTrainSettings } from './settings.ts';

/**
 * What a run would allocate, found by recording it on a device that only counts: the same code, so the same sizes.
 * Nothing is allocated.
 * @throws OutOfMemoryError where a single buffer or binding is beyond the device's limits; whatever refuses settings.
 */
export async function estimateMemory(
  capabilities: Capabilities,
  { settings, scans, validation = [] }: TrainingData,
): Promise<MemoryEstimate> {
  const gpu = Gpu.counting(capabilities);
  const session = await TrainingSession.create(gpu, scans, settings);
  const training = gpu.buffers;
  const predictor = await Predictor.create(gpu, session.net, taskOf(settings), settings.patch);
  const slab = ({ shape }: PreparedScan): number => slabVoxels(shape, settings.patch);
  const widest = [...scans, ...validation].reduce((a, b) => (slab(b) > slab(a) ? b : a));
  await predictor.window(widest.shape);
  const choosing = gpu.buffers.slice(training.length);
  const sum = (list: readonly { readonly bytes: number }[]): number =>
    list.reduce((total, { bytes }) => total + bytes, 0);
  // What is read back goes through a buffer of its size: a map's slab, or all of a moment.
  const maps = 4 * slab(widest);
  const moments = Math.max(...training.filter(({ label }) => label === 'adam.m').map((b) => b.bytes));
  const extra = Math.max(sum(choosing) + maps, moments);
  return {
    bytes: sum(training) + extra,
    buffers: [...training, ...choosing].sort((a, b) => b.bytes - a.bytes),
    largest: largestTensors(session.plan.statistics),
  };
}

/**
 * Checks a run against a budget before anything is allocated.
 * @param budget bytes
 * @throws OutOfMemoryError naming the largest buffers and tensors, and the settings that would fit.
 */
export async function requireMemory(
  capabilities: Capabilities,
  data: TrainingData,
  budget: number,
): Promise<MemoryEstimate> {
  return await requireBudget(memoryOf(capabilities, data), budget);
}

/** A run as errors about memory tell of it. */
export function memoryOf(capabilities: Capabilities, data: TrainingData): Budgeted {
  return {
    what: 'training',
    unit: 'step',
    estimate: () => estimateMemory(capabilities, data),
    fits: (estimate, budget) => findFits(capabilities, data, estimate, budget),
    otherwise: worded`No single setting makes it fit: lower ${setting('patch')} and ${setting('baseChannels')} together, or train on fewer scans.`,
  };
}

function largestOf(scans: readonly PreparedScan[]): PreparedScan {
  return scans.reduce((a, b) => (b.brain.length > a.brain.length ? b : a));
}

/** By computing activations again, by patch, channels, batch or precision alone: what fits. */
async function findFits(
  capabilities: Capabilities,
  data: TrainingData,
  { buffers }: MemoryEstimate,
  budget: number,
): Promise<Fit[]> {
  const { patch, baseChannels, batch } = data.settings;
  const { patchMultiple } = architectureOf(networkOf(data.settings, designSpacing(data.scans)));
  const choices: readonly (readonly ['patch' | 'baseChannels' | 'batch', Extents[]])[] = [
    ['patch', boxesBelow(patch, patchMultiple)],
    ['baseChannels', multiplesBelow(baseChannels, 1)],
    ['batch', multiplesBelow(batch, 1)],
  ];
  // The scans take the same whatever the settings: the largest stands for all, so that a search takes moments.
  const largest = largestOf(data.scans);
  const others = buffers
    .filter(({ label }) => label.startsWith('scan ') && label !== `scan ${scanName(largest)}`)
    .reduce((total, { bytes }) => total + bytes, 0);
  const needed = async (change: Partial<ResolvedTrainSettings>): Promise<number> => {
    const settings = { ...data.settings, ...change };
    const estimate = await estimateMemory(capabilities, { settings, scans: [largest] }).catch(
      () => undefined,
    );
    return estimate ? estimate.bytes + others : Number.POSITIVE_INFINITY;
  };
  const fits: Fit[] = [];
  if (!data.settings.recompute) {
    const bytes = await needed({ recompute: true });
    if (bytes <= budget) fits.push({ change: setting('recompute', true), bytes });
  }
  for (const [name, values] of choices) {
    const best = await largestFit(name, values, budget, (value) => needed({ [name]: value }));
    if (best) fits.push(best);
  }
  if (capabilities.f16 && data.settings.precision === 'f32') {
    const bytes = await needed({ precision: 'f16' });
    if (bytes <= budget) fits.push({ change: setting('precision', 'f16'), bytes });
  }
  return fits;
}
