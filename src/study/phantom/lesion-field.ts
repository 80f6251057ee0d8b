import type { Random } from '../../core/random.ts';
import type { Grid } from '../../imaging/volume/volume.ts';
import type { AnatomyMaps } from './anatomy.ts';
import type { Frame } from './frame.ts';
import { ellipsoid } from './geometry.ts';
import type { Lesion } from './lesions.ts';
import { type Lattice, valueNoise } from './noise.ts';

/** The value of {@link LesionField.inside} far from any lesion. */
export const FAR = -99;

/** How far a lesion looks away from its own place in the border noise, at most (mm, per axis). */
export const BORDER_OFFSET = 30;

/** The roughness of lesion borders: two octaves of noise, 5 and 2.5 mm, made once for a subject. */
export class BorderNoise {
  readonly #coarse: Lattice;
  readonly #fine: Lattice;
  readonly #value: Float64Array = new Float64Array(1);

  constructor(random: Random) {
    const low = [-80 - BORDER_OFFSET, -115 - BORDER_OFFSET, -75 - BORDER_OFFSET] as const;
    const high = [80 + BORDER_OFFSET, 85 + BORDER_OFFSET, 90 + BORDER_OFFSET] as const;
    this.#coarse = valueNoise(random.fork('coarse'), low, high, 5);
    this.#fine = valueNoise(random.fork('fine'), low, high, 2.5);
  }

  at(x: number, y: number, z: number): number {
    this.#coarse.sample(x, y, z, this.#value);
    const coarse = this.#value[0]!;
    this.#fine.sample(x, y, z, this.#value);
    return coarse + 0.5 * this.#value[0]!;
  }
}

/** Lesions on a grid: how deep a voxel lies in a lesion, and in which one. */
export class LesionField {
  /** Approximate distance (model mm) to the border of the nearest lesion, positive inside, {@link FAR} far away. */
  readonly inside: Float32Array;
  /** Identifier (1, 2, …) of the lesion that claims the voxel, 0 where there is none near. */
  readonly owner: Uint16Array;
  readonly #maps: AnatomyMaps;
  readonly #grid: Grid;
  readonly #frame: Frame;
  readonly #border: BorderNoise;

  constructor(maps: AnatomyMaps, grid: Grid, frame: Frame, border: BorderNoise) {
    this.#maps = maps;
    this.#grid = grid;
    this.#frame = frame;
    this.inside = new Float32Array(maps.brain.length).fill(FAR);
    this.owner = new Uint16Array(maps.brain.length);
    this.#border = border;
  }

  /** Adds a lesion where there is white matter. Returns how many voxels became lesion by it. */
  stamp(lesion: Lesion, id: number): number {
    const { centre, axes, radii, offset } = lesion;
    const [nx, ny, nz] = this.#grid.shape;
    const { origin, step, voxel } = this.#frame;
    const shortest = radii[0];
    const rough = Math.min(0.45 * shortest, 2.5);
    const margin = 2 * rough + 4 + 0.5 * voxel;
    const bounds = [0, 1, 2].map((axis) => {
      const reach = margin + Math.hypot(...axes.map((unit, i) => unit[axis]! * radii[i]!));
      const last = [nx, ny, nz][axis]! - 1;
      return [
        Math.max(0, Math.ceil((centre[axis]! - reach - origin[axis]!) / step[axis]!)),
        Math.min(last, Math.floor((centre[axis]! + reach - origin[axis]!) / step[axis]!)),
      ] as const;
    });
    const [xs, ys, zs] = bounds as [
      readonly [number, number],
      readonly [number, number],
      readonly [number, number],
    ];
    const [u, v, w] = axes;
    let gained = 0;
    for (let k = zs[0]; k <= zs[1]; k++) {
      for (let j = ys[0]; j <= ys[1]; j++) {
        for (let i = xs[0]; i <= xs[1]; i++) {
          const index = (k * ny + j) * nx + i;
          if (this.#maps.brain[index] === 0) continue;
          const x = origin[0] + i * step[0] - centre[0];
          const y = origin[1] + j * step[1] - centre[1];
          const z = origin[2] + k * step[2] - centre[2];
          const smooth = -ellipsoid(
            x * u[0] + y * u[1] + z * u[2],
            x * v[0] + y * v[1] + z * v[2],
            x * w[0] + y * w[1] + z * w[2],
            radii[0],
            radii[1],
            radii[2],
          );
          if (smooth < -margin) continue;
          const px = x + centre[0] + offset[0];
          const py = y + centre[1] + offset[1];
          const pz = z + centre[2] + offset[2];
          let inside = smooth + rough * this.#border.at(px, py, pz);
          // Grey matter and fluid stop a lesion; the border follows the partial volume.
          inside = Math.min(inside, 1.5 * voxel * (this.#maps.white[index]! - 0.42));
          const before = this.inside[index]!;
          if (inside <= before) continue;
          if (before <= 0 && inside > 0) gained++;
          this.inside[index] = inside;
          this.owner[index] = id;
        }
      }
    }
    return gained;
  }
}
