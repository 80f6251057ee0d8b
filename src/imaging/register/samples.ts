import { mat4 } from 'gl-matrix';
import { Random } from '../../core/random.ts';
import { resize, resizedGrid } from '../volume/resize.ts';
import { type Grid, toWorld, type Volume, worldToVoxel } from '../volume/volume.ts';
import { BINS } from './mutual-information.ts';

/** Percentiles of the intensities that the first and the last bin stand for. */
const CLIP = [0.5, 99.5] as const;
/** Points that a level compares, at most. */
const MOST_SAMPLES = 100_000;

/** Points of the fixed image that a registration compares. */
export interface Samples {
  /** [count] of x, y, z in mm from `centre` (RAS+), and the bin of the intensity, 0 to 31. */
  readonly data: Float32Array;
  readonly count: number;
  readonly centre: readonly [number, number, number];
}

/** A moving image whose values are bins, 0 to 31, with what lies between. */
export type Binned = Volume;

/** An image at one level of a pyramid: means over voxels of about `mm`; an axis of larger voxels keeps them. */
export function pyramidLevel(volume: Volume<Float32Array | Uint8Array>, mm: number): Volume {
  const { spacing } = volume.grid;
  const grid = resizedGrid(
    volume.grid,
    spacing.map((edge) => Math.max(edge, mm)) as [number, number, number],
  );
  return { grid, data: resize(volume.data, volume.grid, grid) };
}

/**
 * Takes the centres of voxels, without interpolation: that would blur thick slices, and the transform would lean to where
 * both images are equally blurred. If there are more than `most`, a random share of them.
 *
 * @param centre that positions are measured from, mm, RAS+
 * @param mask on the image's grid; points are taken where it is not 0
 */
export function drawSamples(
  { grid, data: intensities }: Volume,
  centre: readonly [number, number, number],
  mask?: ArrayLike<number>,
  most: number = MOST_SAMPLES,
): Samples {
  const inside: number[] = [];
  for (let i = 0; i < intensities.length; i++) if (!mask || mask[i]! > 0) inside.push(i);
  const random = new Random(1);
  const share = most / inside.length;
  const chosen = share < 1 ? inside.filter(() => random.uniform() < share) : inside;
  const bin = binning(chosen.map((i) => intensities[i]!));
  const [nx, ny] = grid.shape;
  const data = new Float32Array(chosen.length * 4);
  chosen.forEach((i, at) => {
    const place = toWorld(grid, [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))]);
    data.set(
      place.map((v, w) => v - centre[w]!),
      at * 4,
    );
    data[at * 4 + 3] = Math.round(bin(intensities[i]!));
  });
  return { data, count: chosen.length, centre };
}

/**
 * The moving image in bins.
 * @param values that set the range of the bins (default: all of the image's)
 */
export function binImage(image: Volume, values: ArrayLike<number> = image.data): Binned {
  const bin = binning(values);
  return { grid: image.grid, data: image.data.map((v) => bin(v)) };
}

/** Values of the moving image at the samples under a transform, where they lie in it. */
export function valuesAt(image: Volume, samples: Samples, transform: Readonly<Float64Array>): number[] {
  const rows = sampleToVoxel(image.grid, samples.centre, transform);
  const [nx, ny, nz] = image.grid.shape;
  const value = trilinear(image);
  const out: number[] = [];
  for (let i = 0; i < samples.count; i++) {
    const [x, y, z] = samples.data.subarray(i * 4, i * 4 + 3) as unknown as [number, number, number];
    const at = (r: number): number =>
      rows[r * 4]! * x + rows[r * 4 + 1]! * y + rows[r * 4 + 2]! * z + rows[r * 4 + 3]!;
    const [px, py, pz] = [at(0), at(1), at(2)];
    if (px >= -0.5 && py >= -0.5 && pz >= -0.5 && px <= nx - 0.5 && py <= ny - 0.5 && pz <= nz - 0.5)
      out.push(value(px, py, pz));
  }
  return out;
}

/**
 * Rows of the 3x4 affine from a sample's place to a voxel of the moving image.
 * @param transform from a point of the fixed image to the moving image's, world mm, column-major
 */
export function sampleToVoxel(
  moving: Grid,
  centre: readonly [number, number, number],
  transform: Readonly<Float64Array>,
): Float64Array {
  const map = new Float64Array(16);
  mat4.multiply(map, worldToVoxel(moving), transform as Float64Array);
  mat4.translate(map, map, [...centre]);
  return Float64Array.from({ length: 12 }, (_, i) => map[(i % 4) * 4 + Math.floor(i / 4)]!);
}

/** From a value to its place among the bins, by percentiles. */
function binning(values: ArrayLike<number>): (value: number) => number {
  const sorted = Float64Array.from(values).sort();
  const at = (percent: number): number => sorted[Math.round((percent / 100) * (sorted.length - 1))] ?? 0;
  const [low, high] = [at(CLIP[0]), at(CLIP[1])];
  const scale = high > low ? (BINS - 1) / (high - low) : 0;
  return (value) => Math.min(BINS - 1, Math.max(0, (value - low) * scale));
}

/** Reads an image between its voxels; beyond the outermost their values go on. */
function trilinear({ grid, data }: Volume): (x: number, y: number, z: number) => number {
  const [nx, ny, nz] = grid.shape;
  return (px, py, pz) => {
    const cx = Math.max(0, Math.min(px, nx - 1));
    const cy = Math.max(0, Math.min(py, ny - 1));
    const cz = Math.max(0, Math.min(pz, nz - 1));
    const [x, y, z] = [Math.floor(cx), Math.floor(cy), Math.floor(cz)];
    const [fx, fy, fz] = [cx - x, cy - y, cz - z];
    const dx = x + 1 < nx ? 1 : 0;
    const dy = y + 1 < ny ? nx : 0;
    const dz = z + 1 < nz ? nx * ny : 0;
    const o = (z * ny + y) * nx + x;
    const row = (i: number): number => data[i]! * (1 - fx) + data[i + dx]! * fx;
    const plane = (i: number): number => row(i) * (1 - fy) + row(i + dy) * fy;
    return plane(o) * (1 - fz) + plane(o + dz) * fz;
  };
}
