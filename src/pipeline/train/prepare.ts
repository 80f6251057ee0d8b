import { DatasetError, UsageError } from '../../core/errors.ts';
import { formatExtents, formatShape, toExtents, toTriple } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import { type RecordedChoices, recordedChoices } from '../../imaging/dataset/choices.ts';
import {
  type Dataset,
  defaultModalities,
  describeLeftOut,
  findScans,
  type Scan,
  scanName,
  shortList,
} from '../../imaging/dataset/dataset.ts';
import { hashInputs, type InputFile, type InputRequest } from '../../imaging/dataset/inputs.ts';
import { chooseModalities, type LoadedScan, loadScan } from '../../imaging/dataset/load-scan.ts';
import { canonicalModality } from '../../imaging/dataset/modality.ts';
import { type PreparedScan, preprocess } from '../../imaging/dataset/preprocess.ts';
import {
  availableTargets,
  describeTarget,
  hasTarget,
  requireChosenTarget,
  scanValue,
  type TargetRequest,
} from '../../imaging/dataset/targets.ts';
import { isScanValue, type Task, targetRequest } from '../task/task.ts';
import { type ResolvedTrainSettings, type TrainSettings, taskOf } from './settings.ts';

/** What a training run starts from. */
export interface TrainingData {
  readonly settings: ResolvedTrainSettings;
  readonly scans: readonly PreparedScan[];
  /** What the network is judged by while it learns. */
  readonly validation?: readonly PreparedScan[] | undefined;
  /** The files that were read, by scan; missing if the scans were not read from a data set. */
  readonly inputs?: Readonly<Record<string, readonly InputFile[]>> | undefined;
  /** What was chosen about the data set. */
  readonly choices?: RecordedChoices | undefined;
  /** What a user of the network must know about the scans, a sentence each. */
  readonly warnings?: readonly string[] | undefined;
}

/** Voxels kept around the brain, so that patches at its edge see some background. */
const MARGIN = 8;

/** What is trained on, before any image is read. */
export interface ChosenTraining {
  readonly settings: ResolvedTrainSettings;
  readonly scans: readonly Scan[];
  /** What the network is judged by; empty without validation. */
  readonly validation: readonly Scan[];
  /** What was left aside without being asked for, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * Finds the scans that the settings mean, and which modalities they share. Reads no image.
 * @throws DatasetError for an unknown subject, a scan without what the main head learns, a column of numbers that are
 *   all the same, and if no modality is shared; UsageError for modalities that are not the task's.
 */
export function chooseTraining(dataset: Dataset, settings: TrainSettings): ChosenTraining {
  const task = taskOf(settings);
  const main = targetRequest(task.heads[0]!);
  const has = (scan: Scan): boolean => hasTarget(dataset, scan, main, settings.maps ?? true);
  const validation = settings.validate ? findScans(dataset, settings.validate) : [];
  const judged = new Set(validation.map(({ subject }) => subject));
  const found = findScans(dataset, settings.subjects ?? undefined);
  // Without a choice all are trained on but those that judge.
  const all = settings.subjects ? found : found.filter(({ subject }) => !judged.has(subject));
  const scans = settings.subjects ? all : all.filter(has);
  requireApart(scans, judged);
  const bare = [...scans, ...validation].find((scan) => !has(scan));
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
    const purpose = scans.includes(bare) ? 'train on' : 'validate by';
    throw new DatasetError(`${scanName(bare)}: there is no ${what} to ${purpose}`, {
      hint: usable.length > 0 ? `Subjects with ${one}: ${usable.join(', ')}.` : howToAdd(dataset, main),
    });
  }
  if (scans.length === 0)
    throw new DatasetError(`${dataset.name}: no scan has a ${what} to train on`, {
      hint: howToAdd(dataset, main),
    });
  const { modalities, leftOut } = sharedModalities([...scans, ...validation], settings, task);
  for (const scan of [...scans, ...validation])
    for (const head of task.heads) requireChosenTarget(scan, targetRequest(head));
  for (const head of task.heads) if (isScanValue(head)) requireVariety(dataset, scans, targetRequest(head));
  const subjects = settings.subjects ?? [...new Set(scans.map((scan) => scan.subject))];
  const notes: string[] = [];
  if (leftOut.length > 0) notes.push(describeLeftOut(leftOut));
  const bareScans = all.filter((scan) => !scans.includes(scan)).map(scanName);
  if (bareScans.length > 0) notes.push(`without a ${what}, so not trained on: ${shortList(bareScans)}`);
  return { settings: { ...settings, subjects, modalities }, scans, validation, notes };
}

/** @throws UsageError for patients who would be trained on and judge what was learned, also by another visit. */
function requireApart(scans: readonly Scan[], judged: ReadonlySet<string>): void {
  const both = [...new Set(scans.map(({ subject }) => subject))].filter((subject) => judged.has(subject));
  if (both.length > 0)
    throw new UsageError(
      worded`${setting('validate')} names patients who are trained on: ${both.join(', ')}`,
      { hint: worded`Take them out of ${setting('subjects')} or of ${setting('validate')}.` },
    );
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
): { readonly modalities: readonly string[]; readonly leftOut: readonly string[] } {
  const canonical = (names: readonly string[]): string => names.map(canonicalModality).join(', ');
  if (wanted && task.channels && canonical(wanted) !== canonical(task.channels))
    throw new UsageError(
      worded`${setting('modalities')} are ${wanted.join(', ')}, but the task reads ${task.channels.join(', ')}`,
      { hint: worded`Leave ${setting('modalities')} out, or take channels out of the task.` },
    );
  const given = wanted ?? task.channels;
  if (!given) return defaultModalities(scans);
  const modalities = chooseModalities(scans[0]!, given).map(([name]) => name);
  for (const scan of scans) chooseModalities(scan, modalities);
  return { modalities, leftOut: [] };
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
  const { settings, scans, validation } = chooseTraining(dataset, wanted);
  const all = [...scans, ...validation];
  const prepared: PreparedScan[] = [];
  const inputs: Record<string, readonly InputFile[]> = {};
  const warnings: string[] = [];
  for (const scan of all) {
    const name = scanName(scan);
    const loaded = await loadTrainingScan(dataset, scan, settings);
    for (const warning of loaded.warnings ?? []) warnings.push(`${name}: ${warning}`);
    prepared.push(preprocessTraining(loaded, settings));
    inputs[name] = await hashInputs(dataset, scan, trainingInputs(settings));
    onScan(prepared.length, all.length, name);
  }
  const trained = prepared.slice(0, scans.length);
  const judges = prepared.slice(scans.length);
  requireLabels(taskOf(settings), trained);
  requireMarks(taskOf(settings), trained);
  if (judges.length > 0) requireMarks(taskOf(settings), judges);
  return {
    settings,
    scans: trained,
    validation: judges.length > 0 ? judges : undefined,
    inputs,
    choices: recordedChoices(dataset.choices),
    warnings,
  };
}

/** The files that settings ask to be read of each scan. */
export function trainingInputs(settings: ResolvedTrainSettings): InputRequest {
  const task = taskOf(settings);
  return {
    modalities: settings.modalities,
    targets: task.heads.map(targetRequest),
    maps: task.maps?.labels,
    mapSource: settings.maps ?? true,
  };
}

/** One scan as {@link prepareTraining} reads it, and with the same errors. */
export async function prepareScan(
  dataset: Dataset,
  scan: Scan,
  settings: ResolvedTrainSettings,
): Promise<PreparedScan> {
  return preprocessTraining(await loadTrainingScan(dataset, scan, settings), settings);
}

async function loadTrainingScan(
  dataset: Dataset,
  scan: Scan,
  settings: ResolvedTrainSettings,
): Promise<LoadedScan> {
  const { modalities, maps, rater } = settings;
  const task = taskOf(settings);
  return await loadScan(dataset, scan, {
    modalities,
    targets: task.heads.map(targetRequest),
    maps: task.maps ?? undefined,
    mapSource: maps ?? true,
    rater,
  });
}

function preprocessTraining(loaded: LoadedScan, { patch }: ResolvedTrainSettings): PreparedScan {
  const [nz, ny, nx] = toTriple(patch);
  const { shape } = loaded.grid;
  if (shape[0] < nx || shape[1] < ny || shape[2] < nz)
    throw new DatasetError(
      `${scanName(loaded)}: a patch of ${formatShape([nx, ny, nz])} voxels is larger than the volume, ${formatShape(shape)}`,
      {
        hint: `Choose a patch of at most ${formatExtents(toExtents([shape[2], shape[1], shape[0]]))} voxels (z, y, x).`,
      },
    );
  return preprocess(loaded, { crop: { margin: MARGIN, minimum: [nx, ny, nz] } });
}

/** @throws DatasetError for masks that mark nothing in any scan: a network learns to find nothing from them. */
function requireMarks({ heads }: Task, scans: readonly PreparedScan[]): void {
  for (const { name, target, labels } of heads) {
    if (target.from !== 'mask') continue;
    const marked = scans.some((scan) => scan.targets?.get(name)?.data.some((v) => v > 0));
    if (!marked)
      throw new DatasetError(
        `the masks of ${labels.join(', ')} of all ${scans.length} scans are empty; there is nothing to learn`,
        { hint: 'Check the masks in a viewer, or choose other patients.' },
      );
  }
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
