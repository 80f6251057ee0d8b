import { DatasetError, UsageError } from '../../core/errors.ts';
import { formatShape } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import {
  commonModalities,
  type Dataset,
  findScans,
  type Scan,
  scanName,
} from '../../imaging/dataset/dataset.ts';
import { chooseModalities, loadScan } from '../../imaging/dataset/load-scan.ts';
import { canonicalModality } from '../../imaging/dataset/modality.ts';
import { type PreparedScan, preprocess } from '../../imaging/dataset/preprocess.ts';
import {
  availableTargets,
  describeTarget,
  hasTarget,
  scanValue,
  type TargetRequest,
} from '../../imaging/dataset/targets.ts';
import { isScanValue, type Task, targetRequest } from '../task/task.ts';
import { type ResolvedTrainSettings, type TrainSettings, taskOf } from './settings.ts';

/** What a training run starts from. */
export interface TrainingData {
  readonly settings: ResolvedTrainSettings;
  readonly scans: readonly PreparedScan[];
}

/** Voxels kept around the brain, so that patches at its edge see some background. */
const MARGIN = 8;

/**
 * Finds the scans that the settings mean, and which modalities they share. Reads no image.
 * @throws DatasetError for an unknown subject, a scan without what the main head learns, a column of numbers that are
 *   all the same, and if no modality is shared; UsageError for modalities that are not the task's.
 */
export function chooseTraining(
  dataset: Dataset,
  settings: TrainSettings,
): { readonly settings: ResolvedTrainSettings; readonly scans: readonly Scan[] } {
  const task = taskOf(settings);
  const main = targetRequest(task.heads[0]!);
  const has = (scan: Scan): boolean => hasTarget(dataset, scan, main, settings.maps ?? true);
  const all = findScans(dataset, settings.subjects ?? undefined);
  const scans = settings.subjects ? all : all.filter(has);
  const bare = scans.find((scan) => !has(scan));
  const what = describeTarget(main);
  if (bare) {
    const usable = [
      ...new Set(
        findScans(dataset)
          .filter(has)
          .map(({ subject }) => subject),
      ),
    ];
    const one = main.source.from === 'mask' ? 'a mask' : 'one';
    throw new DatasetError(`${scanName(bare)}: there is no ${what} to train on`, {
      hint: usable.length > 0 ? `Subjects with ${one}: ${usable.join(', ')}.` : howToAdd(dataset, main),
    });
  }
  if (scans.length === 0)
    throw new DatasetError(`${dataset.name}: no scan has a ${what} to train on`, {
      hint: howToAdd(dataset, main),
    });
  const modalities = sharedModalities(scans, settings, task);
  for (const head of task.heads) if (isScanValue(head)) requireVariety(dataset, scans, targetRequest(head));
  const subjects = settings.subjects ?? [...new Set(scans.map((scan) => scan.subject))];
  return { settings: { ...settings, subjects, modalities }, scans };
}

function howToAdd(dataset: Dataset, main: TargetRequest): string {
  const { source, labels } = main;
  const there = `there are ${availableTargets(dataset, main)}`;
  if (source.from !== 'mask') return `In the data set ${there}.`;
  const label = source.labels?.[0] ?? labels[0];
  return `Add masks to the data set (BIDS: derivatives/NAME/sub-XX/anat/sub-XX_label-${label}_mask.nii.gz); ${there}.`;
}

function sharedModalities(
  scans: readonly Scan[],
  { modalities: wanted }: TrainSettings,
  task: Task,
): readonly string[] {
  const canonical = (names: readonly string[]): string => names.map(canonicalModality).join(', ');
  if (wanted && task.channels && canonical(wanted) !== canonical(task.channels))
    throw new UsageError(
      worded`${setting('modalities')} are ${wanted.join(', ')}, but the task reads ${task.channels.join(', ')}`,
      { hint: worded`Leave ${setting('modalities')} out, or take channels out of the task.` },
    );
  const given = wanted ?? task.channels;
  const modalities = given
    ? chooseModalities(scans[0]!, given).map(([name]) => name)
    : commonModalities(scans);
  for (const scan of scans) chooseModalities(scan, modalities);
  if (modalities.length === 0)
    throw new DatasetError(`the scans ${scans.map(scanName).join(', ')} share no modality`, {
      hint: 'Choose other subjects.',
    });
  return modalities;
}

/** @throws DatasetError if a scan has no number, or if all have the same. */
function requireVariety(dataset: Dataset, scans: readonly Scan[], request: TargetRequest): void {
  const bare = scans.filter((scan) => !hasTarget(dataset, scan, request, true));
  const what = describeTarget(request);
  if (bare.length > 0)
    throw new DatasetError(`${bare.map(scanName).join(', ')}: there is no ${what}`, {
      hint: `In the data set there are ${availableTargets(dataset, request)}.`,
    });
  const values = new Set(scans.map((scan) => scanValue(dataset, scan, request)));
  if (values.size === 1)
    throw new DatasetError(
      `${request.name}: the ${what} is ${[...values][0]} for every training scan, so there is nothing to learn`,
      { hint: 'Choose another column, or more subjects.' },
    );
}

/**
 * Reads and standardises the scans to train on, cut to the brain with room for a patch.
 * @throws DatasetError for what {@link chooseTraining} and `loadScan` refuse, for a volume smaller than a patch, and for
 *   a label that is in no scan; GridMismatchError, FileFormatError, StorageError.
 */
export async function prepareTraining(
  dataset: Dataset,
  wanted: TrainSettings,
  onScan: (done: number, total: number, name: string) => void = () => {},
): Promise<TrainingData> {
  const { settings, scans } = chooseTraining(dataset, wanted);
  const prepared: PreparedScan[] = [];
  for (const scan of scans) {
    prepared.push(await prepareScan(dataset, scan, settings));
    onScan(prepared.length, scans.length, scanName(scan));
  }
  requireLabels(taskOf(settings), prepared);
  return { settings, scans: prepared };
}

/** One scan as {@link prepareTraining} reads it, and with the same errors. */
export async function prepareScan(
  dataset: Dataset,
  scan: Scan,
  settings: ResolvedTrainSettings,
): Promise<PreparedScan> {
  const { modalities, maps, rater, patch } = settings;
  const task = taskOf(settings);
  const loaded = await loadScan(dataset, scan, {
    modalities,
    targets: task.heads.map(targetRequest),
    maps: task.maps ?? undefined,
    mapSource: maps ?? true,
    rater,
  });
  if (loaded.grid.shape.some((extent) => extent < patch))
    throw new DatasetError(
      `${scanName(scan)}: a patch of ${formatShape([patch, patch, patch])} voxels is larger than the volume, ${formatShape(loaded.grid.shape)}`,
      { hint: `Choose a patch of at most ${Math.min(...loaded.grid.shape)} voxels.` },
    );
  return preprocess(loaded, { crop: { margin: MARGIN, minimum: [patch, patch, patch] } });
}

/** @throws DatasetError for a value of a label image that is in no scan, listing those that are. */
function requireLabels({ heads }: Task, scans: readonly PreparedScan[]): void {
  for (const { name, labels, target } of heads) {
    if (target.from !== 'dseg') continue;
    const found = new Set(scans.flatMap((scan) => scan.targets?.get(name)?.found ?? []));
    const values = target.values ?? labels.map((_, i) => i + 1);
    const absent = values.flatMap((value, i) => (found.has(value) ? [] : [`${labels[i]} (${value})`]));
    if (absent.length > 0)
      throw new DatasetError(`head ${name}: no training scan has the label ${absent.join(', ')}`, {
        hint: `The label images hold ${[...found]
          .sort((a, b) => a - b)
          .slice(0, 40)
          .join(', ')}.`,
      });
  }
}
