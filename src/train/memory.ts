import { OutOfMemoryError } from '../core/errors.ts';
import { scanName } from '../dataset/dataset.ts';
import type { PreparedScan } from '../dataset/preprocess.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import { formatBytes, Gpu } from '../gpu/gpu.ts';
import { Predictor } from '../infer/predictor.ts';
import { byteLength, describeTensor } from '../tape/tensor.ts';
import type { TrainingData } from './prepare.ts';
import { TrainingSession } from './session.ts';
import type { ResolvedTrainSettings } from './settings.ts';

/** What a training run allocates on the GPU. */
export interface MemoryEstimate {
  /** The most at one time: all buffers of training, with those of choosing the threshold or of a checkpoint. */
  readonly bytes: number;
  /** Buffers, largest first. */
  readonly buffers: readonly { readonly label: string; readonly bytes: number }[];
  /** The largest tensors of a step, such as `encoder.0/conv3d 2x16x64x64x64 (33.6 MB)`. */
  readonly largest: readonly string[];
}

/** What a device that refused an allocation is taken to have room for, of what was needed. */
const LESS = 0.6;

/** An option that makes a run smaller, with the largest value below the one given that fits. */
interface Fit {
  /** `--patch 48`, `--recompute`. */
  readonly option: string;
  readonly bytes: number;
}

/**
 * What a run would allocate, found by recording it on a device that only counts: the same code, so the same sizes.
 * Nothing is allocated.
 * @throws OutOfMemoryError where a single buffer or binding is beyond the device's limits; whatever refuses settings.
 */
export async function estimateMemory(
  capabilities: Capabilities,
  { settings, scans }: TrainingData,
): Promise<MemoryEstimate> {
  const gpu = Gpu.counting(capabilities);
  const session = await TrainingSession.create(gpu, scans, settings);
  const training = gpu.buffers;
  const predictor = await Predictor.create(gpu, session.net, settings.variant, settings.patch);
  await predictor.window(largestOf(scans).shape);
  const choosing = gpu.buffers.slice(training.length);
  const sum = (list: readonly { readonly bytes: number }[]): number =>
    list.reduce((total, { bytes }) => total + bytes, 0);
  // What is read back goes through a buffer of its size: a whole map, or all of a moment.
  const maps = Math.max(...choosing.filter(({ label }) => label === 'probability map').map((b) => b.bytes));
  const moments = Math.max(...training.filter(({ label }) => label === 'adam.m').map((b) => b.bytes));
  const extra = Math.max(sum(choosing) + maps, moments);
  return {
    bytes: sum(training) + extra,
    buffers: [...training, ...choosing].sort((a, b) => b.bytes - a.bytes),
    largest: session.plan.statistics.largest.map(
      (t) => `${describeTensor(t)} (${formatBytes(byteLength(t))})`,
    ),
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
  const estimate = await estimateMemory(capabilities, data);
  if (estimate.bytes <= budget) return estimate;
  const fits = await findFits(capabilities, data, estimate, budget);
  throw new OutOfMemoryError(`${describe(estimate)}; the budget is ${formatBytes(budget)}`, {
    hint:
      fits.length > 0
        ? `It would fit with ${fits.map(({ option, bytes }) => `${option} (${formatBytes(bytes)})`).join(', or ')}.`
        : 'No single setting makes it fit: lower --patch and --base-channels together, or train on fewer scans.',
  });
}

/** The error of a device that refused an allocation, with what the run needs and what would need less. */
export async function describeShortage(
  capabilities: Capabilities,
  data: TrainingData,
  error: OutOfMemoryError,
): Promise<OutOfMemoryError> {
  const options = { cause: error, ...(error.hint ? { hint: error.hint } : {}) };
  const estimate = await estimateMemory(capabilities, data).catch(() => undefined);
  if (!estimate) return error;
  const fits = await findFits(capabilities, data, estimate, estimate.bytes * LESS);
  const hint = fits.map(({ option, bytes }) => `${option} needs ${formatBytes(bytes)}`);
  return new OutOfMemoryError(`${error.message}; ${describe(estimate)}`, {
    ...options,
    ...(hint.length > 0 ? { hint: `Less would do: ${hint.join(', ')}.` } : {}),
  });
}

function describe({ bytes, buffers, largest }: MemoryEstimate): string {
  const top = buffers.slice(0, 3).map((buffer) => `${buffer.label} ${formatBytes(buffer.bytes)}`);
  return (
    `training needs ${formatBytes(bytes)} on the GPU, most of it for ${top.join(', ')}; ` +
    `the largest tensors of a step are ${largest.join(', ')}`
  );
}

function largestOf(scans: readonly PreparedScan[]): PreparedScan {
  return scans.reduce((a, b) => (b.brain.length > a.brain.length ? b : a));
}

/** By computing activations again, by patch, by channels and by batch alone: what fits. */
async function findFits(
  capabilities: Capabilities,
  data: TrainingData,
  { buffers }: MemoryEstimate,
  budget: number,
): Promise<Fit[]> {
  const { patch, levels, baseChannels, batch } = data.settings;
  const multiple = 2 ** (levels - 1);
  const below = (value: number, step: number): number[] =>
    Array.from({ length: Math.ceil(value / step) - 1 }, (_, i) => (i + 1) * step);
  const choices: readonly (readonly [string, 'patch' | 'baseChannels' | 'batch', number[]])[] = [
    ['--patch', 'patch', below(patch, multiple)],
    ['--base-channels', 'baseChannels', below(baseChannels, 1)],
    ['--batch', 'batch', below(batch, 1)],
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
    if (bytes <= budget) fits.push({ option: '--recompute', bytes });
  }
  for (const [option, setting, values] of choices) {
    // Memory grows with each of them: the last value that fits is found by halving.
    let low = 0;
    let high = values.length;
    let best: Fit | undefined;
    while (low < high) {
      const middle = (low + high) >> 1;
      const value = values[middle]!;
      const bytes = await needed({ [setting]: value });
      if (bytes <= budget) {
        best = { option: `${option} ${value}`, bytes };
        low = middle + 1;
      } else high = middle;
    }
    if (best) fits.push(best);
  }
  return fits;
}
