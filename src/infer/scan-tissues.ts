import type { Model } from '../checkpoint/checkpoint.ts';
import { DatasetError } from '../core/errors.ts';
import { type Dataset, type Scan, scanName } from '../dataset/dataset.ts';
import { type LoadedScan, loadStoredScan } from '../dataset/load-scan.ts';
import type { TissueMaps } from '../dataset/tissue-maps.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { takesTissues, type Variant } from '../nn/variants.ts';
import { correctTissues } from '../tissue/correct-tissues.ts';
import { segmentTissues } from '../tissue/segment-tissues.ts';
import { toFloat32, type Voxels } from '../volume/voxels.ts';
import { segment } from './segment.ts';

/** Whose tissue maps a prediction reads: a source's, true for the preferred ones, false for none of the data set's. */
export type TissueChoice = string | boolean;

/** The one image that tells tissues apart: where the others are added, lesions pass for tissue (bench/results). */
const T1 = 'T1w';

/**
 * Whether a network's tissue maps are to be made because the scan has none, or none is wanted. Reads no image.
 * @throws DatasetError where maps of a named source are missing, or where there is no T1w image to make them from.
 */
export function needsTissues(scan: Scan, variant: Variant, choice: TissueChoice): boolean {
  if (!takesTissues(variant)) return false;
  if (typeof choice === 'string') {
    if (scan.tissues.has(choice)) return false;
    throw new DatasetError(
      `${scanName(scan)}: the ${variant} model reads tissue maps; there are none from ${choice}`,
      { hint: 'Leave --tissue out: maps are made then where a scan has none.' },
    );
  }
  if (choice && scan.tissues.size > 0) return false;
  if (scan.modalities.has(T1)) return true;
  throw new DatasetError(
    `${scanName(scan)}: the ${variant} model reads tissue maps; there are none, and no ${T1} image to make them from`,
    { hint: 'Add the T1w image, or give a folder of maps with --tissue.' },
  );
}

/**
 * Makes a scan's tissue maps, as `voxelgrad tissue` and `voxelgrad correct-tissue` would: from the T1 by
 * {@link segmentTissues}; then what the stage-1 net takes for lesions becomes white matter.
 *
 * @param loaded the scan with the channels that the stage-1 net reads, in any order
 * @param stageOne left out: the maps are not corrected
 * @param kernels variants by slot for the stage-1 net
 * @throws DatasetError, GridMismatchError, FileFormatError for a T1 that cannot be used; OutOfMemoryError, GpuError,
 *   DeviceLostError.
 */
export async function makeScanTissues(
  gpu: Gpu,
  dataset: Dataset,
  scan: Scan,
  loaded: LoadedScan<Voxels>,
  stageOne?: Model,
  kernels?: Readonly<Record<string, string>>,
): Promise<TissueMaps> {
  const maps = await segmentTissues(gpu, await withT1(dataset, scan, loaded));
  if (!stageOne) return maps;
  const { modalities } = stageOne.info;
  const channels = modalities.map((name) => loaded.channels.find((channel) => channel.name === name)!);
  const { mask } = await segment(gpu, stageOne, { ...loaded, channels }, { kernels });
  return correctTissues(maps, mask, scanName(scan));
}

/** The scan with its T1 alone, in the brain of its own channels. */
async function withT1(dataset: Dataset, scan: Scan, loaded: LoadedScan<Voxels>): Promise<LoadedScan> {
  const own = loaded.channels.find(({ name }) => name === T1);
  if (own) return { ...loaded, channels: [{ name: T1, data: toFloat32(own.data) }] };
  // With a channel that is known, so that the grids are held against each other.
  const { channels } = await loadStoredScan(dataset, scan, { modalities: [loaded.channels[0]!.name, T1] });
  return { ...loaded, channels: [{ name: T1, data: toFloat32(channels[1]!.data) }] };
}
