import type { Random } from '../../core/random.ts';
import type { Grid } from '../volume/volume.ts';
import { SmoothField } from './fields.ts';

/** For each voxel of a deformed brain the index of the voxel of the label map that it shows, -1 beyond its border. */
export type Deformation = Int32Array;

/**
 * Draws a deformation: mirrored left to right or not, turned by up to 12°, each axis scaled by 0.9 to 1.12, sheared a
 * little, and bent smoothly by about 2 mm.
 */
export function drawDeformation(random: Random, { shape, spacing }: Grid): Deformation {
  const [nx, ny, nz] = shape;
  const flip = random.integer(2) === 1 ? -1 : 1;
  const turn = [0, 1, 2].map(() => (random.uniform(-12, 12) * Math.PI) / 180);
  const scale = [0, 1, 2].map(() => 1 / random.uniform(0.9, 1.12));
  const shear = [0, 1, 2].map(() => random.uniform(-0.05, 0.05));
  const [a, b, c] = turn.map((angle) => ({ cos: Math.cos(angle), sin: Math.sin(angle) }));
  // R = Rz Ry Rx, then scales and shears, all in mm about the centre.
  const rotation = [
    [c!.cos * b!.cos, c!.cos * b!.sin * a!.sin - c!.sin * a!.cos, c!.cos * b!.sin * a!.cos + c!.sin * a!.sin],
    [c!.sin * b!.cos, c!.sin * b!.sin * a!.sin + c!.cos * a!.cos, c!.sin * b!.sin * a!.cos - c!.cos * a!.sin],
    [-b!.sin, b!.cos * a!.sin, b!.cos * a!.cos],
  ] as const;
  const matrix = rotation.map((row, r) =>
    row.map(
      (v, col) => ((v + (col === (r + 1) % 3 ? shear[r]! : 0)) * scale[r]! * spacing[col]!) / spacing[r]!,
    ),
  );
  if (flip < 0) matrix[0] = matrix[0]!.map((v) => -v);
  const strength = random.uniform(0.5, 3.5);
  const bends = [0, 1, 2].map(() => ({
    coarse: new SmoothField(random, shape, 30),
    fine: new SmoothField(random, shape, 14),
  }));
  const out = new Int32Array(nx * ny * nz);
  const centre = [(nx - 1) / 2, (ny - 1) / 2, (nz - 1) / 2] as const;
  const m = Float64Array.from(matrix.flat());
  let i = 0;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, i++) {
        const u = x - centre[0];
        const v = y - centre[1];
        const w = z - centre[2];
        const sx = m[0]! * u + m[1]! * v + m[2]! * w + centre[0];
        const sy = m[3]! * u + m[4]! * v + m[5]! * w + centre[1];
        const sz = m[6]! * u + m[7]! * v + m[8]! * w + centre[2];
        const px = Math.round(
          sx + strength * (bends[0]!.coarse.at(x, y, z) + 0.3 * bends[0]!.fine.at(x, y, z)),
        );
        const py = Math.round(
          sy + strength * (bends[1]!.coarse.at(x, y, z) + 0.3 * bends[1]!.fine.at(x, y, z)),
        );
        const pz = Math.round(
          sz + strength * (bends[2]!.coarse.at(x, y, z) + 0.3 * bends[2]!.fine.at(x, y, z)),
        );
        out[i] =
          px < 0 || py < 0 || pz < 0 || px >= nx || py >= ny || pz >= nz ? -1 : (pz * ny + py) * nx + px;
      }
  return out;
}
