import { UsageError } from '../../core/errors.ts';
import { Random } from '../../core/random.ts';

/** A value of one scan: its Dice, or any other metric. */
export interface Observation {
  readonly patient: string;
  /** The visit, or null where there is one only. */
  readonly session: string | null;
  /** Where it is not finite, the scan is left out. */
  readonly value: number;
}

/** A mean over patients with its interval. */
export interface Estimate {
  readonly mean: number;
  /** Bounds of the interval; NaN for fewer than two patients. */
  readonly low: number;
  readonly high: number;
  readonly patients: number;
}

/** Settings of the intervals. */
export interface BootstrapOptions {
  /** Equal seeds give equal intervals. Default 1. */
  readonly seed?: number;
  /** Resamples of patients. Default 10000. */
  readonly resamples?: number;
  /** Share of the resampled means that lie in the interval. Default 0.95. */
  readonly level?: number;
}

/**
 * Mean over patients, each the mean of that patient's scans (so that a patient with many visits counts once, as in the
 * paper's folds), with a percentile bootstrap interval (Efron 1979): patients are drawn with replacement, never scans,
 * since visits of one patient resemble each other. With the five patients of the ISBI 2015 training set such
 * intervals are too narrow rather than too wide.
 *
 * @throws UsageError for settings that make no interval.
 */
export function bootstrapMean(
  observations: readonly Observation[],
  options: BootstrapOptions = {},
): Estimate {
  return estimate(patientMeans(observations), options);
}

/**
 * Mean over patients of `a - b`, paired scan by scan, with its bootstrap interval. Scans that only one of them has a
 * finite value for are left out.
 *
 * @throws UsageError where a scan is there twice, and for settings that make no interval.
 */
export function pairedDifference(
  a: readonly Observation[],
  b: readonly Observation[],
  options: BootstrapOptions = {},
): Estimate {
  const others = new Map(b.map((observation) => [scanOf(observation), observation.value]));
  for (const [side, observations] of [
    ['first', a],
    ['second', b],
  ] as const)
    if (new Set(observations.map(scanOf)).size !== observations.length)
      throw new UsageError(`a paired difference needs each scan once; the ${side} side has one twice`);
  const differences = a.flatMap((observation) => {
    const other = others.get(scanOf(observation));
    return other === undefined ? [] : [{ ...observation, value: observation.value - other }];
  });
  return estimate(patientMeans(differences), options);
}

/** Linear interpolation between the two nearest ranks of sorted values, as NumPy's default. @param share 0 to 1 */
export function percentile(sorted: ArrayLike<number>, share: number): number {
  const rank = share * (sorted.length - 1);
  const below = sorted[Math.floor(rank)]!;
  const above = sorted[Math.ceil(rank)]!;
  return below + (above - below) * (rank - Math.floor(rank));
}

function scanOf({ patient, session }: Observation): string {
  return JSON.stringify([patient, session]);
}

/** The mean of each patient's finite values, in the order of their names: that of the observations changes nothing. */
export function meanByPatient(observations: readonly Observation[]): Map<string, number> {
  const byPatient = new Map<string, number[]>();
  for (const { patient, value } of observations)
    if (Number.isFinite(value)) byPatient.set(patient, [...(byPatient.get(patient) ?? []), value]);
  return new Map(
    [...byPatient]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([patient, values]) => [patient, mean(values.sort((a, b) => a - b))]),
  );
}

/** Those means alone. */
export function patientMeans(observations: readonly Observation[]): number[] {
  return [...meanByPatient(observations).values()];
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, v) => sum + v, 0) / values.length;
}

function estimate(means: readonly number[], options: BootstrapOptions): Estimate {
  const { seed = 1, resamples = 10_000, level = 0.95 } = options;
  if (!Number.isInteger(resamples) || resamples < 1)
    throw new UsageError(`bootstrap: resamples must be a whole number of at least 1, not ${resamples}`);
  if (!(level > 0 && level < 1))
    throw new UsageError(`bootstrap: level must lie between 0 and 1, not ${level}`);
  const n = means.length;
  const centre = n === 0 ? Number.NaN : mean(means);
  if (n < 2) return { mean: centre, low: Number.NaN, high: Number.NaN, patients: n };
  const random = new Random(seed).fork('bootstrap');
  const drawn = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += means[random.integer(n)]!;
    drawn[r] = sum / n;
  }
  drawn.sort();
  const tail = (1 - level) / 2;
  return { mean: centre, low: percentile(drawn, tail), high: percentile(drawn, 1 - tail), patients: n };
}
