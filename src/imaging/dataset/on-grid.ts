import { GridMismatchError } from '../../core/errors.ts';
import { orderBetween, reorient } from '../volume/orientation.ts';
import { describeGrid, type Grid, sameGrid, type Volume } from '../volume/volume.ts';

/** @throws GridMismatchError if the grids differ. */
export function requireGrid(grid: Grid, path: string, first: Grid, firstPath: string, scan: string): void {
  if (sameGrid(grid, first)) return;
  throw new GridMismatchError(
    `${scan}: ${path} is ${describeGrid(grid)}, but ${firstPath} is ${describeGrid(first)}`,
    { hint: 'Register and resample all images of a scan to one grid first.' },
  );
}

/** A map's voxels in the scan's order. @throws GridMismatchError if no swap or flip of axes makes the grids agree. */
export function toGrid(
  volume: Volume,
  path: string,
  grid: Grid,
  firstPath: string,
  scan: string,
): Float32Array {
  if (sameGrid(volume.grid, grid)) return volume.data;
  const order = orderBetween(volume.grid, grid);
  if (order) return reorient(volume, order).data;
  throw new GridMismatchError(
    `${scan}: tissue map ${path} is ${describeGrid(volume.grid)}, but ${firstPath} is ${describeGrid(grid)}, ` +
      'and no swap or flip of axes makes them agree',
    { hint: 'Make the maps from the registered T1, or resample them to its grid.' },
  );
}
