import type { Random } from '../../core/random.ts';

/** A corner or a point in millimetres. */
export type Point = readonly [number, number, number];

/**
 * Band-limited noise with zero mean and unit variance: a sum of plane waves in random directions whose
 * wavelengths (mm) lie within `spread` of `wavelength`. Its zero set is a labyrinth of evenly spaced
 * sheets, which is what cortical folds look like.
 */
export class WaveNoise {
  readonly #waves: Float64Array;
  readonly #amplitude: number;

  constructor(random: Random, wavelength: number, count = 20, spread = 0.2) {
    this.#waves = new Float64Array(4 * count);
    this.#amplitude = Math.sqrt(2 / count);
    for (let i = 0; i < count; i++) {
      const cosine = random.uniform(-1, 1);
      const sine = Math.sqrt(1 - cosine * cosine);
      const azimuth = random.uniform(0, 2 * Math.PI);
      const k = (2 * Math.PI) / (wavelength * random.uniform(1 - spread, 1 + spread));
      this.#waves.set(
        [
          k * sine * Math.cos(azimuth),
          k * sine * Math.sin(azimuth),
          k * cosine,
          random.uniform(0, 2 * Math.PI),
        ],
        4 * i,
      );
    }
  }

  at(x: number, y: number, z: number): number {
    const w = this.#waves;
    let sum = 0;
    for (let i = 0; i < w.length; i += 4) {
      sum += Math.cos(w[i]! * x + w[i + 1]! * y + w[i + 2]! * z + w[i + 3]!);
    }
    return this.#amplitude * sum;
  }
}

/**
 * Values on a regular lattice over a box (mm), interpolated trilinearly; a point outside takes the value
 * of the nearest border point. Noise and distances that are smooth at the lattice's step are computed
 * here once, so that the cost of a voxel does not depend on the cost of a field.
 */
export class Lattice {
  readonly extent: readonly [number, number, number];
  readonly channels: number;
  readonly min: Point;
  readonly step: number;
  readonly data: Float32Array;

  constructor(min: Point, max: Point, step: number, channels = 1) {
    const points = (axis: 0 | 1 | 2): number => Math.ceil((max[axis] - min[axis]) / step) + 1;
    this.extent = [points(0), points(1), points(2)];
    this.channels = channels;
    this.min = min;
    this.step = step;
    this.data = new Float32Array(this.extent[0] * this.extent[1] * this.extent[2] * channels);
  }

  /** Sets every lattice point; `value` receives the point's position (mm) and its index. */
  fill(channel: number, value: (x: number, y: number, z: number, index: number) => number): this {
    const [nx, ny, nz] = this.extent;
    let index = 0;
    for (let k = 0; k < nz; k++) {
      for (let j = 0; j < ny; j++) {
        for (let i = 0; i < nx; i++, index++) {
          const x = this.min[0] + i * this.step;
          const y = this.min[1] + j * this.step;
          const z = this.min[2] + k * this.step;
          this.data[index * this.channels + channel] = value(x, y, z, index);
        }
      }
    }
    return this;
  }

  /** Interpolates all channels at a position into `out`. */
  sample(x: number, y: number, z: number, out: Float64Array): void {
    const [nx, ny, nz] = this.extent;
    const u = Math.min(Math.max((x - this.min[0]) / this.step, 0), nx - 1.0001);
    const v = Math.min(Math.max((y - this.min[1]) / this.step, 0), ny - 1.0001);
    const w = Math.min(Math.max((z - this.min[2]) / this.step, 0), nz - 1.0001);
    const i = Math.floor(u);
    const j = Math.floor(v);
    const k = Math.floor(w);
    const fx = u - i;
    const fy = v - j;
    const fz = w - k;
    const channels = this.channels;
    const dy = nx * channels;
    const dz = nx * ny * channels;
    const data = this.data;
    let at = ((k * ny + j) * nx + i) * channels;
    for (let c = 0; c < channels; c++, at++) {
      const a = data[at]! + fx * (data[at + channels]! - data[at]!);
      const b = data[at + dy]! + fx * (data[at + dy + channels]! - data[at + dy]!);
      const d = data[at + dz]! + fx * (data[at + dz + channels]! - data[at + dz]!);
      const e = data[at + dz + dy]! + fx * (data[at + dz + dy + channels]! - data[at + dz + dy]!);
      const near = a + fy * (b - a);
      out[c] = near + fz * (d + fy * (e - d) - near);
    }
  }

  /** The gradient of one channel at a lattice point by central differences (one-sided at the border). */
  gradient(channel: number, index: number, out: Float64Array): void {
    const [nx, ny, nz] = this.extent;
    const i = index % nx;
    const j = Math.floor(index / nx) % ny;
    const k = Math.floor(index / (nx * ny));
    const strides = [1, nx, nx * ny] as const;
    const at = [i, j, k] as const;
    const last = [nx - 1, ny - 1, nz - 1] as const;
    for (let axis = 0; axis < 3; axis++) {
      const back = at[axis]! > 0 ? strides[axis]! : 0;
      const ahead = at[axis]! < last[axis]! ? strides[axis]! : 0;
      const rise =
        this.data[(index + ahead) * this.channels + channel]! -
        this.data[(index - back) * this.channels + channel]!;
      out[axis] = rise / (this.step * ((back + ahead) / strides[axis]!));
    }
  }
}

/** White normal deviates on a lattice: value noise whose blobs are about `step` mm wide. */
export function valueNoise(random: Random, min: Point, max: Point, step: number, channels = 1): Lattice {
  const lattice = new Lattice(min, max, step, channels);
  for (let i = 0; i < lattice.data.length; i++) lattice.data[i] = random.normal();
  return lattice;
}
