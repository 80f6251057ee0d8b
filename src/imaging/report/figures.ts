import { encode } from 'fast-png';
import { ShapeError } from '../../core/errors.ts';
import { requireMask } from '../evaluate/lesions.ts';
import { boundingBox } from '../volume/crop.ts';
import type { Axis } from '../volume/orientation.ts';
import { canonicalOrder } from '../volume/orientation.ts';
import type { Grid } from '../volume/volume.ts';
import { toWorld } from '../volume/volume.ts';

/** A picture, 8 bits a channel, rows from the top: `data[(y * width + x) * 4 + channel]`. */
export interface RgbaImage {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

/** Which plane of the body a slice lies in. */
export type Plane = 'axial' | 'coronal' | 'sagittal';

/** A colour, 0 to 255 each. */
export type Rgb = readonly [number, number, number];

/**
 * The colours of the paper's Fig. 10. Told apart by lightness too, for readers who do not see red from green:
 * missed is darkest, found is lightest.
 */
export const OVERLAY_COLORS: { readonly missed: Rgb; readonly extra: Rgb; readonly found: Rgb } = {
  missed: [214, 40, 57],
  extra: [52, 199, 89],
  found: [255, 224, 46],
};

/** Colours of the tissue maps. */
export const TISSUE_COLORS: { readonly gm: Rgb; readonly wm: Rgb; readonly csf: Rgb } = {
  gm: [240, 146, 52],
  wm: [64, 192, 172],
  csf: [74, 122, 240],
};

/** Probabilities of grey matter, white matter and cerebrospinal fluid, one a voxel. */
export interface TissueMaps {
  readonly gm: Float32Array;
  readonly wm: Float32Array;
  readonly csf: Float32Array;
}

/**
 * One slice of a grid as seen by a radiologist: the patient's right is at the picture's left, the front at the top
 * (axial) or left (sagittal), the head up. Pixels are square in mm whatever the voxels are. Layers painted on one
 * view fall on the same pixels.
 */
export interface SliceView {
  readonly grid: Grid;
  readonly plane: Plane;
  /** Index along the voxel axis nearest to the plane's normal. */
  readonly slice: number;
  /** RAS+ coordinate of the slice's centre along the plane's normal, in mm. */
  readonly position: number;
  readonly width: number;
  readonly height: number;
  /** Voxel coordinates along the picture's columns and rows: one a pixel column, one a pixel row; not whole numbers. */
  readonly columns: Readonly<Float64Array>;
  readonly rows: Readonly<Float64Array>;
  /** Strides in memory of a column, a row and a slice, in voxels. */
  readonly strides: readonly [number, number, number];
}

/** RAS+ axes of a plane: [along picture columns, along picture rows, normal]. */
const PLANE_AXES: Readonly<Record<Plane, readonly [number, number, number]>> = {
  axial: [0, 1, 2],
  coronal: [0, 2, 1],
  sagittal: [1, 2, 0],
};

/** Of an overlay's inside; its rim is opaque. */
const FILL_OPACITY = 0.6;

/** What {@link sliceView} shows of a slice, and how large. */
export interface SliceViewOptions {
  /** Shows only the bounding box of this mask (say, the brain) with a margin of 5 mm; an empty one shows all. */
  readonly crop?: Uint8Array;
  /** Wanted length in pixels of the longer side; voxels are enlarged by a whole number, never reduced. 360. */
  readonly size?: number;
}

/** Lays out the view of one slice. @throws ShapeError where there is no such slice, or the mask does not fit. */
export function sliceView(
  grid: Grid,
  plane: Plane,
  slice: number,
  options: SliceViewOptions = {},
): SliceView {
  const order = canonicalOrder(grid);
  const [columnWorld, rowWorld, normalWorld] = PLANE_AXES[plane];
  const [columnAxis, rowAxis, normalAxis] = axesOf(grid, plane);
  if (!Number.isInteger(slice) || slice < 0 || slice >= grid.shape[normalAxis]) {
    throw new ShapeError(
      'sliceView',
      `no such ${plane} slice`,
      `slice ${slice} of ${grid.shape[normalAxis]}`,
    );
  }
  if (options.crop) requireMask('sliceView, crop', options.crop, grid);
  const margin = Math.round(5 / Math.min(...grid.spacing));
  const box = options.crop && boundingBox(options.crop, grid.shape, margin);
  const start = box?.start ?? [0, 0, 0];
  const shape = box?.shape ?? grid.shape;
  const finest = Math.min(grid.spacing[columnAxis], grid.spacing[rowAxis]);
  const longest = Math.max(
    shape[columnAxis] * grid.spacing[columnAxis],
    shape[rowAxis] * grid.spacing[rowAxis],
  );
  const pixel = finest / Math.max(1, Math.round(((options.size ?? 360) * finest) / longest));
  // Columns and rows run against RAS+: to the patient's left, back and feet.
  const along = (axis: Axis, world: number): Float64Array => {
    const n = shape[axis];
    const pixels = Math.max(1, Math.round((n * grid.spacing[axis]) / pixel));
    const reversed = !order.flips[world];
    return Float64Array.from({ length: pixels }, (_, i) => {
      const voxel = ((i + 0.5) * n) / pixels - 0.5;
      return start[axis]! + (reversed ? n - 1 - voxel : voxel);
    });
  };
  const columns = along(columnAxis, columnWorld);
  const rows = along(rowAxis, rowWorld);
  const stride = [1, grid.shape[0], grid.shape[0] * grid.shape[1]] as const;
  const centre = grid.shape.map((n, a) => (a === normalAxis ? slice : (n - 1) / 2)) as [
    number,
    number,
    number,
  ];
  return {
    grid,
    plane,
    slice,
    position: toWorld(grid, centre)[normalWorld]!,
    width: columns.length,
    height: rows.length,
    columns,
    rows,
    strides: [stride[columnAxis], stride[rowAxis], stride[normalAxis]],
  };
}

/** The slice of a plane that holds most of the mask (of equals the one nearest the middle); the middle if none. */
export function busiestSlice(mask: Uint8Array, grid: Grid, plane: Plane): number {
  requireMask('busiestSlice', mask, grid);
  const normal = axesOf(grid, plane)[2];
  const stride = [1, grid.shape[0], grid.shape[0] * grid.shape[1]][normal]!;
  const n = grid.shape[normal];
  const counts = new Uint32Array(n);
  for (let i = 0; i < mask.length; i++) if (mask[i]! !== 0) counts[Math.floor(i / stride) % n]!++;
  const middle = Math.floor(n / 2);
  let best = middle;
  for (let i = 0; i < n; i++) {
    const nearer = Math.abs(i - middle) < Math.abs(best - middle);
    if (counts[i]! > counts[best]! || (counts[i] === counts[best] && nearer)) best = i;
  }
  return best;
}

/** Intensities shown black and white: percentiles (0 to 100) of the finite values, inside the mask where given. */
export function displayWindow(
  data: Float32Array,
  mask?: Uint8Array,
  low = 0.5,
  high = 99.7,
): readonly [number, number] {
  const values = data.filter((v, i) => Number.isFinite(v) && (!mask || mask[i]! !== 0)).sort();
  if (values.length === 0) return [0, 1];
  const at = (percent: number): number => values[Math.round((percent / 100) * (values.length - 1))]!;
  const [black, white] = [at(low), at(high)];
  return white > black ? [black, white] : [black, black + 1];
}

/** Paints intensities in grey, bilinear between voxel centres; opaque. */
export function paintGray(
  view: SliceView,
  data: Float32Array,
  [black, white]: readonly [number, number],
): RgbaImage {
  requireMask('paintGray', data, view.grid);
  const image = blank(view.width, view.height);
  const sample = bilinear(view, data);
  for (let y = 0, at = 0; y < view.height; y++)
    for (let x = 0; x < view.width; x++, at += 4) {
      const grey = ((sample(x, y) - black) / (white - black)) * 255;
      image.data.fill(grey, at, at + 3);
    }
  return image;
}

/**
 * Paints a prediction against the truth on a picture of the same view, as the paper's Fig. 10: truth alone red,
 * prediction alone green, both yellow; a translucent fill with an opaque rim, so that the tissue stays visible.
 */
export function paintOverlay(
  view: SliceView,
  image: RgbaImage,
  truth: Uint8Array,
  prediction: Uint8Array,
): RgbaImage {
  requireMask('paintOverlay, truth', truth, view.grid);
  requireMask('paintOverlay, prediction', prediction, view.grid);
  const { width, height } = view;
  const classes = new Uint8Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const voxel = nearestVoxel(view, x, y);
      classes[y * width + x] = (truth[voxel]! !== 0 ? 1 : 0) + (prediction[voxel]! !== 0 ? 2 : 0);
    }
  const colors = [undefined, OVERLAY_COLORS.missed, OVERLAY_COLORS.extra, OVERLAY_COLORS.found];
  const out = copy(image);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const here = classes[y * width + x]!;
      const color = colors[here];
      if (!color) continue;
      const differs = (dx: number, dy: number): boolean =>
        x + dx < 0 ||
        y + dy < 0 ||
        x + dx >= width ||
        y + dy >= height ||
        classes[(y + dy) * width + x + dx] !== here;
      const rim = differs(-1, 0) || differs(1, 0) || differs(0, -1) || differs(0, 1);
      blend(out, (y * width + x) * 4, color, rim ? 1 : FILL_OPACITY);
    }
  return out;
}

/** Paints tissue probabilities over a picture of the same view, each in its colour, as opaque as it is probable. */
export function paintTissues(
  view: SliceView,
  image: RgbaImage,
  tissues: TissueMaps,
  opacity = 0.75,
): RgbaImage {
  const out = copy(image);
  for (const tissue of ['gm', 'wm', 'csf'] as const)
    requireMask(`paintTissues, ${tissue}`, tissues[tissue], view.grid);
  for (let y = 0, at = 0; y < view.height; y++)
    for (let x = 0; x < view.width; x++, at += 4) {
      const voxel = nearestVoxel(view, x, y);
      const shares = [tissues.gm[voxel]!, tissues.wm[voxel]!, tissues.csf[voxel]!];
      const total = shares.reduce((sum, p) => sum + p, 0);
      if (!(total > 0)) continue;
      const mixed = [0, 1, 2].map(
        (c) =>
          (shares[0]! * TISSUE_COLORS.gm[c]! +
            shares[1]! * TISSUE_COLORS.wm[c]! +
            shares[2]! * TISSUE_COLORS.csf[c]!) /
          total,
      ) as [number, number, number];
      blend(out, at, mixed, opacity * Math.min(1, total));
    }
  return out;
}

/** Pictures side by side, one row of the argument a row; each cell as large as the largest, pictures centred. */
export function montage(
  rows: readonly (readonly RgbaImage[])[],
  gap = 4,
  background: Rgb = [0, 0, 0],
): RgbaImage {
  const all = rows.flat();
  const cellWidth = Math.max(0, ...all.map((image) => image.width));
  const cellHeight = Math.max(0, ...all.map((image) => image.height));
  const columns = Math.max(0, ...rows.map((row) => row.length));
  if (cellWidth === 0 || cellHeight === 0) {
    throw new ShapeError('montage', 'needs a picture', `${all.length} pictures`);
  }
  const width = columns * (cellWidth + gap) - gap;
  const out = blank(width, rows.length * (cellHeight + gap) - gap, background);
  rows.forEach((row, r) => {
    row.forEach((image, c) => {
      const left = c * (cellWidth + gap) + Math.floor((cellWidth - image.width) / 2);
      const top = r * (cellHeight + gap) + Math.floor((cellHeight - image.height) / 2);
      for (let y = 0; y < image.height; y++) {
        const from = y * image.width * 4;
        out.data.set(image.data.subarray(from, from + image.width * 4), ((top + y) * width + left) * 4);
      }
    });
  });
  return out;
}

/** The bytes of a PNG file; without an alpha channel where every pixel is opaque. */
export function encodePng(image: RgbaImage): Uint8Array {
  const { width, height, data } = image;
  const pixels = width * height;
  let opaque = true;
  for (let i = 0; i < pixels && opaque; i++) opaque = data[i * 4 + 3] === 255;
  if (!opaque) return encode({ width, height, channels: 4, depth: 8, data });
  const rgb = new Uint8Array(pixels * 3);
  for (let i = 0; i < pixels; i++) rgb.set(data.subarray(i * 4, i * 4 + 3), i * 3);
  return encode({ width, height, channels: 3, depth: 8, data: rgb });
}

/** A picture as a `data:` URI that an HTML page can hold. */
export function pngDataUri(image: RgbaImage): string {
  let binary = '';
  for (const byte of encodePng(image)) binary += String.fromCharCode(byte);
  return `data:image/png;base64,${btoa(binary)}`;
}

/** Voxel axes nearest to a plane's columns, rows and normal. */
function axesOf(grid: Grid, plane: Plane): readonly [Axis, Axis, Axis] {
  const { axes } = canonicalOrder(grid);
  const [column, row, normal] = PLANE_AXES[plane];
  return [axes[column]!, axes[row]!, axes[normal]!];
}

/** The voxel nearest a pixel of a view. */
export function nearestVoxel(view: SliceView, x: number, y: number): number {
  const [column, row, slice] = view.strides;
  return Math.round(view.columns[x]!) * column + Math.round(view.rows[y]!) * row + view.slice * slice;
}

function bilinear(view: SliceView, data: Float32Array): (x: number, y: number) => number {
  const [columnStride, rowStride, sliceStride] = view.strides;
  const neighbours = (coordinates: Readonly<Float64Array>): { low: number; high: number; t: number }[] => {
    const first = Math.round(Math.min(...coordinates));
    const last = Math.round(Math.max(...coordinates));
    return [...coordinates].map((c) => {
      const low = Math.min(Math.max(Math.floor(c), first), last);
      return { low, high: Math.min(low + 1, last), t: Math.min(Math.max(c - low, 0), 1) };
    });
  };
  const columns = neighbours(view.columns);
  const rows = neighbours(view.rows);
  const base = view.slice * sliceStride;
  const value = (column: number, row: number): number =>
    data[base + column * columnStride + row * rowStride]!;
  return (x, y) => {
    const c = columns[x]!;
    const r = rows[y]!;
    const top = value(c.low, r.low) * (1 - c.t) + value(c.high, r.low) * c.t;
    const bottom = value(c.low, r.high) * (1 - c.t) + value(c.high, r.high) * c.t;
    return top * (1 - r.t) + bottom * r.t;
  };
}

function blank(width: number, height: number, [r, g, b]: Rgb = [0, 0, 0]): RgbaImage {
  const data = new Uint8ClampedArray(width * height * 4);
  for (let at = 0; at < data.length; at += 4) data.set([r, g, b, 255], at);
  return { width, height, data };
}

function copy(image: RgbaImage): RgbaImage {
  return { ...image, data: image.data.slice() };
}

function blend(image: RgbaImage, at: number, color: Rgb, opacity: number): void {
  for (let c = 0; c < 3; c++) image.data[at + c] = image.data[at + c]! * (1 - opacity) + color[c]! * opacity;
}
