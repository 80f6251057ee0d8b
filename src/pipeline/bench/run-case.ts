import { GpuError } from '../../core/errors.ts';
import { Random } from '../../core/random.ts';
import { sizeOf } from '../../core/shape.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { Tape } from '../../engine/tape/tape.ts';
import { differenceOf } from '../../engine/tune/difference.ts';
import { Isolated } from '../../engine/tune/isolated.ts';
import { median, timeRoundRobin } from '../../engine/tune/timing.ts';
import { watchChoices } from '../../engine/tune/watch-choices.ts';
import type { BenchCase, CaseRecording } from './cases.ts';

/** Times of one variant of a row. */
export interface CaseTiming {
  /** The variant, or `only` where there is but one form. */
  readonly variant: string;
  /** Median. */
  readonly ms: number;
  readonly bestMs: number;
  /** Distance between the quartiles over the median. */
  readonly spread: number;
  /** Largest distance from the plain formula over its largest value, of the elements that were looked at. */
  readonly error: number;
}

/** How cases are run. */
export interface CaseOptions {
  /** Time all variants, not only the one that would be chosen. */
  readonly variants: boolean;
  /** Seconds for each variant. */
  readonly seconds: number;
  /** Tuned or recorded choices by slot. */
  readonly wanted?: ((slot: string) => string | undefined) | undefined;
}

const SAMPLES = 256;
/** Winograd's transforms lose some digits; a kernel that is wrong is wrong in the first. */
const TOLERANCE = 1e-3;
const LEAST_ROUNDS = 5;

/**
 * Checks a case's variants against the plain formula, then times them in turns.
 * @throws GpuError naming kernel, variant and value where one computes something else; OutOfMemoryError.
 */
export async function runCase(gpu: Gpu, bench: BenchCase, options: CaseOptions): Promise<CaseTiming[]> {
  const made: { readonly variant: string; readonly isolated: Isolated; readonly error: number }[] = [];
  try {
    for (const variant of await variantsOf(gpu, bench, options)) {
      const wanted = (slot: string): string | undefined =>
        variant !== undefined && slot.startsWith(bench.kernel) ? variant : options.wanted?.(slot);
      const tape = new Tape(gpu.capabilities, wanted);
      const choices = watchChoices(tape);
      const recording = await bench.record(tape);
      const chosen = choices.find(({ slot }) => slot.startsWith(bench.kernel))?.chosen ?? 'only';
      const isolated = await Isolated.create(gpu, recording.section);
      made.push({ variant: chosen, isolated, error: Number.NaN });
      const error = await spotCheck(isolated, recording, `${bench.kernel} ${bench.shape}, ${chosen}`);
      made[made.length - 1] = { variant: chosen, isolated, error };
    }
    const plans = made.map(({ isolated }) => isolated.plan);
    const samples = await timeRoundRobin(gpu, plans, { least: LEAST_ROUNDS, seconds: options.seconds });
    return made.map(({ variant, error }, i) => ({ variant, error, ...describeTimes(samples[i]!) }));
  } finally {
    for (const { isolated } of made) isolated.destroy();
  }
}

/** Median, best and spread of times. */
export function describeTimes(times: readonly number[]): Pick<CaseTiming, 'ms' | 'bestMs' | 'spread'> {
  const sorted = [...times].sort((a, b) => a - b);
  const quantile = (q: number): number => sorted[Math.round(q * (sorted.length - 1))]!;
  const ms = median(times);
  return { ms, bestMs: sorted[0]!, spread: (quantile(0.75) - quantile(0.25)) / ms };
}

/** Names to ask for; undefined for what would be chosen. */
async function variantsOf(
  gpu: Gpu,
  bench: BenchCase,
  { variants }: CaseOptions,
): Promise<readonly (string | undefined)[]> {
  if (!variants) return [undefined];
  const tape = new Tape(gpu.capabilities);
  const choices = watchChoices(tape);
  await bench.record(tape);
  const own = choices.find(({ slot }) => slot.startsWith(bench.kernel));
  return own?.candidates ?? [undefined];
}

async function spotCheck(
  isolated: Isolated,
  { data, check: { tensor, expected, among } }: CaseRecording,
  name: string,
): Promise<number> {
  for (const [t, values] of data ?? []) isolated.write(t, values);
  isolated.plan.run();
  const got = await isolated.read(tensor);
  const random = new Random(1);
  const size = Math.min(among ?? Number.POSITIVE_INFINITY, sizeOf(tensor.shape));
  const indices = Array.from({ length: Math.min(SAMPLES, size) }, () => random.integer(size));
  const right = indices.map(expected);
  const { relative, index } = differenceOf(
    indices.map((i) => got[i]!),
    right,
  );
  if (relative <= TOLERANCE) return relative;
  throw new GpuError(
    `${name}: element ${indices[index]} is ${got[indices[index]!]}, by the plain formula ${right[index]}`,
    {
      hint: 'The driver or the kernel computes something else: please report it with the output of `voxelgrad doctor`.',
    },
  );
}
