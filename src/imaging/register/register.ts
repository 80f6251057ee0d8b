import { mat4 } from 'gl-matrix';
import { DatasetError } from '../../core/errors.ts';
import type { AbortSignal } from '../../core/globals.ts';
import { resample } from '../volume/resample.ts';
import { describeGrid, type Grid, toWorld, type Volume } from '../volume/volume.ts';
import { BINS, normalisedMutualInformation, SAMPLE_WEIGHT } from './mutual-information.ts';
import { type DegreesOfFreedom, poseMatrix } from './pose.ts';
import {
  type Binned,
  binImage,
  drawSamples,
  pyramidLevel,
  type Samples,
  sampleToVoxel,
  valuesAt,
} from './samples.ts';
import { type Evaluate, type Optimum, searchMaximum } from './search.ts';

/** Counts joint histograms of samples and a moving image. */
export interface Comparison {
  /** @param rows 3x4 affines from a sample's mm to a moving voxel; see `sampleToVoxel` */
  histograms(rows: readonly Float64Array[]): Promise<ArrayLike<number>[]>;
  destroy(): void;
}

/** Makes a comparison: on a GPU, or in float64 as a reference. */
export type Compare = (samples: Samples, moving: Binned) => Promise<Comparison>;

/** What a registration is asked to do. */
export interface RegisterOptions {
  /** 6 (default) turns and shifts, 12 stretches and shears as well. */
  readonly degreesOfFreedom?: DegreesOfFreedom;
  /** The search ends where it would move a point of the head by less than about this, mm (default 0.02). */
  readonly precision?: number;
  /** Voxels of the last level, mm (default 1.5). */
  readonly finest?: number;
  /** Brain of the fixed image, on its grid: the last level compares this and 2 mm around it. */
  readonly mask?: Uint8Array | undefined;
  onLevel?(done: number, total: number): void;
  /** Stops between levels; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What a registration found. */
export interface Registration {
  /** From a point of the fixed image's world to the moving image's, mm, RAS+, column-major. */
  readonly transform: Float64Array;
  /** Normalised mutual information at the last level, and what it was as the files' own headers place the images. */
  readonly information: number;
  readonly before: number;
  /** Share of the fixed image's points that lie in the moving image. */
  readonly overlap: number;
}

/**
 * Voxels of the pyramid's levels, mm. They, the mask's margin and how samples are drawn were chosen together on the nine real
 * pairs that `npm run bench:register` measures: its errors are those of a fit, not of pairs kept apart.
 */
const LEVELS = [8, 4, 1.5] as const;
/** Turns about each axis that the first level starts from, degrees. */
const TURNS = [-18, 0, 18] as const;
/** Starts that go on from the trial of all turns, and from the first level to the second. */
const KEPT = [5, 2] as const;
/** Less of the samples in the moving image than this counts against a transform. */
const LEAST_OVERLAP = 0.5;
/** What the brain mask is widened by, mm: the border of the brain tells most, but skull and fat lie beyond. */
const AROUND_BRAIN = 2;

interface Level {
  evaluate: Evaluate;
  histogram(point: Float64Array): Promise<ArrayLike<number>>;
  readonly count: number;
  destroy(): void;
}

/**
 * Finds how one image of a head lies to another by normalised mutual information: a pyramid of 8, 4 and 1.5 mm, many starts
 * at the coarsest level, a search by quadratic models at each. Contrast, voxels and fields of view may differ; the headers may
 * be wrong by 20 degrees and 20 mm.
 *
 * @returns the transform by which the moving image is resampled on the fixed one's grid
 * @throws DatasetError where an image has one value only; OutOfMemoryError, GpuError, DeviceLostError
 */
export async function registerVolumes(
  compare: Compare,
  fixed: Volume<Float32Array | Uint8Array>,
  moving: Volume<Float32Array | Uint8Array>,
  options: RegisterOptions = {},
): Promise<Registration> {
  const { degreesOfFreedom = 6, precision = 0.02, finest = LEVELS[2], mask, signal } = options;
  let optima: Optimum[] = [];
  const centre = centreOfMass(pyramidLevel(fixed, LEVELS[0]));
  for (const [at, mm] of [LEVELS[0], LEVELS[1], finest].entries()) {
    signal?.throwIfAborted();
    const images = { fixed: pyramidLevel(fixed, mm), moving: pyramidLevel(moving, mm) };
    const last = at === LEVELS.length - 1;
    const inside = last && mask ? widened({ grid: fixed.grid, data: mask }, images.fixed.grid) : undefined;
    const level = await openLevel(compare, images, centre, inside, optima[0]?.point);
    try {
      const search = async (
        points: readonly Float64Array[],
        radius: number,
        precision: number,
      ): Promise<void> => {
        optima = [];
        for (const point of points)
          optima.push(await searchMaximum(level.evaluate, point, { radius, precision }));
        optima.sort((a, b) => b.score - a.score);
      };
      if (at === 0) await search(await bestStarts(level, images, centre), 8, 1);
      else if (!last) {
        await search(
          optima.slice(0, KEPT[1]).map(({ point }) => point),
          4,
          0.5,
        );
        // Heads of two people differ by more than what the last level looks for.
        if (degreesOfFreedom === 12) await search([affinePoint(optima[0]!.point)], 4, 0.5);
      } else {
        const [best] = optima;
        await search([best!.point], 1, precision);
        const histogram = await level.histogram(optima[0]!.point);
        const zero = await level.histogram(new Float64Array(6));
        return {
          transform: poseMatrix(optima[0]!.point, centre),
          information: normalisedMutualInformation(histogram),
          before: normalisedMutualInformation(zero),
          overlap: overlapOf(histogram, level.count),
        };
      }
    } finally {
      level.destroy();
    }
    options.onLevel?.(at + 1, LEVELS.length);
  }
  throw new Error('the pyramid has no level');
}

/** Parameters of 12 degrees of freedom: those of a rigid transform, or of an affine one already, without further stretch. */
function affinePoint(point: Float64Array): Float64Array {
  return Float64Array.from({ length: 12 }, (_, i) => point[i] ?? 0);
}

async function openLevel(
  compare: Compare,
  { fixed, moving }: { readonly fixed: Volume; readonly moving: Volume },
  centre: readonly [number, number, number],
  mask: ArrayLike<number> | undefined,
  near: Float64Array | undefined,
): Promise<Level> {
  const samples = drawSamples(fixed, centre, mask);
  const values = mask && near ? valuesAt(moving, samples, poseMatrix(near, centre)) : moving.data;
  const comparison = await compare(samples, binImage(moving, values));
  const histograms = (points: readonly Float64Array[]): Promise<ArrayLike<number>[]> =>
    comparison.histograms(
      points.map((point) => sampleToVoxel(moving.grid, centre, poseMatrix(point, centre))),
    );
  return {
    count: samples.count,
    evaluate: async (points) =>
      (await histograms(points)).map((histogram) => scoreOf(histogram, samples.count)),
    histogram: async (point) => (await histograms([point]))[0]!,
    destroy: () => comparison.destroy(),
  };
}

function overlapOf(histogram: ArrayLike<number>, count: number): number {
  let sum = 0;
  for (let i = 0; i < BINS * BINS; i++) sum += histogram[i]!;
  return sum / (SAMPLE_WEIGHT * count);
}

function scoreOf(histogram: ArrayLike<number>, count: number): number {
  const information = normalisedMutualInformation(histogram);
  return 1 + (information - 1) * Math.min(1, overlapOf(histogram, count) / LEAST_OVERLAP);
}

/** The best of all turns, about the headers' place and with both heads' centres on each other. */
async function bestStarts(
  level: Level,
  images: { readonly fixed: Volume; readonly moving: Volume },
  centre: readonly [number, number, number],
): Promise<Float64Array[]> {
  const other = centreOfMass(images.moving);
  const shifts = [[0, 0, 0], other.map((v, i) => v - centre[i]!)];
  const unit = (80 * Math.PI) / 180;
  const starts = shifts.flatMap((shift) =>
    TURNS.flatMap((x) =>
      TURNS.flatMap((y) => TURNS.map((z) => Float64Array.of(...shift, x * unit, y * unit, z * unit))),
    ),
  );
  const scores = await level.evaluate(starts);
  return starts
    .map((point, i) => ({ point, score: scores[i]! }))
    .sort((a, b) => b.score - a.score)
    .slice(0, KEPT[0])
    .map(({ point }) => point);
}

/** Centre of what is brighter than a tenth of the brightest, mm, RAS+. @throws DatasetError where all values are equal. */
function centreOfMass({ grid, data }: Volume): [number, number, number] {
  const sorted = data.slice().sort();
  const [low, high] = [sorted[0]!, sorted[Math.round(0.99 * (sorted.length - 1))]!];
  if (!(sorted.at(-1)! > low))
    throw new DatasetError(`the image of ${describeGrid(grid)} has the value ${low} everywhere`, {
      hint: 'Give an image of a head.',
    });
  const threshold = low + 0.1 * (high - low);
  const sum = [0, 0, 0];
  let count = 0;
  const [nx, ny] = grid.shape;
  data.forEach((v, i) => {
    if (v <= threshold) return;
    sum[0]! += i % nx;
    sum[1]! += Math.floor(i / nx) % ny;
    sum[2]! += Math.floor(i / (nx * ny));
    count++;
  });
  return toWorld(grid, sum.map((v) => v / count) as [number, number, number]);
}

/** A mask on another grid, widened by {@link AROUND_BRAIN}. */
function widened(mask: Volume<Uint8Array>, grid: Grid): Uint8Array {
  const inner = resample(mask, grid).data;
  const [nx, ny, nz] = grid.shape;
  const reach = grid.spacing.map((mm) => Math.ceil(AROUND_BRAIN / mm));
  const out = new Uint8Array(inner.length);
  for (let z = 0, i = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, i++) {
        if (inner[i]! < 0.5) continue;
        for (let c = Math.max(0, z - reach[2]!); c <= Math.min(nz - 1, z + reach[2]!); c++)
          for (let b = Math.max(0, y - reach[1]!); b <= Math.min(ny - 1, y + reach[1]!); b++)
            for (let a = Math.max(0, x - reach[0]!); a <= Math.min(nx - 1, x + reach[0]!); a++) {
              const far = Math.hypot(
                (a - x) * grid.spacing[0],
                (b - y) * grid.spacing[1],
                (c - z) * grid.spacing[2],
              );
              if (far <= AROUND_BRAIN) out[(c * ny + b) * nx + a] = 1;
            }
      }
  return out;
}

/** The transform from the moving image's world to the fixed one's. */
export function inverseTransform(transform: Readonly<Float64Array>): Float64Array {
  const out = new Float64Array(16);
  mat4.invert(out, transform as Float64Array);
  return out;
}
