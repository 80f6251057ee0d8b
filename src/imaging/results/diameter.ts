import type { Grid } from '../volume/volume.ts';

/** A voxel index, or a step between two. */
type Index = readonly [number, number, number];

/**
 * The longest diameter of a set of voxels in mm: the largest distance between two centres of voxel faces, which are the
 * vertices of the surface mesh. This is IBSI's and PyRadiomics' maximum 3D diameter: n voxels of 1 mm in a row measure
 * n mm. Exact, on any affine.
 *
 * Only vertices of the convex hull can be its ends, so all voxels but the hulls' of planes along z, then y, then x are
 * passed over.
 * @param voxels places in the grid's memory; at least one
 */
export function longestDiameter(voxels: ArrayLike<number>, grid: Grid): number {
  const [nx, ny] = grid.shape;
  let ends: Index[] = Array.from(
    voxels,
    (i): Index => [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))],
  );
  for (const axis of [2, 1, 0]) ends = planeHulls(ends, axis);
  const columns = [0, 1, 2].map(
    (a): Index => [grid.affine[4 * a]!, grid.affine[4 * a + 1]!, grid.affine[4 * a + 2]!],
  );
  const places = ends.map((index) => combine(columns, index));
  const offsets = faceDifferences(columns);
  // No two face centres are farther apart than their voxels' centres and this.
  const slack = Math.max(...offsets.map((offset) => Math.hypot(...offset)));
  let longest = 0;
  for (let a = 0; a < places.length; a++)
    for (let b = a; b < places.length; b++) {
      const [p, q] = [places[a]!, places[b]!];
      const [x, y, z] = [q[0] - p[0], q[1] - p[1], q[2] - p[2]];
      const reach = longest - slack;
      if (reach > 0 && x * x + y * y + z * z < reach * reach) continue;
      for (const [dx, dy, dz] of offsets) longest = Math.max(longest, Math.hypot(x + dx, y + dy, z + dz));
    }
  return longest;
}

/** The convex hulls' vertices of the points in each plane across an axis. */
function planeHulls(points: readonly Index[], axis: number): Index[] {
  const planes = new Map<number, Index[]>();
  for (const point of points) {
    const plane = planes.get(point[axis]!);
    if (plane) plane.push(point);
    else planes.set(point[axis]!, [point]);
  }
  const [u, v] = [0, 1, 2].filter((a) => a !== axis) as [number, number];
  return [...planes.values()].flatMap((plane) => hull(plane, u, v));
}

/** Vertices of a plane's convex hull, by Andrew's monotone chain. */
function hull(points: Index[], u: number, v: number): Index[] {
  if (points.length < 3) return points;
  const sorted = points.sort((p, q) => p[u]! - q[u]! || p[v]! - q[v]!);
  const chain = (order: readonly Index[]): Index[] => {
    const kept: Index[] = [];
    for (const point of order) {
      while (kept.length > 1 && turn(kept.at(-2)!, kept.at(-1)!, point, u, v) <= 0) kept.pop();
      kept.push(point);
    }
    return kept.slice(0, -1);
  };
  const lower = chain(sorted);
  return [...lower, ...chain(sorted.toReversed())];
}

/** Above 0 where the way from `a` over `b` to `c` turns left. */
function turn(a: Index, b: Index, c: Index, u: number, v: number): number {
  return (b[u]! - a[u]!) * (c[v]! - a[v]!) - (b[v]! - a[v]!) * (c[u]! - a[u]!);
}

/** What two face centres add to the difference of their voxels' centres, in mm. */
function faceDifferences(columns: readonly Index[]): Index[] {
  const faces = [0, 1, 2].flatMap((axis) =>
    [-0.5, 0.5].map((half) => [0, 1, 2].map((a) => (a === axis ? half : 0)) as unknown as Index),
  );
  return faces.flatMap((to) =>
    faces.map((from) => combine(columns, [to[0] - from[0], to[1] - from[1], to[2] - from[2]])),
  );
}

function combine(columns: readonly Index[], [x, y, z]: Index): Index {
  return [0, 1, 2].map(
    (w) => columns[0]![w]! * x + columns[1]![w]! * y + columns[2]![w]! * z,
  ) as unknown as Index;
}
