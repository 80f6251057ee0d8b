import type { Triple } from '../../core/shape.ts';
import type { LoadedScan } from '../../imaging/dataset/load-scan.ts';
import { coarseHead } from '../../imaging/volume/coarse-head.ts';
import { type Box, fullBox } from '../../imaging/volume/crop.ts';
import { resample } from '../../imaging/volume/resample.ts';
import { toFloat32, type Voxels } from '../../imaging/volume/voxels.ts';
import type { WholeHeadSteps } from '../models/steps.ts';
import { cutScan } from './cut-scan.ts';
import type { Predictor } from './predictor.ts';
import type { PredictOptions } from './sliding-window.ts';

/**
 * Probability maps of a whole head: its images on coarse voxels, standardised over the field of view, through the sliding window, and
 * the maps back by linear interpolation.
 *
 * @param scan its brain mask does not count
 * @returns by head, a map per label on the scan's own grid
 * @throws DatasetError for an image that is one value; OutOfMemoryError, GpuError, DeviceLostError, the signal's reason.
 */
export async function predictHead(
  predictor: Predictor,
  { spacing }: WholeHeadSteps,
  scan: Pick<LoadedScan<Voxels>, 'subject' | 'session' | 'grid' | 'channels'>,
  {
    beforeTiles,
    ...options
  }: Omit<PredictOptions, 'brain' | 'corners'> & { beforeTiles?(shape: Triple): Promise<void> },
): Promise<{ readonly box: Box; readonly maps: ReadonlyMap<string, readonly Float32Array[]> }> {
  const [depth, height, width] = predictor.tile;
  const coarse = scan.channels.map(({ data }) =>
    coarseHead({ grid: scan.grid, data: toFloat32(data) }, spacing, [width, height, depth]),
  );
  const { grid, seen } = coarse[0]!;
  const channels = scan.channels.map(({ name }, c) => ({ name, data: coarse[c]!.data }));
  const cut = cutScan({ ...scan, grid, channels, brain: seen }, null);
  await beforeTiles?.(cut.shape);
  const found = await predictor.predict(cut, options);
  const back = (map: Float32Array): Float32Array => resample({ grid, data: map }, scan.grid).data;
  return {
    box: fullBox(scan.grid),
    maps: new Map([...found].map(([name, maps]) => [name, maps.map(back)])),
  };
}
