import { mosaicPng } from '../../imaging/results/mosaic.ts';
import { boundingBox } from '../../imaging/volume/crop.ts';
import type { Volume } from '../../imaging/volume/volume.ts';

/** What a picture shows of the head around the brain, in mm. */
const MARGIN = 20;
/** A PNG of a head with the contour of the brain; the T1w on the FLAIR's grid in a row below. */
export function brainPicture(flair: Volume, brain: Uint8Array, t1w?: Volume): Uint8Array {
  const { grid } = flair;
  const voxels = Math.round(MARGIN / Math.max(...grid.spacing));
  const box = boundingBox(brain, grid.shape, voxels);
  const [nx, ny] = grid.shape;
  const around = new Uint8Array(brain.length);
  if (box)
    for (let z = 0; z < box.shape[2]; z++)
      for (let y = 0; y < box.shape[1]; y++) {
        const from = ((z + box.start[2]) * ny + y + box.start[1]) * nx + box.start[0];
        around.fill(1, from, from + box.shape[0]);
      }
  else around.fill(1);
  const rows = [flair, ...(t1w ? [t1w] : [])].map(({ data }) => ({
    ...{ grid, brain: around },
    intensity: (voxel: number) => data[voxel]!,
    label: (voxel: number) => brain[voxel]!,
  }));
  return mosaicPng(rows[0]!, ...rows.slice(1));
}
