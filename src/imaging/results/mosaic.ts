import { encode } from 'fast-png';
import { nearestVoxel, type Rgb, type SliceView, sliceView } from '../report/figures.ts';
import { boundingBox } from '../volume/crop.ts';
import { canonicalOrder } from '../volume/orientation.ts';
import type { Grid } from '../volume/volume.ts';

/** What a mosaic shows of a scan. Functions take the place of a voxel in the grid's memory. */
export interface MosaicScan {
  readonly grid: Grid;
  /** Not 0 inside. */
  readonly brain: Uint8Array;
  intensity(voxel: number): number;
  /** 0 for nothing, else a label's number from 1. */
  label(voxel: number): number;
}

/** Contours of labels, in turns: lightness tells them apart from grey and from one another. */
export const CONTOUR_COLORS: readonly Rgb[] = [
  [255, 214, 10],
  [64, 196, 255],
  [255, 105, 140],
  [130, 230, 120],
  [200, 160, 255],
  [255, 160, 60],
];

const SLICES = 8;
/** Pixels of the longer side of a slice at most. */
const SIDE = 140;
const GREYS = 48;

/**
 * A scan at a glance: eight axial slices from the feet up, evenly spread over the brain but its ends, with the contours of labels, the
 * patient's right on the left. A small PNG with a palette, since a page of a cohort holds hundreds.
 * @param below further images on the same grid, each in a row of its own with the slices of the first
 */
export function mosaicPng(scan: MosaicScan, ...below: readonly MosaicScan[]): Uint8Array {
  const views = slicesOf(scan);
  const width = views.reduce((sum, view) => sum + view.width + 1, -1);
  const rowHeight = Math.max(...views.map((view) => view.height)) + 1;
  const height = rowHeight * (1 + below.length) - 1;
  const data = new Uint8Array(width * height);
  for (const [row, shown] of [scan, ...below].entries()) {
    const [black, white] = greyWindow(shown);
    let left = 0;
    for (const view of views) {
      const top = row * rowHeight + Math.floor((rowHeight - 1 - view.height) / 2);
      const labels = new Uint8Array(view.width * view.height);
      for (let y = 0; y < view.height; y++)
        for (let x = 0; x < view.width; x++) {
          const voxel = nearestVoxel(view, x, y);
          labels[y * view.width + x] = shown.label(voxel);
          const grey = Math.round(((shown.intensity(voxel) - black) / (white - black)) * (GREYS - 1));
          data[(top + y) * width + left + x] = Math.min(GREYS - 1, Math.max(0, grey));
        }
      for (let y = 0; y < view.height; y++)
        for (let x = 0; x < view.width; x++) {
          const own = labels[y * view.width + x]!;
          if (own !== 0 && isRim(labels, view, x, y))
            data[(top + y) * width + left + x] = GREYS + ((own - 1) % CONTOUR_COLORS.length);
        }
      left += view.width + 1;
    }
  }
  const greys = Array.from({ length: GREYS }, (_, i) => {
    const level = Math.round((i * 255) / (GREYS - 1));
    return [level, level, level] as [number, number, number];
  });
  const colors = CONTOUR_COLORS.map(([r, g, b]) => [r, g, b] as [number, number, number]);
  return encode({ width, height, channels: 1, depth: 8, data, palette: [...greys, ...colors] });
}

/** Whether a pixel of a label has a neighbour that is not of it. */
function isRim(labels: Uint8Array, { width, height }: SliceView, x: number, y: number): boolean {
  const own = labels[y * width + x];
  return (
    x === 0 ||
    y === 0 ||
    x === width - 1 ||
    y === height - 1 ||
    labels[y * width + x - 1] !== own ||
    labels[y * width + x + 1] !== own ||
    labels[(y - 1) * width + x] !== own ||
    labels[(y + 1) * width + x] !== own
  );
}

function slicesOf({ grid, brain }: MosaicScan): SliceView[] {
  const { axes, flips } = canonicalOrder(grid);
  const up = axes[2];
  const { start, shape } = boundingBox(brain, grid.shape) ?? { start: [0, 0, 0], shape: grid.shape };
  const slices = Array.from({ length: SLICES }, (_, k) => {
    const share = 0.12 + (0.8 * k) / (SLICES - 1);
    return start[up] + Math.floor((flips[2] ? 1 - share : share) * shape[up]);
  });
  return [...new Set(slices)].map((slice) =>
    shrunk(sliceView(grid, 'axial', slice, { crop: brain, size: 1 })),
  );
}

/** A view of at most so many pixels. */
function shrunk(view: SliceView): SliceView {
  const step = Math.max(1, Math.max(view.width, view.height) / SIDE);
  const every = (coordinates: Readonly<Float64Array>): Float64Array =>
    Float64Array.from(
      { length: Math.floor(coordinates.length / step) },
      (_, i) => coordinates[Math.floor((i + 0.5) * step)]!,
    );
  const [columns, rows] = [every(view.columns), every(view.rows)];
  return { ...view, columns, rows, width: columns.length, height: rows.length };
}

/** Intensities shown black and white: percentiles of some brain voxels. */
function greyWindow({ brain, intensity }: MosaicScan): readonly [number, number] {
  const step = Math.max(1, Math.floor(brain.length / 200_000));
  const values: number[] = [];
  for (let i = 0; i < brain.length; i += step) if (brain[i] !== 0) values.push(intensity(i));
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  if (sorted.length === 0) return [0, 1];
  const [low, high] = [0.005, 0.997].map((share) => sorted[Math.round(share * (sorted.length - 1))]!);
  return high! > low! ? [low!, high!] : [low!, low! + 1];
}
