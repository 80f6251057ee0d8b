import { DatasetError } from '../core/errors.ts';
import type { AbortSignal } from '../core/globals.ts';
import { setting, worded } from '../core/wording.ts';
import type { Gpu } from '../engine/gpu/gpu.ts';
import { type Dataset, type Scan, scanName } from '../imaging/dataset/dataset.ts';
import { mapsName } from '../imaging/dataset/label-maps.ts';
import { type LoadedScan, loadStoredScan } from '../imaging/dataset/load-scan.ts';
import { type TissueMaps, tissueList } from '../imaging/dataset/tissue-maps.ts';
import { correctTissues } from '../imaging/tissue/correct-tissues.ts';
import { segmentTissues } from '../imaging/tissue/segment-tissues.ts';
import { toFloat32, type Voxels } from '../imaging/volume/voxels.ts';
import type { Model } from '../pipeline/models/model.ts';
import type { MapProvider } from '../pipeline/predict/input-maps.ts';
import { segment } from '../pipeline/predict/segment.ts';
import { lesionsOf, TISSUE_MAPS } from './presets/index.ts';

/** Settings of {@link tissueProvider}. */
export interface TissueProviderOptions {
  /** Whether the stage-1 net sees a scan of another voxel size than its own resampled (default true). */
  readonly resample?: boolean | undefined;
  /** Kernel variants by slot for the stage-1 net (default: the built-in table's). */
  readonly kernels?: Readonly<Record<string, string>> | undefined;
  /** Stops between rounds and tiles; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called after each round of the mixture, and after each tile of the stage-1 net. */
  onProgress?(phase: 'tissues' | 'stage-1', done: number, total: number): void;
}

/** The one image that tells tissues apart: with others beside it, lesions pass for tissue (bench/results). */
const T1 = 'T1w';

/**
 * Makes a scan's tissue maps, as `voxelgrad tissue` and `voxelgrad correct-tissue` would: from the T1 by
 * {@link segmentTissues}; then what the stage-1 net takes for lesions becomes white matter.
 * @param stageOne left out: the maps are not corrected
 */
export function tissueProvider(stageOne?: Model, options: TissueProviderOptions = {}): MapProvider {
  return {
    check(scan, { name, maps }) {
      if (!maps || maps.labels.join() !== TISSUE_MAPS.labels.join())
        throw new DatasetError(
          `${scanName(scan)}: the ${name} model reads ${mapsName(maps?.labels ?? [])}; there are none`,
          { hint: worded`Give a folder of maps with ${setting('maps')}.` },
        );
      if (scan.modalities.has(T1)) return;
      throw new DatasetError(
        `${scanName(scan)}: the ${name} model reads tissue maps; there are none, and no ${T1} image to make them from`,
        { hint: worded`Add the T1w image, or give a folder of maps with ${setting('maps')}.` },
      );
    },
    async make(gpu, dataset, scan, loaded) {
      const made = await makeScanTissues(gpu, dataset, scan, loaded, stageOne, options);
      return {
        list: tissueList(made),
        origin: stageOne ? 'corrected' : 'uncorrected',
        description: stageOne ? 'voxelgrad em, lesions as WM' : 'voxelgrad em',
      };
    },
  };
}

/**
 * The maps themselves.
 * @param loaded the scan with the channels that the stage-1 net reads, in any order
 * @throws DatasetError, GridMismatchError, FileFormatError for a T1 that cannot be used; OutOfMemoryError, GpuError,
 *   DeviceLostError.
 */
async function makeScanTissues(
  gpu: Gpu,
  dataset: Dataset,
  scan: Scan,
  loaded: LoadedScan<Voxels>,
  stageOne: Model | undefined,
  { resample, kernels, signal, onProgress }: TissueProviderOptions,
): Promise<TissueMaps> {
  const stop = signal ? { signal } : {};
  const maps = await segmentTissues(gpu, await withT1(dataset, scan, loaded), {
    ...stop,
    onIteration: (done, total) => onProgress?.('tissues', done, total),
  });
  if (!stageOne) return maps;
  const channels = stageOne.info.task.channels.map(
    (name) => loaded.channels.find((channel) => channel.name === name)!,
  );
  const found = await segment(
    gpu,
    stageOne,
    { ...loaded, channels },
    { ...stop, resample, kernels, onTile: (done, total) => onProgress?.('stage-1', done, total) },
  );
  return correctTissues(maps, lesionsOf(found).mask, scanName(scan));
}

/** The scan with its T1 alone, in the brain of its own channels. */
async function withT1(dataset: Dataset, scan: Scan, loaded: LoadedScan<Voxels>): Promise<LoadedScan> {
  const own = loaded.channels.find(({ name }) => name === T1);
  if (own) return { ...loaded, channels: [{ name: T1, data: toFloat32(own.data) }] };
  // With a channel that is known, so that the grids are held against each other.
  const { channels } = await loadStoredScan(dataset, scan, { modalities: [loaded.channels[0]!.name, T1] });
  return { ...loaded, channels: [{ name: T1, data: toFloat32(channels[1]!.data) }] };
}
