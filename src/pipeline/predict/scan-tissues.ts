import { DatasetError } from '../../core/errors.ts';
import type { AbortSignal } from '../../core/globals.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Model } from '../../engine/checkpoint/checkpoint.ts';
import type { ModelInfo } from '../../engine/checkpoint/model-info.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { TISSUES, takesTissues, type Variant } from '../../engine/nn/variants.ts';
import { type Dataset, type Scan, scanName } from '../../imaging/dataset/dataset.ts';
import {
  type LoadedScan,
  type LoadScanOptions,
  loadStoredScan,
  withInputMaps,
} from '../../imaging/dataset/load-scan.ts';
import { type TissueMaps, tissueList } from '../../imaging/dataset/tissue-maps.ts';
import { correctTissues } from '../../imaging/tissue/correct-tissues.ts';
import { segmentTissues } from '../../imaging/tissue/segment-tissues.ts';
import { toFloat32, type Voxels } from '../../imaging/volume/voxels.ts';
import { segment } from './segment.ts';

/** Whose tissue maps a prediction reads: a source's, true for the preferred ones, false for none of the data set's. */
export type TissueChoice = string | boolean;

/** Settings of {@link makeScanTissues}. */
export interface MakeScanTissuesOptions {
  /** Whether the stage-1 net sees a scan of another voxel size than its own resampled (default true). */
  readonly resample?: boolean | undefined;
  /** Kernel variants by slot for the stage-1 net (default: the built-in table's). */
  readonly kernels?: Readonly<Record<string, string>> | undefined;
  /** Stops between rounds and tiles; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Called after each round of the mixture, and after each tile of the stage-1 net. */
  onProgress?(phase: 'tissues' | 'stage-1', done: number, total: number): void;
}

/** Reads a scan. */
export type LoadInput<T extends Voxels> = (
  dataset: Dataset,
  scan: Scan,
  options: Pick<LoadScanOptions, 'modalities' | 'maps' | 'mapSource'>,
) => Promise<LoadedScan<T>>;

/** What a network takes in, with the maps that had to be made for it. */
export interface PredictionInput<T extends Voxels> {
  readonly loaded: LoadedScan<T>;
  /** Where the tissue maps come from that the network reads; null where it reads none. */
  readonly tissue: 'supplied' | 'corrected' | 'uncorrected' | null;
  /** The maps that were made, as they are to be kept. */
  readonly made: TissueMaps | undefined;
}

/**
 * Reads what a network takes in, and makes its tissue maps where the scan has none or none is wanted.
 * @param load how images are held: `loadScan` or `loadStoredScan`
 * @param stageOne corrects the maps that are made; left out: they stay uncorrected
 * @throws DatasetError, GridMismatchError, FileFormatError for a scan that cannot be read or has no T1 to make maps
 *   from; OutOfMemoryError, GpuError, DeviceLostError; the signal's reason.
 */
export async function loadPredictionInput<T extends Voxels>(
  gpu: Gpu,
  dataset: Dataset,
  scan: Scan,
  { variant, modalities }: Pick<ModelInfo, 'variant' | 'modalities'>,
  choice: TissueChoice,
  load: LoadInput<T>,
  stageOne?: Model,
  options: MakeScanTissuesOptions = {},
): Promise<PredictionInput<T>> {
  const make = needsTissues(scan, variant, choice);
  const read = takesTissues(variant) && !make;
  const maps = { name: 'tissue', labels: TISSUES, complete: true };
  const loaded = await load(dataset, scan, {
    modalities,
    maps: read ? maps : undefined,
    mapSource: choice === false ? undefined : choice,
  });
  if (!make) return { loaded, tissue: read ? 'supplied' : null, made: undefined };
  const made = await makeScanTissues(gpu, dataset, scan, loaded, stageOne, options);
  return {
    loaded: withInputMaps(loaded, { ...maps, list: tissueList(made) }),
    tissue: stageOne ? 'corrected' : 'uncorrected',
    made,
  };
}

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
      { hint: worded`Leave ${setting('maps')} out: maps are then made if a scan has none.` },
    );
  }
  if (choice && scan.tissues.size > 0) return false;
  if (scan.modalities.has(T1)) return true;
  throw new DatasetError(
    `${scanName(scan)}: the ${variant} model reads tissue maps; there are none, and no ${T1} image to make them from`,
    { hint: worded`Add the T1w image, or give a folder of maps with ${setting('maps')}.` },
  );
}

/**
 * Makes a scan's tissue maps, as `voxelgrad tissue` and `voxelgrad correct-tissue` would: from the T1 by
 * {@link segmentTissues}; then what the stage-1 net takes for lesions becomes white matter.
 *
 * @param loaded the scan with the channels that the stage-1 net reads, in any order
 * @param stageOne left out: the maps are not corrected
 * @throws DatasetError, GridMismatchError, FileFormatError for a T1 that cannot be used; OutOfMemoryError, GpuError,
 *   DeviceLostError.
 */
export async function makeScanTissues(
  gpu: Gpu,
  dataset: Dataset,
  scan: Scan,
  loaded: LoadedScan<Voxels>,
  stageOne?: Model,
  options: MakeScanTissuesOptions = {},
): Promise<TissueMaps> {
  const { resample, kernels, signal, onProgress } = options;
  const stop = signal ? { signal } : {};
  const maps = await segmentTissues(gpu, await withT1(dataset, scan, loaded), {
    ...stop,
    onIteration: (done, total) => onProgress?.('tissues', done, total),
  });
  if (!stageOne) return maps;
  const { modalities } = stageOne.info;
  const channels = modalities.map((name) => loaded.channels.find((channel) => channel.name === name)!);
  const { mask } = await segment(
    gpu,
    stageOne,
    { ...loaded, channels },
    { ...stop, resample, kernels, onTile: (done, total) => onProgress?.('stage-1', done, total) },
  );
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
