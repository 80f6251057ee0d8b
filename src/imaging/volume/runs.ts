import type { Connectivity } from './components.ts';

/**
 * Connected components as runs of voxels along x: what a label for every voxel would cost is not spent. Runs are in
 * memory's order; a component is known by its first run.
 */
export interface RunComponents {
  /** First voxel of each run, and the one after its last. */
  readonly starts: Int32Array;
  readonly ends: Int32Array;
  /** The first run of each run's component. */
  readonly components: Int32Array;
}

/**
 * Finds the components of a mask's voxels that are not 0, or, where `inside` is false, of those that are.
 * @param shape [nx, ny, nz], x fastest in memory
 */
export function findRuns(
  mask: Uint8Array,
  shape: readonly [number, number, number],
  connectivity: Connectivity,
  inside: boolean,
): RunComponents {
  const [nx, ny, nz] = shape;
  const rows = ny * nz;
  const is = (i: number): boolean => (mask[i] !== 0) === inside;
  const firsts = new Int32Array(rows + 1);
  for (let row = 0, count = 0; row < rows; row++) {
    for (let i = row * nx; i < (row + 1) * nx; i++) if (is(i) && (i === row * nx || !is(i - 1))) count++;
    firsts[row + 1] = count;
  }
  const starts = new Int32Array(firsts[rows]!);
  const ends = new Int32Array(firsts[rows]!);
  for (let row = 0, run = -1; row < rows; row++)
    for (let i = row * nx; i < (row + 1) * nx; i++) {
      if (!is(i)) continue;
      if (i === row * nx || !is(i - 1)) starts[++run] = i;
      ends[run] = i + 1;
    }
  const components = starts.map((_, run) => run);
  const reach = { 6: 1, 18: 2, 26: 3 }[connectivity];
  const before = (
    [
      [-1, 0],
      [-1, -1],
      [0, -1],
      [1, -1],
    ] as const
  ).filter(([dy, dz]) => Math.abs(dy) + Math.abs(dz) <= reach);
  for (let row = 0; row < rows; row++)
    for (const [dy, dz] of before) {
      const [y, z] = [(row % ny) + dy, Math.floor(row / ny) + dz];
      if (y < 0 || y >= ny || z < 0) continue;
      const other = z * ny + y;
      // Diagonally in x, too, where the connectivity reaches that far.
      const slack = Math.abs(dy) + Math.abs(dz) < reach ? 1 : 0;
      const shift = (row - other) * nx;
      let a = firsts[row]!;
      let b = firsts[other]!;
      while (a < firsts[row + 1]! && b < firsts[other + 1]!) {
        const end = ends[b]! + shift;
        if (starts[a]! < end + slack && starts[b]! + shift < ends[a]! + slack) join(components, a, b);
        if (ends[a]! < end) a++;
        else b++;
      }
    }
  for (let run = 0; run < components.length; run++) components[run] = rootOf(components, run);
  return { starts, ends, components };
}

function rootOf(parents: Int32Array, run: number): number {
  let at = run;
  while (parents[at] !== at) {
    parents[at] = parents[parents[at]!]!;
    at = parents[at]!;
  }
  return at;
}

/** Joins two runs' components; the earlier first run stands for both. */
function join(parents: Int32Array, a: number, b: number): void {
  const [p, q] = [rootOf(parents, a), rootOf(parents, b)];
  parents[Math.max(p, q)] = Math.min(p, q);
}
