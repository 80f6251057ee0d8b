import { mat4 } from 'gl-matrix';
import { type Grid, toWorld } from '../volume/volume.ts';

/** How many numbers a transform is described by: 6 turn and shift, 12 stretch and shear as well. */
export type DegreesOfFreedom = 6 | 12;

/** Half the width of a head in mm: a parameter that moves no point by itself moves one at this distance by 1 mm per unit. */
const RADIUS = 80;

/**
 * The world-to-world matrix of a vector of parameters, column-major: translation in mm (x, y, z), then a rotation vector, then the
 * logarithms of the scales and the shears (xy, xz, yz), all but the translation times 80 mm, so that a unit of each moves a point of a head by about 1 mm.
 * The rotation and the stretch leave `centre` where the translation brings it.
 * @param parameters 6 or 12 numbers
 * @param centre in mm, RAS+
 */
export function poseMatrix(parameters: ArrayLike<number>, centre: readonly number[]): Float64Array {
  const at = (i: number): number => parameters[i] ?? 0;
  const [rx, ry, rz] = [at(3) / RADIUS, at(4) / RADIUS, at(5) / RADIUS];
  const angle = Math.hypot(rx, ry, rz);
  const rotation = new Float64Array(16);
  mat4.identity(rotation);
  if (angle > 0) mat4.fromRotation(rotation, angle, [rx, ry, rz]);
  const stretch = Float64Array.of(
    ...[Math.exp(at(6) / RADIUS), 0, 0, 0],
    ...[at(9) / RADIUS, Math.exp(at(7) / RADIUS), 0, 0],
    ...[at(10) / RADIUS, at(11) / RADIUS, Math.exp(at(8) / RADIUS), 0],
    ...[0, 0, 0, 1],
  );
  const out = new Float64Array(16);
  mat4.multiply(out, rotation, stretch);
  for (let row = 0; row < 3; row++) {
    const turned = out[row]! * centre[0]! + out[4 + row]! * centre[1]! + out[8 + row]! * centre[2]!;
    out[12 + row] = centre[row]! + at(row) - turned;
  }
  return out;
}

/** Centre of a grid's field of view in mm, RAS+. */
export function gridCentre(grid: Grid): [number, number, number] {
  return toWorld(grid, grid.shape.map((n) => (n - 1) / 2) as [number, number, number]);
}
