import { DatasetError, GridMismatchError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { setting, worded } from '../../core/wording.ts';
import { folderLabel } from '../dataset/bids-name.ts';
import { requireChosen } from '../dataset/choices.ts';
import { type Dataset, findScans, type Scan, scanFolder, scanName } from '../dataset/dataset.ts';
import { parseSubmissionName, predictionPath, predictionPaths } from '../dataset/prediction-path.ts';
import { combineRaters, type RaterChoice } from '../dataset/raters.ts';
import { type Seen, seenIn, sidecarPath } from '../dataset/sidecar.ts';
import { listFiles } from '../dataset/tissue-files.ts';
import { readMask } from '../nifti/read.ts';
import { describeGrid, sameGrid, type Volume } from '../volume/volume.ts';
import { evaluateScan, meanMetrics, type ScanMetrics } from './metrics.ts';

/** One scan, its prediction and how well they agree. */
export interface ScanEvaluation extends ScanMetrics {
  readonly subject: string;
  readonly session: string | null;
  /** Whether the model was trained on the scan, by the sidecar of its prediction; null if that does not say. */
  readonly trainedOn: Seen;
}

/** What {@link choosePredictions} found. */
export interface ChosenPredictions {
  /** Scans with the path of their prediction. */
  readonly pairs: readonly { readonly scan: Scan; readonly prediction: string }[];
  /** Things left aside, and why. */
  readonly notes: readonly string[];
}

/**
 * Pairs scans with the masks that were predicted for them (`sub-26/anat/sub-26_space-orig_label-L_mask.nii[.gz]`, or a
 * submission to the ISBI 2015 challenge, `training01_01_TEAM.nii[.gz]` in one folder).
 *
 * @param subjects whom to evaluate; where left out, everybody of whom there is a prediction. All their visits
 *   that have a true mask count, so a prediction that is missing is an error and never flatters the mean.
 * @throws DatasetError for an unknown subject, a named one without a true mask, a missing prediction, and where there
 *   is nothing to evaluate.
 */
export async function choosePredictions(
  predictions: FileSource,
  dataset: Dataset,
  subjects?: readonly string[],
): Promise<ChosenPredictions> {
  const notes: string[] = [];
  const scans = subjects ? findScans(dataset, subjects) : await predictedScans(predictions, dataset, notes);
  const pairs: { scan: Scan; prediction: string }[] = [];
  const missing: Scan[] = [];
  for (const scan of scans) {
    if (scan.lesionMasks.size === 0) {
      if (subjects)
        throw new DatasetError(`${scanName(scan)}: the data set has no true lesion mask to compare with`, {
          hint: 'Leave this subject out.',
        });
      notes.push(`${scanName(scan)}: not evaluated, the data set has no true lesion mask`);
      continue;
    }
    requireChosen('lesions', scan.contested?.lesions, scanName(scan));
    const prediction = await findPrediction(predictions, scan);
    if (prediction === undefined) missing.push(scan);
    else pairs.push({ scan, prediction });
  }
  if (missing.length > 0)
    throw new DatasetError(
      `${predictions.name}: there is no prediction for ${missing.map(scanName).join(', ')} (looked for ${predictionPath(missing[0]!, { label: 'lesion', suffix: 'mask' })})`,
      { hint: worded`Predict them first, or name the subjects to evaluate with ${setting('subjects')}.` },
    );
  if (pairs.length === 0)
    throw new DatasetError(`${predictions.name}: there is no prediction of a scan with a true lesion mask`, {
      hint: 'Give the folder that `voxelgrad predict` wrote and the data set that it read.',
    });
  return { pairs, notes };
}

/**
 * Scans of the subjects that a folder of predictions names.
 * @param notes get what is left aside
 * @param listed subjects that tables in the folder name
 */
export async function predictedScans(
  predictions: FileSource,
  dataset: Dataset,
  notes: string[],
  listed: readonly string[] = [],
): Promise<Scan[]> {
  const entries = await predictions.list('');
  const predicted = new Set([
    ...listed,
    ...entries
      .map(({ name }) => folderLabel(name, 'sub') ?? parseSubmissionName(name)?.subject)
      .filter((id) => id !== undefined),
  ]);
  const known = dataset.subjects.filter(({ id }) => predicted.has(id));
  for (const id of predicted)
    if (!known.some((subject) => subject.id === id))
      notes.push(`sub-${id}: not evaluated, ${dataset.name} has no such subject`);
  const rest = dataset.subjects.filter(({ id }) => !predicted.has(id)).map(({ id }) => id);
  if (known.length > 0 && rest.length > 0)
    notes.push(`not evaluated, since not predicted: ${rest.join(', ')}`);
  return known.flatMap((subject) => subject.scans);
}

async function findPrediction(predictions: FileSource, scan: Scan): Promise<string | undefined> {
  const there = (await listFiles(predictions, scanFolder(scan))).names;
  const found = predictionPaths(scan, { label: 'lesion', suffix: 'mask' })
    .flatMap((path) => [path, path.replace(/\.gz$/, '')])
    .find((path) => there.includes(path.split('/').at(-1)!));
  if (found !== undefined) return found;
  const flat = await listFiles(predictions, '');
  return flat.names.find((file) => {
    const name = parseSubmissionName(file);
    return name?.subject === scan.subject && name.session === scan.session;
  });
}

/**
 * Compares predicted masks with the raters'. One scan is in memory at a time.
 *
 * @param rater whose mask is the truth; `mean` averages the metrics against each rater's.
 * @throws DatasetError for an unknown rater; GridMismatchError where a prediction lies on another grid than the truth;
 *   FileFormatError, StorageError.
 */
export async function evaluatePredictions(
  predictions: FileSource,
  dataset: Dataset,
  pairs: ChosenPredictions['pairs'],
  rater: RaterChoice = '1',
  onScan: (done: number, name: string) => void = () => {},
): Promise<{ readonly scans: readonly ScanEvaluation[]; readonly mean: ScanMetrics }> {
  const scans: ScanEvaluation[] = [];
  for (const pair of pairs) {
    const { scan } = pair;
    const { predicted, raters } = await readPair(predictions, dataset, pair);
    const against = (truth: Uint8Array): ScanMetrics => evaluateScan(predicted.data, truth, predicted.grid);
    const metrics =
      rater === 'mean'
        ? meanMetrics([...raters.values()].map(against))
        : against(combineRaters(raters, rater, scanName(scan)) as Uint8Array);
    scans.push({
      subject: scan.subject,
      session: scan.session,
      trainedOn: await seenBy(predictions, pair.prediction),
      ...metrics,
    });
    onScan(scans.length, scanName(scan));
  }
  return { scans, mean: meanMetrics(scans) };
}

async function seenBy(predictions: FileSource, prediction: string): Promise<Seen> {
  const path = sidecarPath(prediction);
  const slash = path.lastIndexOf('/');
  const { names } = await listFiles(predictions, path.slice(0, Math.max(0, slash)));
  return names.includes(path.slice(slash + 1)) ? seenIn(await predictions.read(path)) : null;
}

/** In a sentence, against what metrics are taken and how. */
export function evaluationBasis(rater: string): string {
  const whose = /^(union|intersection)$/.test(rater)
    ? `the ${rater} of the raters’ masks`
    : rater === 'mean'
      ? 'each rater’s mask, averaged'
      : `the mask of rater ${rater}`;
  return `against ${whose}; lesions are voxels that touch by a corner at least (26-connected)`;
}

/** What a reader of an evaluation must know, a sentence each: whom the model was trained on, empty masks. */
export function evaluationNotes(scans: readonly ScanEvaluation[]): string[] {
  const named = (wanted: (scan: ScanEvaluation) => boolean): string =>
    scans.filter(wanted).map(scanName).join(', ');
  const notes: string[] = [];
  const images = named(({ trainedOn }) => trainedOn === 'images');
  if (images !== '')
    notes.push(`the model was trained on ${images}: this is not an estimate for new patients`);
  const same = named(({ trainedOn }) => trainedOn === 'name');
  if (same !== '')
    notes.push(
      `the model was trained on patients of the same name as ${same}: if they are the same, this is not an estimate for new patients`,
    );
  const unknown = named(({ trainedOn }) => trainedOn === null);
  if (unknown !== '')
    notes.push(
      `it is not known whether the model was trained on ${unknown}: there is no sidecar that says so`,
    );
  const empty = named(({ truthMl }) => truthMl === 0);
  if (empty !== '')
    notes.push(
      `the true mask of ${empty} is empty: Dice is then 1 for an empty prediction and 0 for any other, by convention`,
    );
  return notes;
}

/**
 * A predicted mask and every rater's mask of its scan, all on one grid.
 * @throws GridMismatchError where a prediction lies on another grid than a true mask; FileFormatError, StorageError.
 */
export async function readPair(
  predictions: FileSource,
  dataset: Dataset,
  { scan, prediction }: ChosenPredictions['pairs'][number],
): Promise<{ readonly predicted: Volume<Uint8Array>; readonly raters: ReadonlyMap<string, Uint8Array> }> {
  const predicted = (await readMask(await predictions.open(prediction), prediction)).volume;
  const raters = new Map<string, Uint8Array>();
  for (const [name, path] of scan.lesionMasks) {
    const truth = (await readMask(await dataset.files.open(path), path)).volume;
    requireGrid(predicted, prediction, truth, path);
    raters.set(name, truth.data);
  }
  return { predicted, raters };
}

function requireGrid(
  predicted: Volume<Uint8Array>,
  prediction: string,
  truth: Volume<Uint8Array>,
  path: string,
): void {
  if (sameGrid(predicted.grid, truth.grid)) return;
  throw new GridMismatchError(
    `${prediction} is ${describeGrid(predicted.grid)}, but the true mask ${path} is ${describeGrid(truth.grid)}`,
    { hint: 'Evaluate predictions on the grid that they were made from.' },
  );
}
