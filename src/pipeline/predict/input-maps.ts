import { DatasetError } from '../../core/errors.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { type Dataset, type Scan, scanName } from '../../imaging/dataset/dataset.ts';
import { type LabelMap, mapsName } from '../../imaging/dataset/label-maps.ts';
import { type LoadedScan, type LoadScanOptions, withInputMaps } from '../../imaging/dataset/load-scan.ts';
import { findMaps } from '../../imaging/dataset/targets.ts';
import type { Voxels } from '../../imaging/volume/voxels.ts';
import type { ModelTask } from '../models/model.ts';

/** Whose maps a prediction reads: a source's, true for the preferred ones, false for none of the data set's. */
export type MapChoice = string | boolean;

/** Maps that were made for a scan. */
export interface MadeMaps {
  /** Of the task's labels in their order, on the scan's grid. */
  readonly list: readonly LabelMap[];
  /** How they were made, in a word: for records. */
  readonly origin: string;
  /** The same in a few words, for the files' headers. */
  readonly description: string;
}

/** Makes the maps that a network reads beside the images, for scans that have none. */
export interface MapProvider {
  /** Checks, by names alone, that maps of a scan can be made. @throws DatasetError if they cannot. */
  check(scan: Scan, task: ModelTask): void;
  /** @param loaded the scan with the network's images */
  make(gpu: Gpu, dataset: Dataset, scan: Scan, loaded: LoadedScan<Voxels>): Promise<MadeMaps>;
}

/** Whose maps, and what makes those that are not there. */
export interface MapRequest {
  readonly maps: MapChoice;
  readonly provider?: MapProvider | undefined;
  /** Whether whole images are read, as {@link LoadScanOptions} has it (default false). */
  readonly whole?: boolean | undefined;
}

/** Reads a scan. */
export type LoadInput<T extends Voxels> = (
  dataset: Dataset,
  scan: Scan,
  options: Pick<LoadScanOptions, 'modalities' | 'maps' | 'mapSource' | 'whole'>,
) => Promise<LoadedScan<T>>;

/** What a network takes in, with the maps that had to be made for it. */
export interface PredictionInput<T extends Voxels> {
  readonly loaded: LoadedScan<T>;
  /** Where the maps come from that the network reads: `supplied`, or their origin; null if it reads none. */
  readonly maps: string | null;
  /** The maps that were made, as they are to be kept. */
  readonly made: MadeMaps | undefined;
}

/**
 * Whether a network's maps are to be made because the scan has none, or none is wanted. Reads no image.
 * @throws DatasetError if maps of a named source are missing, or if nothing can make them.
 */
export function needsMaps(scan: Scan, task: ModelTask, { maps: choice, provider }: MapRequest): boolean {
  if (!task.maps) return false;
  const { labels } = task.maps;
  const there = choice !== false && findMaps(scan, labels, choice) !== undefined;
  if (there) return false;
  const reads = `${scanName(scan)}: the ${task.name} model reads ${mapsName(labels)}`;
  if (typeof choice === 'string')
    throw new DatasetError(`${reads}; there are none from ${choice}`, {
      hint: worded`Leave ${setting('maps')} out: maps are then made if a scan has none.`,
    });
  if (!provider)
    throw new DatasetError(`${reads}; there are none`, {
      hint: worded`Give a folder of maps with ${setting('maps')}.`,
    });
  provider.check(scan, task);
  return true;
}

/**
 * Reads what a network takes in, and makes its maps if the scan has none or none is wanted.
 * @param load how images are held: `loadScan` or `loadStoredScan`
 * @throws DatasetError, GridMismatchError, FileFormatError for a scan that cannot be read, or whose maps cannot be made;
 *   OutOfMemoryError, GpuError, DeviceLostError; the reason of a provider's signal.
 */
export async function loadPredictionInput<T extends Voxels>(
  gpu: Gpu,
  dataset: Dataset,
  scan: Scan,
  task: ModelTask,
  request: MapRequest,
  load: LoadInput<T>,
): Promise<PredictionInput<T>> {
  const make = needsMaps(scan, task, request);
  const { maps: choice, provider, whole } = request;
  const loaded = await load(dataset, scan, {
    modalities: task.channels,
    maps: make ? undefined : (task.maps ?? undefined),
    mapSource: choice === false ? undefined : choice,
    whole,
  });
  if (!make || !provider || !task.maps)
    return { loaded, maps: task.maps ? 'supplied' : null, made: undefined };
  const made = await provider.make(gpu, dataset, scan, loaded);
  const { name, complete } = task.maps;
  return { loaded: withInputMaps(loaded, { name, complete, list: made.list }), maps: made.origin, made };
}
