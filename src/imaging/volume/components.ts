import { findRuns } from './runs.ts';

/** Which voxels touch: 6 = by a face, 18 = by an edge, 26 = by a corner. */
export type Connectivity = 6 | 18 | 26;

/** Connected components of a mask. */
export interface Components {
  /** Label of each voxel: 0 outside the mask, 1..count inside, in order of each component's first voxel. */
  readonly labels: Int32Array;
  /** Number of components. */
  readonly count: number;
  /** Voxels of each component; `sizes[0]` belongs to label 1. */
  readonly sizes: readonly number[];
}

/** Voxel offsets [dx, dy, dz] of the neighbours of a connectivity. */
function neighbours(connectivity: Connectivity): [number, number, number][] {
  const reach = connectivity === 6 ? 1 : connectivity === 18 ? 2 : 3;
  const out: [number, number, number][] = [];
  for (let z = -1; z <= 1; z++)
    for (let y = -1; y <= 1; y++)
      for (let x = -1; x <= 1; x++) {
        const steps = Math.abs(x) + Math.abs(y) + Math.abs(z);
        if (steps > 0 && steps <= reach) out.push([x, y, z]);
      }
  return out;
}

/**
 * Labels the connected components of a mask (non-zero = inside) by flood fill. Same labels as
 * `scipy.ndimage.label` gives for the same memory order.
 * @param shape [nx, ny, nz], x fastest in memory.
 */
export function labelComponents(
  mask: ArrayLike<number>,
  shape: readonly [number, number, number],
  connectivity: Connectivity = 26,
): Components {
  const [nx, ny, nz] = shape;
  const labels = new Int32Array(nx * ny * nz);
  const offsets = neighbours(connectivity);
  const sizes: number[] = [];
  let queue = new Int32Array(1024);
  for (let seed = 0; seed < labels.length; seed++) {
    if (!mask[seed] || labels[seed] !== 0) continue;
    const label = sizes.length + 1;
    labels[seed] = label;
    queue[0] = seed;
    let length = 1;
    for (let head = 0; head < length; head++) {
      const i = queue[head]!;
      const x = i % nx;
      const y = Math.floor(i / nx) % ny;
      const z = Math.floor(i / (nx * ny));
      for (const [dx, dy, dz] of offsets) {
        const px = x + dx;
        const py = y + dy;
        const pz = z + dz;
        if (px < 0 || py < 0 || pz < 0 || px >= nx || py >= ny || pz >= nz) continue;
        const j = (pz * ny + py) * nx + px;
        if (!mask[j] || labels[j] !== 0) continue;
        labels[j] = label;
        if (length === queue.length) {
          const larger = new Int32Array(queue.length * 2);
          larger.set(queue);
          queue = larger;
        }
        queue[length++] = j;
      }
    }
    sizes.push(length);
  }
  return { labels, count: sizes.length, sizes };
}

/** The mask's largest component alone (the first of equals); an empty mask stays empty. */
export function largestComponent(
  mask: Uint8Array,
  shape: readonly [number, number, number],
  connectivity: Connectivity = 6,
): Uint8Array {
  const { starts, ends, components } = findRuns(mask, shape, connectivity, true);
  const sizes = new Int32Array(starts.length);
  components.forEach((component, run) => {
    sizes[component]! += ends[run]! - starts[run]!;
  });
  const largest = sizes.reduce((best, size, component) => (size > sizes[best]! ? component : best), 0);
  const out = new Uint8Array(mask.length);
  components.forEach((component, run) => {
    if (component === largest) out.fill(1, starts[run], ends[run]);
  });
  return out;
}

/** The mask with its holes closed: outside voxels that no face-connected path joins to the volume's border. */
export function fillHoles(mask: Uint8Array, shape: readonly [number, number, number]): Uint8Array {
  const [nx, ny, nz] = shape;
  const { starts, ends, components } = findRuns(mask, shape, 6, false);
  const open = new Uint8Array(starts.length);
  components.forEach((component, run) => {
    const row = Math.floor(starts[run]! / nx);
    const [y, z] = [row % ny, Math.floor(row / ny)];
    const atEnd = starts[run]! === row * nx || ends[run]! === (row + 1) * nx;
    if (atEnd || y === 0 || z === 0 || y === ny - 1 || z === nz - 1) open[component] = 1;
  });
  const out = new Uint8Array(mask.length).fill(1);
  components.forEach((component, run) => {
    if (open[component] === 1) out.fill(0, starts[run], ends[run]);
  });
  return out;
}
