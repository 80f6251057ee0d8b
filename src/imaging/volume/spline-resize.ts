import { sizeOf, type Triple } from '../../core/shape.ts';

/** 0: the nearest value, 1: linear interpolation, 3: a cubic B-spline through the values. */
export type Order = 0 | 1 | 3;

/** Samples beyond each border that a spline goes on over: SciPy's `_prepad_for_spline_filter`. */
const PAD = 12;
/** The pole of the cubic B-spline's inverse filter. */
const POLE = Math.sqrt(3) - 2;

/**
 * Samples a volume at another number of voxels over the same field of view, as scikit-image's `resize` does with
 * `mode='edge', anti_aliasing=False`, on SciPy's `ndimage.zoom` with `grid_mode`: voxel centres at i + 1/2, the values of
 * the border going on beyond it. A spline does not go beyond the values that there are. With `separate`, slices across
 * that axis are sampled on their own, each within its own values, and then the axis, with an order of its own: nnU-Net's
 * `resample_data_or_seg`. In float64, axis after axis.
 *
 * @param data values [z, y, x], x fastest
 * @param from extents [z, y, x]
 * @param to extents of the result
 */
export function splineResize(
  data: Float32Array,
  from: Triple,
  to: Triple,
  order: Order,
  separate?: { readonly axis: number; readonly order: Order },
): Float32Array {
  if (from.every((extent, axis) => extent === to[axis])) return data.slice();
  const shape: [number, number, number] = [...from];
  let values: Float32Array | Float64Array = data;
  const along = (axis: 0 | 1 | 2, how: Order): void => {
    if (to[axis] === shape[axis]) return;
    values = sampleAxis(values, shape, axis, to[axis], how);
    shape[axis] = to[axis];
  };
  for (const axis of [0, 1, 2] as const) if (axis !== separate?.axis) along(axis, order);
  if (order === 3) clip(values, shape, data, from, separate?.axis);
  if (separate) along(separate.axis as 0 | 1 | 2, separate.order);
  return Float32Array.from(values);
}

/** Along one axis of [z, y, x]. */
function sampleAxis(
  data: Float32Array | Float64Array,
  shape: Triple,
  axis: 0 | 1 | 2,
  count: number,
  order: Order,
): Float64Array {
  const stride = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  const extent = shape[axis];
  const out = new Float64Array(outer * count * stride);
  const taps = tapsOf(extent, count, order);
  const line = new Float64Array(extent + (order === 3 ? 2 * PAD : 0));
  for (let o = 0; o < outer; o++)
    for (let s = 0; s < stride; s++) {
      const start = o * extent * stride + s;
      fillLine(line, data, start, stride, extent, order);
      for (let i = 0, at = o * count * stride + s; i < count; i++, at += stride) {
        let sum = 0;
        for (let k = 0; k < taps.width; k++)
          sum += taps.weights[i * taps.width + k]! * line[taps.first[i]! + k]!;
        out[at] = sum;
      }
    }
  return out;
}

/** A line's values, or the coefficients of the spline through them. */
function fillLine(
  line: Float64Array,
  data: Float32Array | Float64Array,
  start: number,
  stride: number,
  extent: number,
  order: Order,
): void {
  const pad = order === 3 ? PAD : 0;
  for (let i = 0; i < extent; i++) line[pad + i] = data[start + i * stride]!;
  if (order !== 3) return;
  line.fill(line[pad]!, 0, pad);
  line.fill(line[pad + extent - 1]!, pad + extent);
  splineCoefficients(line);
}

/**
 * The coefficients of the cubic B-spline through values, in place, with half-sample symmetric borders: SciPy's
 * `spline_filter1d` in mode `reflect` (Unser 1999).
 */
function splineCoefficients(c: Float64Array): void {
  const n = c.length;
  for (let i = 0; i < n; i++) c[i]! *= (1 - POLE) * (1 - 1 / POLE);
  const zn = POLE ** n;
  const first = c[0]!;
  let sum = first + zn * c[n - 1]!;
  let zi = POLE;
  for (let i = 1; i < n; i++) {
    sum += zi * (c[i]! + zn * c[n - 1 - i]!);
    zi *= POLE;
  }
  c[0] = (sum * POLE) / (1 - zn * zn) + first;
  for (let i = 1; i < n; i++) c[i]! += POLE * c[i - 1]!;
  c[n - 1]! *= POLE / (POLE - 1);
  for (let i = n - 2; i >= 0; i--) c[i] = POLE * (c[i + 1]! - c[i]!);
}

/** For each new place the first sample of a line that counts, and the weights of it and those behind it. */
interface Taps {
  readonly width: number;
  readonly first: Int32Array;
  readonly weights: Float64Array;
}

function tapsOf(extent: number, count: number, order: Order): Taps {
  const width = order === 3 ? 4 : order === 1 && extent > 1 ? 2 : 1;
  const first = new Int32Array(count);
  const weights = new Float64Array(count * width);
  const scale = extent / count;
  for (let i = 0; i < count; i++) {
    const centre = scale * (i + 0.5) - 0.5;
    if (order === 3) {
      const below = Math.floor(centre);
      first[i] = below - 1 + PAD;
      weights.set(cubic(centre - below), i * width);
      continue;
    }
    const inside = Math.min(extent - 1, Math.max(0, centre));
    if (width === 1) {
      first[i] = Math.floor(inside + 0.5);
      weights[i] = 1;
      continue;
    }
    const below = Math.min(extent - 2, Math.floor(inside));
    first[i] = below;
    weights.set([1 - (inside - below), inside - below], i * width);
  }
  return { width, first, weights };
}

/** Weights of four neighbours, `t` of the way from the second to the third. */
function cubic(t: number): [number, number, number, number] {
  const u = 1 - t;
  return [u ** 3 / 6, (t * t * (t - 2) * 3 + 4) / 6, (u * u * (u - 2) * 3 + 4) / 6, t ** 3 / 6];
}

/** Holds values within those that they were made of: of the whole volume, or slice by slice across an axis. */
function clip(
  values: Float32Array | Float64Array,
  shape: Triple,
  source: Float32Array,
  from: Triple,
  axis: number | undefined,
): void {
  const slices = axis === undefined ? 1 : from[axis]!;
  const low = new Float64Array(slices).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array(slices).fill(Number.NEGATIVE_INFINITY);
  const sliceOf = (extents: Triple): ((i: number) => number) => {
    if (axis === undefined) return () => 0;
    const stride = sizeOf(extents.slice(axis + 1));
    return (i) => Math.floor(i / stride) % extents[axis]!;
  };
  const before = sliceOf(from);
  for (let i = 0; i < source.length; i++) {
    const slice = before(i);
    if (source[i]! < low[slice]!) low[slice] = source[i]!;
    if (source[i]! > high[slice]!) high[slice] = source[i]!;
  }
  const after = sliceOf(shape);
  for (let i = 0; i < values.length; i++) {
    const slice = after(i);
    values[i] = Math.min(high[slice]!, Math.max(low[slice]!, values[i]!));
  }
}
