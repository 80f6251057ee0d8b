import { solvePositive } from '../../core/cholesky.ts';

/** Scores of several points of the parameter space, in their order: the higher, the better. */
export type Evaluate = (points: readonly Float64Array[]) => Promise<number[]>;

/** Where a search ended. */
export interface Optimum {
  readonly point: Float64Array;
  readonly score: number;
}

/** How far a search goes. */
export interface SearchOptions {
  /** Distance of the first trial points. */
  readonly radius: number;
  /** The search ends where it would try points nearer than this. */
  readonly precision: number;
}

/** Damping of the quadratic step, as a share of the largest curvature. */
const DAMPING = [1e-3, 1e-2, 0.1, 0.3, 1, 3];
/** Rounds of a search: none has needed half of them. */
const ROUNDS = 40;

/**
 * Finds a maximum without gradients, in batches that a GPU scores at once: points around the best one give a quadratic model (all first
 * and second differences), whose maxima under several dampings are tried next. If nothing is better, the radius shrinks.
 * Equal scores give equal steps.
 */
export async function searchMaximum(
  evaluate: Evaluate,
  start: Float64Array,
  { radius, precision }: SearchOptions,
): Promise<Optimum> {
  let best: Optimum = { point: start, score: (await evaluate([start]))[0]! };
  let r = radius;
  for (let round = 0; round < ROUNDS && r >= precision; round++) {
    const from = best;
    const stencil = stencilAround(from.point, r);
    const scores = await evaluate(stencil);
    const trials = quadraticSteps(from.score, scores, start.length, r).map((step) =>
      from.point.map((v, i) => v + step[i]!),
    );
    const found = trials.length > 0 ? await evaluate(trials) : [];
    [...stencil, ...trials].forEach((point, i) => {
      const score = i < scores.length ? scores[i]! : found[i - scores.length]!;
      if (score > best.score) best = { point, score };
    });
    const moved = Math.hypot(...best.point.map((v, i) => v - from.point[i]!));
    if (moved < 0.5 * r) r *= moved === 0 ? 0.35 : 0.5;
  }
  return best;
}

/** The points of all second differences: both sides along each axis, then the corner of each pair of axes. */
function stencilAround(point: Float64Array, r: number): Float64Array[] {
  const n = point.length;
  const shifted = (...axes: readonly [axis: number, step: number][]): Float64Array => {
    const out = point.slice();
    for (const [axis, step] of axes) out[axis]! += step;
    return out;
  };
  const out: Float64Array[] = [];
  for (let i = 0; i < n; i++) out.push(shifted([i, r]), shifted([i, -r]));
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) out.push(shifted([i, r], [j, r]));
  return out;
}

/** Steps to the maxima of the quadratic model under several dampings, none longer than 4 r. */
function quadraticSteps(centre: number, scores: readonly number[], n: number, r: number): Float64Array[] {
  const gradient = new Float64Array(n);
  const curvature = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    gradient[i] = (scores[2 * i]! - scores[2 * i + 1]!) / (2 * r);
    curvature[i * n + i] = -(scores[2 * i]! + scores[2 * i + 1]! - 2 * centre) / (r * r);
  }
  for (let i = 0, at = 2 * n; i < n; i++)
    for (let j = 0; j < i; j++, at++) {
      const mixed = -(scores[at]! - scores[2 * i]! - scores[2 * j]! + centre) / (r * r);
      curvature[i * n + j] = mixed;
      curvature[j * n + i] = mixed;
    }
  let largest = 0;
  for (let i = 0; i < n; i++) largest = Math.max(largest, Math.abs(curvature[i * n + i]!));
  if (largest === 0) return [];
  return DAMPING.flatMap((damping) => {
    const damped = curvature.slice();
    for (let i = 0; i < n; i++) damped[i * n + i]! += damping * largest;
    const step = solvePositive(damped, gradient);
    const length = Math.hypot(...step);
    if (!Number.isFinite(length) || length === 0) return [];
    return [length > 4 * r ? step.map((v) => (v * 4 * r) / length) : step];
  });
}
