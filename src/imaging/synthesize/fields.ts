import type { Random } from '../../core/random.ts';

type Shape = readonly [number, number, number];

/** Calls with the index of every voxel of a cube of the given reach around one, within the image. */
export function eachInBox(
  [nx, ny, nz]: Shape,
  index: number,
  reach: number,
  visit: (i: number) => void,
): void {
  const x = index % nx;
  const y = Math.floor(index / nx) % ny;
  const z = Math.floor(index / (nx * ny));
  for (let k = Math.max(0, z - reach); k <= Math.min(nz - 1, z + reach); k++)
    for (let j = Math.max(0, y - reach); j <= Math.min(ny - 1, y + reach); j++)
      for (let i = Math.max(0, x - reach); i <= Math.min(nx - 1, x + reach); i++)
        visit((k * ny + j) * nx + i);
}

/**
 * Distance from the nearest voxel of a mask, in voxels, 0 within: by a chamfer of two passes with steps 1, √2 and √3
 * (Borgefors 1986), at most 12 % too long.
 */
export function chamferDistance(mask: Uint8Array, shape: Shape): Float32Array {
  const [nx, ny, nz] = shape;
  const out = new Float32Array(mask.length);
  for (let i = 0; i < mask.length; i++) out[i] = mask[i] ? 0 : 1e6;
  const before: { dx: number; dy: number; dz: number; by: number; length: number }[] = [];
  for (let dz = -1; dz <= 0; dz++)
    for (let dy = -1; dy <= 1; dy++)
      for (let dx = -1; dx <= 1; dx++) {
        const by = (dz * ny + dy) * nx + dx;
        if (by < 0 && (dz < 0 || dy < 0 || (dy === 0 && dx < 0)))
          before.push({ dx, dy, dz, by, length: Math.hypot(dx, dy, dz) });
      }
  for (const sign of [1, -1] as const) {
    for (let t = 0; t < out.length; t++) {
      const i = sign > 0 ? t : out.length - 1 - t;
      if (out[i] === 0) continue;
      const x = i % nx;
      const y = Math.floor(i / nx) % ny;
      const z = Math.floor(i / (nx * ny));
      let best = out[i]!;
      for (const { dx, dy, dz, by, length } of before) {
        const px = x + sign * dx;
        const py = y + sign * dy;
        const pz = z + sign * dz;
        if (px < 0 || py < 0 || pz < 0 || px >= nx || py >= ny || pz >= nz) continue;
        const there = out[i + sign * by]! + length;
        if (there < best) best = there;
      }
      out[i] = best;
    }
  }
  return out;
}

/** Gaussian filter in place of the input, deviation in voxels; what lies beyond the border is its nearest voxel. */
export function gaussian(data: Float32Array, shape: Shape, deviation: number): Float32Array {
  const reach = Math.ceil(3 * deviation);
  if (reach === 0) return data;
  const weights = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * deviation ** 2)),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  return filterAxes(
    data,
    shape,
    weights.map((w) => w / sum),
    [0, 1, 2],
  );
}

/** Mean over as many voxels along an axis, odd, as a thick slice measures it. */
export function boxMean(data: Float32Array, shape: Shape, axis: 0 | 1 | 2, width: number): Float32Array {
  // The fraction of a width that is not whole counts at both ends.
  const reach = Math.ceil((width - 1) / 2);
  const weights = Float64Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.max(0, Math.min(1, width / 2 - Math.abs(i - reach) + 0.5)),
  );
  const sum = weights.reduce((a, b) => a + b, 0);
  return filterAxes(
    data,
    shape,
    weights.map((w) => w / sum),
    [axis],
  );
}

function filterAxes(
  data: Float32Array,
  shape: Shape,
  weights: Float64Array,
  axes: readonly (0 | 1 | 2)[],
): Float32Array {
  const reach = (weights.length - 1) / 2;
  const strides = [1, shape[0], shape[0] * shape[1]] as const;
  const line = new Float64Array(Math.max(...shape) + 2 * reach);
  for (const axis of axes) {
    const count = shape[axis];
    const stride = strides[axis];
    const [a, b] = axis === 0 ? [1, 2] : axis === 1 ? [0, 2] : [0, 1];
    for (let v = 0; v < shape[b as 1]; v++)
      for (let u = 0; u < shape[a as 1]; u++) {
        const first = u * strides[a as 1] + v * strides[b as 1];
        for (let i = 0; i < count; i++) line[reach + i] = data[first + i * stride]!;
        line.fill(line[reach]!, 0, reach);
        line.fill(line[reach + count - 1]!, reach + count, count + 2 * reach);
        for (let i = 0; i < count; i++) {
          let sum = 0;
          for (let k = 0; k < weights.length; k++) sum += weights[k]! * line[i + k]!;
          data[first + i * stride] = sum;
        }
      }
  }
  return data;
}

/**
 * A smooth random field: normal deviates on a lattice, linear between its points, by channel.
 * Its deviation is near 1 at the points and less between them.
 */
export class SmoothField {
  readonly #extent: Shape;
  readonly #data: Float32Array;
  readonly #step: number;

  /** @param step from one point of the lattice to the next, in voxels. */
  constructor(random: Random, shape: Shape, step: number) {
    this.#extent = shape.map((n) => Math.ceil(n / step) + 2) as unknown as Shape;
    this.#step = step;
    this.#data = new Float32Array(this.#extent[0] * this.#extent[1] * this.#extent[2]);
    // One shift for all points would not average out: the lattice itself starts at the border.
    for (let i = 0; i < this.#data.length; i++) this.#data[i] = random.normal();
  }

  /** The field at a voxel. */
  at(x: number, y: number, z: number): number {
    const [ex, ey] = this.#extent;
    const u = x / this.#step;
    const v = y / this.#step;
    const w = z / this.#step;
    const i = Math.floor(u);
    const j = Math.floor(v);
    const k = Math.floor(w);
    const fx = u - i;
    const fy = v - j;
    const fz = w - k;
    const d = this.#data;
    const o = (k * ey + j) * ex + i;
    const p = o + ex * ey;
    const a = d[o]! + fx * (d[o + 1]! - d[o]!);
    const b = d[o + ex]! + fx * (d[o + ex + 1]! - d[o + ex]!);
    const c = d[p]! + fx * (d[p + 1]! - d[p]!);
    const e = d[p + ex]! + fx * (d[p + ex + 1]! - d[p + ex]!);
    const near = a + fy * (b - a);
    return near + fz * (c + fy * (e - c) - near);
  }
}
