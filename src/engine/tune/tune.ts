import { GpuError } from '../../core/errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { TunedSlot } from './cache.ts';
import { kernelsOf } from './compile-ahead.ts';
import { differenceOf } from './difference.ts';
import { type Timing, timeInTurns } from './in-turns.ts';
import { Isolated } from './isolated.ts';
import type { NetworkSlot } from './network-slots.ts';
import { median, timeRuns } from './timing.ts';

/** How a slot is searched. */
export interface TuneOptions {
  /** A candidate whose kernels take longer to compile may not win; the plain variant and the best guess always may. */
  readonly compileSeconds: number;
  /** Rounds of timing for those that stay near the best. */
  readonly rounds: number;
  /** Keys of kernels that are known to take longer to compile. */
  readonly slow?: ReadonlySet<string>;
}

export const DEFAULT_TUNING: TuneOptions = { compileSeconds: 30, rounds: 3 };

/** Largest distance from the right result over its largest value; Winograd's transforms lose some digits. */
const TOLERANCE = 2e-3;
/** What a candidate must gain on the best guess to take its place: less is noise. */
const GAIN = 0.97;
interface Contender extends Timing {
  readonly isolated: Isolated;
  /** Of the first run. */
  readonly results: readonly Float32Array[];
}

type Candidate = NetworkSlot['candidates'][number];

/** The variant that runs everywhere, against which others are held in doubt. */
function plainOf(candidates: readonly Candidate[]): Candidate {
  return candidates.findLast(({ variant }) => !variant.includes('subgroup')) ?? candidates.at(-1)!;
}

/** The candidates that a search runs in any case: all but the plain one, unless that is the best guess. */
export function searched({ candidates }: NetworkSlot): Candidate[] {
  const plain = plainOf(candidates);
  return candidates.filter((candidate, i) => i === 0 || candidate !== plain);
}

/**
 * Finds the fastest candidate of a slot: each is compiled and its result checked, then those that are right are timed
 * in turns. Right is what two different algorithms agree on (direct and Winograd); where there are no such two, what the
 * plain variant computes, which runs everywhere but takes, at large shapes on a processor, longer than all others
 * together. The first candidate is the best guess, which stays unless another is clearly faster.
 * @throws GpuError where nothing right was found; DeviceLostError, OutOfMemoryError.
 */
export async function tuneSlot(
  gpu: Gpu,
  network: NetworkSlot,
  options: TuneOptions = DEFAULT_TUNING,
): Promise<TunedSlot> {
  const { slot, candidates } = network;
  const guess = candidates[0]!;
  if (candidates.length === 1) return { variant: guess.variant, times: {} };
  const plain = plainOf(candidates);
  const entered: Contender[] = [];
  const enter = async (candidate: Candidate): Promise<void> => {
    const free = candidate === plain || candidate === guess;
    if (!free && kernelsOf(candidate.section).some((key) => options.slow?.has(key))) return;
    const limit = free ? Number.POSITIVE_INFINITY : options.compileSeconds * 1000;
    const contender = await prepare(gpu, candidate, limit);
    if (contender) entered.push(contender);
  };
  try {
    for (const candidate of searched(network)) await enter(candidate);
    let right = plain === guess ? entered[0] : agreement(entered);
    if (!right) {
      await enter(plain);
      right = entered.find(({ variant }) => variant === plain.variant);
    }
    if (!right || !agree(right.results, right.results))
      throw new GpuError(
        `${slot}: the plain variant ${plain.variant} computes nothing, or something that is not finite`,
        {
          hint: 'The driver or the kernel is at fault: please report it with the output of `voxelgrad doctor`.',
        },
      );
    const contenders = entered.filter((contender) => agree(contender.results, right.results));
    for (const { isolated, times } of contenders)
      if (times.length === 0) times.push(await timeRuns(gpu, isolated.plan, 1));
    const time = ({ isolated }: Contender, repeats: number): Promise<number> =>
      timeRuns(gpu, isolated.plan, repeats);
    const left = new Set(await timeInTurns(contenders, guess.variant, options.rounds, time));
    const entries = contenders.map((one) => ({ one, name: one.variant, ms: round(median(one.times)) }));
    const finalists = entries.filter(({ one }) => left.has(one));
    return {
      variant: choose(finalists, guess.variant),
      times: Object.fromEntries(entries.map(({ name, ms }) => [name, ms])),
    };
  } finally {
    for (const { isolated } of entered) isolated.destroy();
  }
}

/** One of two contenders that compute the same by different algorithms. */
function agreement(contenders: readonly Contender[]): Contender | undefined {
  const algorithm = ({ variant }: Contender): string => /^[a-z]*/.exec(variant)![0];
  return contenders.find((one) =>
    contenders.some((other) => algorithm(one) !== algorithm(other) && agree(one.results, other.results)),
  );
}

/** The fastest, or the best guess where it is nearly as fast. */
function choose(entries: readonly { readonly name: string; readonly ms: number }[], guess: string): string {
  const fastest = entries.reduce((a, b) => (b.ms < a.ms ? b : a));
  const own = entries.find(({ name }) => name === guess);
  return own && fastest.ms > GAIN * own.ms ? guess : fastest.name;
}

/**
 * Compiles a candidate and runs it once on noise; undefined where it may not win.
 * @param limit milliseconds to compile and run once
 */
async function prepare(
  gpu: Gpu,
  { variant, section }: Candidate,
  limit: number,
): Promise<Contender | undefined> {
  const start = performance.now();
  // What ran before on this device is compiled for good: then the first run is as good a timing as any.
  const ranBefore = section.commands.every(({ kernel }) => gpu.kernels.has(kernel));
  const compiled = Promise.all(section.commands.map(({ kernel }) => gpu.kernels.pipeline(kernel)));
  try {
    if ((await within(compiled, limit)) === undefined) return undefined;
  } catch (error) {
    // One that the driver's compiler refuses is no candidate here.
    if (limit === Number.POSITIVE_INFINITY) throw error;
    return undefined;
  }
  const isolated = await Isolated.create(gpu, section);
  try {
    // Some drivers compile when a kernel first runs.
    await gpu.idle();
    const ms = await timeRuns(gpu, isolated.plan, 1);
    if (performance.now() - start <= limit) {
      const results: Float32Array[] = [];
      for (const t of isolated.written) results.push(await isolated.read(t));
      return { variant, isolated, results, times: ranBefore ? [ms] : [] };
    }
  } catch (error) {
    isolated.destroy();
    throw error;
  }
  isolated.destroy();
  return undefined;
}

function agree(results: readonly Float32Array[], right: readonly Float32Array[]): boolean {
  return (
    results.length === right.length &&
    results.every((values, i) => differenceOf(values, right[i]!).relative <= TOLERANCE)
  );
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
