import { formatBytes } from '../../core/bytes.ts';
import { OutOfMemoryError } from '../../core/errors.ts';
import { type Extents, formatExtents, type Triple, toExtents, toTriple } from '../../core/shape.ts';
import { type Setting, setting, Wording, worded } from '../../core/wording.ts';
import type { BufferRequest } from '../gpu/gpu.ts';
import type { PlanStatistics } from './plan.ts';
import { byteLength, describeTensor } from './tensor.ts';

/** What a computation allocates on the GPU, counted before any of it is. */
export interface MemoryEstimate {
  /** The most at one time. */
  readonly bytes: number;
  /** Buffers, largest first. */
  readonly buffers: readonly Pick<BufferRequest, 'label' | 'bytes'>[];
  /** The largest tensors of a plan, such as `encoder.0/conv3d 2x16x64x64x64 (33.6 MB)`. */
  readonly largest: readonly string[];
}

/** A setting that makes a computation smaller, with the largest value below the one given that fits. */
export interface Fit {
  readonly change: Setting;
  readonly bytes: number;
}

/** A computation as errors tell of it. */
export interface Budgeted {
  /** What needs the memory, and what its plan computes: `training`, `step`. */
  readonly what: string;
  readonly unit: string;
  estimate(): Promise<MemoryEstimate>;
  /** Settings that need at most so many bytes. */
  fits(estimate: MemoryEstimate, budget: number): Promise<readonly Fit[]>;
  /** The hint where there are none. */
  readonly otherwise: Wording;
}

/** What a device that refused an allocation is taken to have room for, of what was needed. */
const LESS = 0.6;

/** The tensors of a plan that an estimate names. */
export function largestTensors({ largest }: PlanStatistics): string[] {
  return largest.map((t) => `${describeTensor(t)} (${formatBytes(byteLength(t))})`);
}

/**
 * Checks a computation against a budget before anything is allocated.
 * @param budget bytes
 * @throws OutOfMemoryError naming the largest buffers and tensors, and the settings that would fit.
 */
export async function requireBudget(computation: Budgeted, budget: number): Promise<MemoryEstimate> {
  const estimate = await computation.estimate();
  if (estimate.bytes <= budget) return estimate;
  const fits = await computation.fits(estimate, budget);
  throw new OutOfMemoryError(`${describe(computation, estimate)}; the budget is ${formatBytes(budget)}`, {
    hint:
      fits.length > 0
        ? worded`It would fit with ${Wording.join(
            fits.map(({ change, bytes }) => worded`${change} (${formatBytes(bytes)})`),
            ', or ',
          )}.`
        : computation.otherwise,
  });
}

/** The error of a device that refused an allocation, with what is needed and what would need less. */
export async function describeShortage(
  computation: Budgeted,
  error: OutOfMemoryError,
): Promise<OutOfMemoryError> {
  const estimate = await computation.estimate().catch(() => undefined);
  if (!estimate) return error;
  const fits = await computation.fits(estimate, estimate.bytes * LESS);
  const less = fits.map(({ change, bytes }) => worded`${change} needs ${formatBytes(bytes)}`);
  return new OutOfMemoryError(`${error.message}; ${describe(computation, estimate)}`, {
    cause: error,
    hint: less.length > 0 ? worded`Less would do: ${Wording.join(less, ', ')}.` : computation.otherwise,
  });
}

/**
 * The largest of some values that fits, where more of it needs more memory; found by halving.
 * @param values in order
 */
export async function largestFit<T extends Extents>(
  name: string,
  values: readonly T[],
  budget: number,
  needed: (value: T) => Promise<number>,
): Promise<Fit | undefined> {
  let low = 0;
  let high = values.length;
  let best: Fit | undefined;
  while (low < high) {
    const middle = (low + high) >> 1;
    const value = values[middle]!;
    const bytes = await needed(value);
    if (bytes <= budget) {
      const told = typeof value === 'number' ? value : formatExtents(value);
      best = { change: setting(name, told), bytes };
      low = middle + 1;
    } else high = middle;
  }
  return best;
}

/** The multiples of a step below a value. */
export function multiplesBelow(value: number, step: number): number[] {
  return Array.from({ length: Math.ceil(value / step) - 1 }, (_, i) => (i + 1) * step);
}

/**
 * Boxes smaller than one, from the smallest: about the same proportions, and every extent a multiple.
 * @param multiple of each extent, [z, y, x]
 */
export function boxesBelow(extents: Extents, multiple: Triple): Extents[] {
  const counts = toTriple(extents).map((extent, axis) => extent / multiple[axis]!);
  const most = Math.max(...counts);
  const boxes = multiplesBelow(most, 1).map((step) => {
    const [z, y, x] = counts.map(
      (count, axis) => Math.max(1, Math.floor((count * step) / most)) * multiple[axis]!,
    );
    return toExtents([z!, y!, x!]);
  });
  return boxes.filter((box, i) => i === 0 || formatExtents(box) !== formatExtents(boxes[i - 1]!));
}

function describe({ what, unit }: Budgeted, { bytes, buffers, largest }: MemoryEstimate): string {
  const top = buffers.slice(0, 3).map((buffer) => `${buffer.label} ${formatBytes(buffer.bytes)}`);
  return (
    `${what} needs ${formatBytes(bytes)} on the GPU, most of it for ${top.join(', ')}; ` +
    `the largest tensors of a ${unit} are ${largest.join(', ')}`
  );
}
