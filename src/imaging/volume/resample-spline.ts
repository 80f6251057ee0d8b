import { mat4 } from 'gl-matrix';
import { type Grid, gridFromAffine, type Volume, voxelCount, worldToVoxel } from './volume.ts';

/** The pole of the cubic B-spline's inverse filter. */
const POLE = Math.sqrt(3) - 2;
/** Samples after which a power of the pole is below float64's precision. */
const HORIZON = 30;

/**
 * The grid of an image that a transform moves: `resample(image on movedGrid, fixed grid)` gives the image as the fixed one sees it.
 * @param transform from the fixed image's world to this one's, mm, RAS+, column-major
 */
export function movedGrid(grid: Grid, transform: Readonly<Float64Array>): Grid {
  const affine = new Float64Array(16);
  mat4.invert(affine, transform as Float64Array);
  mat4.multiply(affine, affine, grid.affine as Float64Array);
  return gridFromAffine(grid.shape, affine);
}

/**
 * Samples an image on another grid by a cubic B-spline through its values (Unser 1999), mirrored at the border: SciPy's
 * `map_coordinates(order=3, mode='mirror')`. It keeps detail that linear interpolation blurs. Results are held within the image's own
 * values, since a spline rings at edges. Up to half a voxel outside the outermost centres the spline goes on; beyond it is `outside`.
 */
export function resampleSpline(volume: Volume<Float32Array | Uint8Array>, grid: Grid, outside = 0): Volume {
  const [sx, sy, sz] = volume.grid.shape;
  const c = coefficients(volume);
  let [lowest, highest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const v of volume.data) {
    if (v < lowest) lowest = v;
    if (v > highest) highest = v;
  }
  const map = new Float64Array(16);
  mat4.multiply(map, worldToVoxel(volume.grid), grid.affine as Float64Array);
  const [nx, ny, nz] = grid.shape;
  const data = new Float32Array(voxelCount(grid));
  const [wx, wy, wz] = [new Float64Array(4), new Float64Array(4), new Float64Array(4)];
  const [ix, iy, iz] = [new Int32Array(4), new Int32Array(4), new Int32Array(4)];
  let to = 0;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, to++) {
        const px = map[0]! * x + map[4]! * y + map[8]! * z + map[12]!;
        const py = map[1]! * x + map[5]! * y + map[9]! * z + map[13]!;
        const pz = map[2]! * x + map[6]! * y + map[10]! * z + map[14]!;
        if (!(px >= -0.5 && py >= -0.5 && pz >= -0.5 && px <= sx - 0.5 && py <= sy - 0.5 && pz <= sz - 0.5)) {
          data[to] = outside;
          continue;
        }
        taps(px, sx, wx, ix);
        taps(py, sy, wy, iy);
        taps(pz, sz, wz, iz);
        let sum = 0;
        for (let k = 0; k < 4; k++) {
          let plane = 0;
          for (let j = 0; j < 4; j++) {
            const row = (iz[k]! * sy + iy[j]!) * sx;
            plane +=
              wy[j]! *
              (wx[0]! * c[row + ix[0]!]! +
                wx[1]! * c[row + ix[1]!]! +
                wx[2]! * c[row + ix[2]!]! +
                wx[3]! * c[row + ix[3]!]!);
          }
          sum += wz[k]! * plane;
        }
        data[to] = Math.min(highest, Math.max(lowest, sum));
      }
  return { grid, data };
}

/** Places and weights of the four coefficients that make the spline at a position. */
function taps(position: number, extent: number, weights: Float64Array, places: Int32Array): void {
  const below = Math.floor(position);
  const t = position - below;
  const u = 1 - t;
  weights[0] = u ** 3 / 6;
  weights[1] = (t * t * (t - 2) * 3 + 4) / 6;
  weights[2] = (u * u * (u - 2) * 3 + 4) / 6;
  weights[3] = t ** 3 / 6;
  for (let k = 0; k < 4; k++) places[k] = mirrored(below - 1 + k, extent);
}

function mirrored(i: number, extent: number): number {
  if (extent === 1) return 0;
  const period = 2 * extent - 2;
  const at = ((i % period) + period) % period;
  return at < extent ? at : period - at;
}

/** The coefficients of the spline, axis after axis. */
function coefficients({ grid, data }: Volume<Float32Array | Uint8Array>): Float32Array {
  const out = Float32Array.from(data);
  const { shape } = grid;
  const strides = [1, shape[0], shape[0] * shape[1]] as const;
  for (const axis of [0, 1, 2] as const) {
    const [extent, stride] = [shape[axis], strides[axis]];
    if (extent === 1) continue;
    const line = new Float64Array(extent);
    for (let outer = 0; outer < out.length; outer += extent * stride)
      for (let inner = 0; inner < stride; inner++) {
        const first = outer + inner;
        for (let i = 0; i < extent; i++) line[i] = 6 * out[first + i * stride]!;
        filter(line);
        for (let i = 0; i < extent; i++) out[first + i * stride] = line[i]!;
      }
  }
  return out;
}

/** The inverse filter of the cubic B-spline on a mirrored line, in place. */
function filter(c: Float64Array): void {
  const n = c.length;
  let start = 0;
  for (let i = 0, power = 1; i < HORIZON; i++, power *= POLE) start += power * c[mirrored(i, n)]!;
  c[0] = start;
  for (let i = 1; i < n; i++) c[i]! += POLE * c[i - 1]!;
  c[n - 1] = (POLE / (POLE * POLE - 1)) * (c[n - 1]! + POLE * c[n - 2]!);
  for (let i = n - 2; i >= 0; i--) c[i] = POLE * (c[i + 1]! - c[i]!);
}
