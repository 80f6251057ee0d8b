import type { Grid } from '../volume/volume.ts';
import {
  busiestSlice,
  displayWindow,
  type Plane,
  paintGray,
  type RgbaImage,
  type SliceView,
  sliceView,
} from './figures.ts';

/** An image in one plane. */
export interface PaintedSlice {
  readonly view: SliceView;
  readonly gray: RgbaImage;
  /** `Axial, z = 12 mm`. */
  readonly where: string;
}

/** An image in the three planes, each where it holds most of a mask, cut to the brain. */
export function paintedSlices(
  image: Float32Array,
  brain: Uint8Array,
  mask: Uint8Array,
  grid: Grid,
): PaintedSlice[] {
  const window = displayWindow(image, brain);
  const planes: readonly (readonly [Plane, string, string])[] = [
    ['axial', 'Axial', 'z'],
    ['coronal', 'Coronal', 'y'],
    ['sagittal', 'Sagittal', 'x'],
  ];
  return planes.map(([plane, name, axis]) => {
    const view = sliceView(grid, plane, busiestSlice(mask, grid, plane), { crop: brain });
    const where = `${name}, ${axis} = ${Math.round(view.position).toString().replace('-', '−')} mm`;
    return { view, gray: paintGray(view, image, window), where };
  });
}
