import { GpuError } from '../core/errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { TunedSlot } from './cache.ts';
import { differenceOf } from './difference.ts';
import { Isolated } from './isolated.ts';
import type { NetworkSlot } from './network-slots.ts';
import { median, timeRuns } from './timing.ts';

/** How a slot is searched. */
export interface TuneOptions {
  /** A candidate whose kernels take longer to compile may not win; fallback and best guess always may. */
  readonly compileSeconds: number;
  /** Rounds of timing for those that are near the best. */
  readonly rounds: number;
}

export const DEFAULT_TUNING: TuneOptions = { compileSeconds: 30, rounds: 4 };

/** Largest distance from the fallback's result over its largest value; Winograd's transforms lose some digits. */
const TOLERANCE = 2e-3;
/** After the first round, only what is within this factor of the best is timed again. */
const NEAR = 1.6;
/** What a candidate must gain on the best guess to take its place: less is noise. */
const GAIN = 0.97;
/** Work between two waits, in milliseconds. */
const LONG_ENOUGH = 4;

interface Contender {
  readonly variant: string;
  readonly isolated: Isolated;
  readonly repeats: number;
  readonly times: number[];
}

/**
 * Finds the fastest candidate of a slot: each is compiled and held against the fallback's result, then those that are
 * right are timed in turns. The fallback is the plainest candidate, without subgroups; the first is the best guess, which
 * stays unless another is clearly faster.
 * @throws GpuError where the fallback itself cannot run; DeviceLostError, OutOfMemoryError.
 */
export async function tuneSlot(
  gpu: Gpu,
  { slot, candidates }: NetworkSlot,
  options: TuneOptions = DEFAULT_TUNING,
): Promise<TunedSlot> {
  const guess = candidates[0]!.variant;
  if (candidates.length === 1) return { variant: guess, times: {} };
  const contenders: Contender[] = [];
  try {
    let right: readonly Float32Array[] | undefined;
    for (const candidate of fallbackFirst(candidates)) {
      const free = right === undefined || candidate.variant === guess;
      const limit = free ? Number.POSITIVE_INFINITY : options.compileSeconds * 1000;
      const entered = await enter(gpu, candidate, right, limit);
      if (entered === undefined && right === undefined)
        throw new GpuError(`${slot}: the fallback ${candidate.variant} computes nothing finite`);
      if (entered === undefined) continue;
      right ??= entered.results;
      contenders.push(entered.contender);
    }
    await timeInTurns(gpu, contenders, 1);
    const fastest = Math.min(...contenders.map(({ times }) => times[0]!));
    const near = contenders.filter(({ times }) => times[0]! <= NEAR * fastest);
    if (near.length > 1) await timeInTurns(gpu, near, options.rounds - 1);
    const entries = contenders.map(({ variant, times }) => [variant, round(median(times))] as const);
    return { variant: choose(entries, guess), times: Object.fromEntries(entries) };
  } finally {
    for (const { isolated } of contenders) isolated.destroy();
  }
}

/** The candidate that the others are held against comes first. */
function fallbackFirst(candidates: NetworkSlot['candidates']): NetworkSlot['candidates'] {
  const plain = candidates.findLast(({ variant }) => !variant.includes('subgroup'));
  const fallback = plain ?? candidates.at(-1)!;
  return [fallback, ...candidates.filter((candidate) => candidate !== fallback)];
}

/** The fastest, or the best guess where it is nearly as fast. */
function choose(entries: readonly (readonly [string, number])[], guess: string): string {
  const [variant, ms] = entries.reduce((a, b) => (b[1] < a[1] ? b : a));
  const own = entries.find(([name]) => name === guess);
  return own && ms > GAIN * own[1] ? guess : variant;
}

/**
 * Compiles a candidate and checks its results; undefined where it may not win.
 * @param limit milliseconds to compile and run once
 */
async function enter(
  gpu: Gpu,
  { variant, section }: NetworkSlot['candidates'][number],
  right: readonly Float32Array[] | undefined,
  limit: number,
): Promise<{ contender: Contender; results: readonly Float32Array[] } | undefined> {
  const start = performance.now();
  const compiled = Promise.all(section.commands.map(({ kernel }) => gpu.kernels.pipeline(kernel)));
  try {
    if ((await within(compiled, limit)) === undefined) return undefined;
  } catch (error) {
    // One that the driver's compiler refuses is no candidate here; without a fallback nothing is.
    if (right === undefined) throw error;
    return undefined;
  }
  const isolated = await Isolated.create(gpu, section);
  let entered = false;
  try {
    // The first run compiles on some drivers.
    isolated.plan.run();
    await gpu.idle();
    if (performance.now() - start > limit) return undefined;
    const results: Float32Array[] = [];
    isolated.reset();
    const ms = await timeRuns(gpu, isolated.plan, 1);
    for (const t of isolated.written) results.push(await isolated.read(t));
    if (!agree(results, right ?? results)) return undefined;
    const repeats = Math.max(1, Math.round(LONG_ENOUGH / Math.max(0.05, ms)));
    entered = true;
    return { contender: { variant, isolated, repeats, times: [] }, results };
  } finally {
    if (!entered) isolated.destroy();
  }
}

function agree(results: readonly Float32Array[], right: readonly Float32Array[]): boolean {
  return (
    results.length === right.length &&
    results.every((values, i) => differenceOf(values, right[i]!).relative <= TOLERANCE)
  );
}

async function timeInTurns(gpu: Gpu, contenders: readonly Contender[], rounds: number): Promise<void> {
  for (let round_ = 0; round_ < rounds; round_++)
    for (const { isolated, repeats, times } of contenders)
      times.push(await timeRuns(gpu, isolated.plan, repeats));
}

/** What a promise came to, or undefined where it took longer. */
async function within<T>(promise: Promise<T>, ms: number): Promise<T | undefined> {
  if (ms === Number.POSITIVE_INFINITY) return await promise;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), ms);
  });
  // A late failure is nobody's any more.
  promise.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function round(ms: number): number {
  return Number(ms.toPrecision(4));
}
