/** A number of many scans. */
export interface Measure {
  readonly name: string;
  /** One per scan; not finite where there is none. */
  readonly values: readonly number[];
}

/** How far a scan lies from the others. */
export interface Outlyingness {
  /** The largest absolute robust z of its measures; 0 if there are too few scans to tell. */
  readonly score: number;
  /** Its measure, and its robust z; null if there is none. */
  readonly by: string | null;
  readonly z: number;
}

/** From here on a value is called an outlier (Iglewicz and Hoaglin 1993). */
export const OUTLIER_SCORE = 3.5;

/** Of fewer scans nobody can say which is odd. */
const FEWEST = 5;

/** By scan, the measure that lies farthest out by its robust z. */
export function outlyingness(measures: readonly Measure[], scans: number): Outlyingness[] {
  const scores = measures.map(({ name, values }) => ({ name, z: robustZ(values) }));
  return Array.from({ length: scans }, (_, i) =>
    scores.reduce<Outlyingness>(
      (most, { name, z }) =>
        Math.abs(z[i]!) > most.score ? { score: Math.abs(z[i]!), by: name, z: z[i]! } : most,
      { score: 0, by: null, z: 0 },
    ),
  );
}

/**
 * Robust z of values: 0.6745 times the distance to the median over the median of all such distances (Iglewicz and
 * Hoaglin 1993); where more than half are equal, the distance over 1.2533 times the mean of distances. 0 for values that
 * are not finite, for equal values, and of fewer than five.
 */
export function robustZ(values: readonly number[]): number[] {
  const finite = values.filter(Number.isFinite);
  if (finite.length < FEWEST) return values.map(() => 0);
  const middle = median(finite);
  const distances = finite.map((value) => Math.abs(value - middle));
  const typical = median(distances);
  const scale =
    typical > 0
      ? typical / 0.6745
      : 1.2533 * (distances.reduce((sum, distance) => sum + distance, 0) / distances.length);
  return values.map((value) => (scale > 0 && Number.isFinite(value) ? (value - middle) / scale : 0));
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}
