import { axisAlignedGrid, type Grid } from '../../imaging/volume/volume.ts';

/** Centre and extent (mm) of the box that holds any subject's brain, in model coordinates. */
const CENTRE = [0, -17, 6] as const;
const EXTENT = [152, 194, 162] as const;

/**
 * How a grid lies in model space, where anatomy is defined at a grown-up brain's true size. A field of view
 * smaller than a brain shrinks the brain to fit; a larger one leaves it at true size, centred.
 */
export interface Frame {
  /** Model position (mm) of voxel (0, 0, 0). */
  readonly origin: readonly [number, number, number];
  /** Model millimetres from one voxel to the next along each axis. */
  readonly step: readonly [number, number, number];
  /** Edge (model mm) of a cube of a voxel's volume. */
  readonly voxel: number;
  /** World millimetres per model millimetre, at most 1. */
  readonly scale: number;
}

/** The grid (axis-aligned, RAS+, world origin near the anterior commissure) and its frame. */
export function placeGrid(
  shape: readonly [number, number, number],
  spacing: readonly [number, number, number],
): { grid: Grid; frame: Frame } {
  const axes = [0, 1, 2] as const;
  const fit = axes.map((axis) => (shape[axis] * spacing[axis]) / EXTENT[axis]);
  const scale = Math.min(1, ...fit);
  const step = axes.map((axis) => spacing[axis] / scale) as [number, number, number];
  const origin = axes.map((axis) => CENTRE[axis] - (step[axis] * (shape[axis] - 1)) / 2) as [
    number,
    number,
    number,
  ];
  const world = origin.map((v) => v * scale) as [number, number, number];
  return {
    grid: axisAlignedGrid(shape, spacing, world),
    frame: { origin, step, voxel: Math.cbrt(step[0] * step[1] * step[2]), scale },
  };
}
