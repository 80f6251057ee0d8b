import type { Triple } from '../../core/shape.ts';
import type { PassInput, PatchKernel } from './augmentation.ts';

/** A matrix along an axis in rows of equal length: row i holds weights of the elements from `first[i]` on. */
export interface AxisFilter {
  readonly taps: number;
  readonly first: readonly number[];
  /** [extent, taps]. */
  readonly weights: Float64Array;
}

const filterAlong = (entry: string, axis: 0 | 1 | 2): PatchKernel => ({
  kernel: { file: 'augment-filter.wgsl', entry },
  // Along y all is read and written in the scratch buffer.
  bindings: axis === 1 ? ['table', 'scratch'] : ['table', 'values', 'scratch'],
  tableFloats: (patch) => patch[axis] * (patch[axis] + 1),
});

/** Filters along x, then y, then z; voxels outside the brain count as 0 and stay 0. */
export const filterKernels: readonly PatchKernel[] = [
  filterAlong('along_x', 2),
  filterAlong('along_y', 1),
  filterAlong('along_z', 0),
];

/** What {@link filterKernels} are given. @param filters along z, y and x */
export function filterPasses([z, y, x]: readonly [AxisFilter, AxisFilter, AxisFilter]): PassInput[] {
  return [x, y, z].map(({ taps, first, weights }) => {
    const rows = first.length;
    const table = new Float32Array(rows * (taps + 1));
    for (let i = 0; i < rows; i++) {
      table[i * (taps + 1)] = first[i]!;
      table.set(weights.subarray(i * taps, (i + 1) * taps), i * (taps + 1) + 1);
    }
    return { params: { taps }, table };
  });
}

/** One filter per axis of a patch. */
export function forEachAxis(
  patch: Triple,
  filter: (extent: number, axis: number) => AxisFilter,
): [AxisFilter, AxisFilter, AxisFilter] {
  return [filter(patch[0], 0), filter(patch[1], 1), filter(patch[2], 2)];
}

/** A matrix [extent, extent] given by rows of places and weights, in the shortest rows that hold it. */
export function filterOfRows(rows: readonly ReadonlyMap<number, number>[]): AxisFilter {
  const lows = rows.map((row) => Math.min(...row.keys()));
  const taps = Math.max(...rows.map((row, i) => Math.max(...row.keys()) - lows[i]! + 1));
  // A row must not reach beyond the axis.
  const first = lows.map((low) => Math.max(0, Math.min(low, rows.length - taps)));
  const weights = new Float64Array(rows.length * taps);
  rows.forEach((row, i) => {
    for (const [at, weight] of row) weights[i * taps + at - first[i]!] = weight;
  });
  return { taps, first, weights };
}

/** Leaves an axis as it is. */
export function noFilter(extent: number): AxisFilter {
  return filterOfRows(Array.from({ length: extent }, (_, i) => new Map([[i, 1]])));
}

/** Normal weights to four standard deviations; beyond the ends the last value goes on (SciPy's `nearest`). */
export function gaussianFilter(extent: number, sigma: number): AxisFilter {
  const radius = Math.floor(4 * sigma + 0.5);
  const weights = Array.from({ length: 2 * radius + 1 }, (_, i) =>
    Math.exp(-0.5 * ((i - radius) / sigma) ** 2),
  );
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return filterOfRows(
    Array.from({ length: extent }, (_, i) => {
      const row = new Map<number, number>();
      weights.forEach((weight, k) => {
        const at = Math.max(0, Math.min(extent - 1, i + k - radius));
        row.set(at, (row.get(at) ?? 0) + weight / sum);
      });
      return row;
    }),
  );
}

/** Fewer samples, and back by linear interpolation. @param down the matrix of the fewer samples, one row each */
function upAgain(extent: number, down: readonly ReadonlyMap<number, number>[]): AxisFilter {
  const samples = down.length;
  return filterOfRows(
    Array.from({ length: extent }, (_, i) => {
      const place = Math.max(0, ((i + 0.5) * samples) / extent - 0.5);
      const low = Math.min(samples - 1, Math.floor(place));
      const share = low + 1 < samples ? place - low : 0;
      const row = new Map<number, number>();
      for (const [sample, part] of [
        [low, 1 - share],
        [low + 1, share],
      ] as const)
        if (part > 0)
          for (const [at, weight] of down[sample]!) row.set(at, (row.get(at) ?? 0) + part * weight);
      return row;
    }),
  );
}

/** Every so many-th voxel (PyTorch's `nearest-exact`), and back by linear interpolation. */
export function decimatingFilter(extent: number, samples: number): AxisFilter {
  const down = Array.from(
    { length: samples },
    (_, j) => new Map([[Math.min(extent - 1, Math.floor(((j + 0.5) * extent) / samples)), 1]]),
  );
  return upAgain(extent, down);
}

/** Means over slices of equal thickness, and back by linear interpolation. */
export function slicingFilter(extent: number, slices: number): AxisFilter {
  const thickness = extent / slices;
  const down = Array.from({ length: slices }, (_, j) => {
    const [from, to] = [j * thickness, (j + 1) * thickness];
    const row = new Map<number, number>();
    for (let at = Math.floor(from); at < Math.min(extent, Math.ceil(to)); at++) {
      const covered = Math.min(to, at + 1) - Math.max(from, at);
      if (covered > 0) row.set(at, covered / thickness);
    }
    return row;
  });
  return upAgain(extent, down);
}

/** Keeps the lowest `kept` frequencies of the axis (DCT-II, so that opposite ends do not meet). */
export function truncatingFilter(extent: number, kept: number): AxisFilter {
  const cosine = (frequency: number, at: number): number =>
    Math.cos((Math.PI * frequency * (at + 0.5)) / extent);
  const waves = Array.from({ length: kept }, (_, k) =>
    Array.from({ length: extent }, (__, at) => cosine(k, at)),
  );
  return filterOfRows(
    Array.from({ length: extent }, (_, i) => {
      const row = new Map<number, number>();
      for (let at = 0; at < extent; at++)
        row.set(
          at,
          waves.reduce((sum, wave, k) => sum + (k === 0 ? 1 : 2) * wave[i]! * wave[at]!, 0) / extent,
        );
      return row;
    }),
  );
}
