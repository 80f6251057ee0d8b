import { solvePositive } from '../../core/cholesky.ts';
import { DatasetError } from '../../core/errors.ts';
import { Random } from '../../core/random.ts';
import { boundingBox } from '../volume/crop.ts';
import { describeGrid, type Volume } from '../volume/volume.ts';
import { sharpened } from './sharpen.ts';

/** Cosines along each axis; the degrees of a term sum to less than this. */
const DEGREE = 5;
/** Voxels that the field is fitted to. */
const MOST = 40_000;
const ROUNDS = 60;
/** The rounds end where the field changes by less than this, as a share. */
const PRECISION = 1e-4;
/** Keeps terms small that few voxels tell of, as a share of the mean diagonal. */
const RIDGE = 1e-3;
/** Darker voxels, as a share of the median, are fluid or air and tell nothing of the field. */
const DARKEST = 0.25;

/** An image without its smooth changes of brightness. */
export interface CorrectedImage {
  /** The image divided by the field; voxels of 0 stay 0. */
  readonly data: Float32Array;
  /** 95th over 5th percentile of the field that was found, in the brain: 1 is even. */
  readonly spread: number;
  readonly rounds: number;
}

/** Degrees along x, y and z. */
type Term = readonly [number, number, number];

/**
 * Corrects smooth changes of brightness, which coils leave: N4's way (the histogram of logarithms is sharpened, and what
 * sharpening asks for is smoothed into a field, over and over) with a field of cosines over the brain's box instead of splines.
 * The field has the mean 1 in the brain; beyond the brain it stays within the brain's range. In float64 and in a fixed order.
 *
 * @param brain not 0 inside
 * @throws DatasetError where fewer than 1000 voxels of the brain are bright enough to tell a field from
 */
export function correctBias({ grid, data }: Volume, brain: Uint8Array): CorrectedImage {
  const box = boundingBox(brain, grid.shape) ?? { start: [0, 0, 0] as const, shape: grid.shape };
  const chosen = chooseVoxels(data, brain);
  if (chosen.length < 1000)
    throw new DatasetError(
      `only ${chosen.length} voxels of the brain are bright enough to find a bias field (${describeGrid(grid)})`,
      { hint: 'Check the brain mask: it must lie on the brain of this image.' },
    );
  const terms = termsBelow(DEGREE);
  const [nx, ny] = grid.shape;
  // Half a box of the cosines' period is the brain's box, widened so that its border is no mirror.
  const phase = (v: number, axis: 0 | 1 | 2): number =>
    Math.PI * Math.min(0.95, Math.max(0.05, 0.1 + (0.8 * (v - box.start[axis] + 0.5)) / box.shape[axis]));
  const waves = [0, 1, 2].map((axis) =>
    Array.from({ length: grid.shape[axis]! }, (_, v) =>
      Float64Array.from({ length: DEGREE }, (__, k) => Math.cos(k * phase(v, axis as 0 | 1 | 2))),
    ),
  );
  const n = terms.length;
  const rows = new Float64Array(chosen.length * n);
  chosen.forEach((i, at) => {
    const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
    terms.forEach(([a, b, c], t) => {
      rows[at * n + t] = waves[0]![x]![a]! * waves[1]![y]![b]! * waves[2]![z]![c]!;
    });
  });
  const logs = Float64Array.from(chosen, (i) => Math.log(data[i]!));
  const { coefficients, rounds } = fitField(rows, logs, n);
  const inBrain = Float64Array.from(chosen, (_, at) => dot(rows, at, coefficients)).sort();
  const percentile = (share: number): number => inBrain[Math.round(share * (inBrain.length - 1))]!;
  const [lowest, highest] = [inBrain[0]!, inBrain.at(-1)!];
  const out = new Float32Array(data.length);
  for (let z = 0, i = 0; z < grid.shape[2]; z++)
    for (let y = 0; y < ny; y++) {
      // Terms along x of this row.
      const along = new Float64Array(DEGREE);
      terms.forEach(([a, b, c], t) => {
        along[a]! += coefficients[t]! * waves[1]![y]![b]! * waves[2]![z]![c]!;
      });
      for (let x = 0; x < nx; x++, i++) {
        if (data[i] === 0) continue;
        let field = 0;
        for (let a = 0; a < DEGREE; a++) field += along[a]! * waves[0]![x]![a]!;
        out[i] = data[i]! / Math.exp(Math.min(highest, Math.max(lowest, field)));
      }
    }
  return { data: out, spread: Math.exp(percentile(0.95) - percentile(0.05)), rounds };
}

/** Voxels of the brain that tell of a field, at most {@link MOST} of them. */
function chooseVoxels(data: Float32Array, brain: Uint8Array): number[] {
  const inside: number[] = [];
  for (let i = 0; i < data.length; i++) if (brain[i] !== 0 && data[i]! > 0) inside.push(i);
  const sorted = Float32Array.from(inside, (i) => data[i]!).sort();
  const least = DARKEST * (sorted[sorted.length >> 1] ?? 0);
  const bright = inside.filter((i) => data[i]! > least);
  const random = new Random(2);
  const share = MOST / bright.length;
  return share < 1 ? bright.filter(() => random.uniform() < share) : bright;
}

/** Rounds of sharpening and smoothing. @param rows [voxels, n] values of the terms */
function fitField(
  rows: Float64Array,
  logs: Float64Array,
  n: number,
): { coefficients: Float64Array; rounds: number } {
  const normal = new Float64Array(n * n);
  const means = new Float64Array(n);
  for (let at = 0; at < logs.length; at++)
    for (let i = 0; i < n; i++) {
      const v = rows[at * n + i]!;
      means[i]! += v / logs.length;
      for (let j = 0; j <= i; j++) normal[i * n + j]! += v * rows[at * n + j]!;
    }
  for (let i = 0; i < n; i++) for (let j = 0; j < i; j++) normal[j * n + i] = normal[i * n + j]!;
  let trace = 0;
  for (let i = 0; i < n; i++) trace += normal[i * n + i]!;
  // The constant is left alone: it is no smoothness.
  for (let i = 1; i < n; i++) normal[i * n + i]! += (RIDGE * trace) / n;
  const coefficients = new Float64Array(n);
  let rounds = 0;
  for (let change = 1; rounds < ROUNDS && change > PRECISION; rounds++) {
    const even = logs.map((v, at) => v - dot(rows, at, coefficients));
    const wanted = sharpened(even);
    const right = new Float64Array(n);
    for (let at = 0; at < logs.length; at++) {
      const field = logs[at]! - wanted[at]!;
      for (let i = 0; i < n; i++) right[i]! += field * rows[at * n + i]!;
    }
    const next = solvePositive(normal, right);
    // Brightness in the mean stays: the field's mean is 0.
    let mean = 0;
    for (let i = 0; i < n; i++) mean += next[i]! * means[i]!;
    next[0]! -= mean;
    change = 0;
    for (let i = 0; i < n; i++) change = Math.max(change, Math.abs(next[i]! - coefficients[i]!));
    coefficients.set(next);
  }
  return { coefficients, rounds };
}

function dot(rows: Float64Array, at: number, coefficients: Float64Array): number {
  const n = coefficients.length;
  let sum = 0;
  for (let t = 0; t < n; t++) sum += rows[at * n + t]! * coefficients[t]!;
  return sum;
}

/** All terms whose degrees sum to less than `degree`; the constant is the first. */
function termsBelow(degree: number): Term[] {
  const out: Term[] = [];
  for (let k = 0; k < degree; k++)
    for (let j = 0; j < degree - k; j++) for (let i = 0; i < degree - k - j; i++) out.push([i, j, k]);
  return out;
}
