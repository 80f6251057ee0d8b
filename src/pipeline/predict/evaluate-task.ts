import { DatasetError, GridMismatchError, UsageError } from '../../core/errors.ts';
import type { FileSource } from '../../core/files.ts';
import { type Dataset, findScans, type Scan, scanFolder, scanName } from '../../imaging/dataset/dataset.ts';
import { type LoadedScan, loadScan } from '../../imaging/dataset/load-scan.ts';
import { predictionPath } from '../../imaging/dataset/prediction-path.ts';
import type { RaterChoice } from '../../imaging/dataset/raters.ts';
import { describeTarget, hasTarget, type Target } from '../../imaging/dataset/targets.ts';
import { predictedScans } from '../../imaging/evaluate/evaluate-predictions.ts';
import { evaluateScan, meanMetrics, type ScanMetrics } from '../../imaging/evaluate/metrics.ts';
import { readNifti } from '../../imaging/nifti/read.ts';
import { describeGrid, sameGrid } from '../../imaging/volume/volume.ts';
import { isScanValue, isValueHead, type Task, type TaskHead, targetRequest } from '../task/task.ts';
import { labelValues, mostProbable } from './head-result.ts';
import { mapKind, segmentationKind, valuesPath } from './prediction-files.ts';

/** How well one label of one scan was found. */
export interface LabelEvaluation extends ScanMetrics {
  readonly subject: string;
  readonly session: string | null;
  readonly head: string;
  readonly label: string;
}

/** How far off the values of one head are in one scan. */
export interface ValueEvaluation {
  readonly subject: string;
  readonly session: string | null;
  readonly head: string;
  /** |predicted - true|: of the scan's number, or the mean over the brain's voxels. */
  readonly error: number;
}

/** What {@link evaluateTask} finds. */
export interface TaskEvaluation {
  readonly scans: readonly LabelEvaluation[];
  readonly values: readonly ValueEvaluation[];
  /** Means over the scans, by head and label. */
  readonly labels: readonly (ScanMetrics & { readonly head: string; readonly label: string })[];
  /** Mean over the labels' means; undefined if nothing is decided about labels. */
  readonly mean: ScanMetrics | undefined;
  /** Mean absolute errors by head. */
  readonly errors: Readonly<Record<string, number>>;
}

/** How predictions of a task are evaluated. */
export interface EvaluateTaskRequest {
  readonly task: Task;
  readonly predictions: FileSource;
  readonly dataset: Dataset;
  /** Whom to evaluate (default: everybody of whom there is a prediction). */
  readonly subjects?: readonly string[] | undefined;
  /** Whose mask is the truth (default `1`); `mean` is none. */
  readonly rater?: RaterChoice | undefined;
  readonly onScan?: ((done: number, total: number, name: string) => void) | undefined;
  /** Told why a scan is left aside. */
  readonly onNote?: ((text: string) => void) | undefined;
}

/** Whether predictions are masks of this label alone, which are evaluated against every rater. */
export function decidesOneMask({ heads }: Task, label: string): boolean {
  const compared = heads.filter(isCompared);
  const [only] = compared;
  if (compared.length !== 1 || only!.target.from !== 'mask') return false;
  const names = only!.target.labels ?? only!.labels;
  return (
    only!.decision === 'threshold' && names.length === 1 && names[0] === label && only!.labels[0] === label
  );
}

/**
 * Compares predictions of a task with the data set: labels by overlap and connected components, values by their absolute
 * errors. Where the truth is a probability map, a label is where it is the most probable one, or at or above 0.5 if
 * labels may overlap. Heads that write probabilities only are not compared.
 * @throws DatasetError for an unknown subject, a named one without a target, a missing prediction, and if there is
 *   nothing to compare; UsageError for rater `mean`; GridMismatchError; FileFormatError, StorageError.
 */
export async function evaluateTask(request: EvaluateTaskRequest): Promise<TaskEvaluation> {
  const { task, predictions, dataset, subjects, rater = '1', onScan, onNote = () => {} } = request;
  const heads = task.heads.filter(isCompared);
  if (rater === 'mean')
    throw new UsageError('metrics of several labels are not averaged over raters', {
      hint: 'Choose a rater by name or number, union or intersection.',
    });
  if (heads.length === 0)
    throw new DatasetError(`${predictions.name}: task ${task.name} decides nothing that can be compared`, {
      hint: 'Give a head of the task another decision than probabilities, and predict again.',
    });
  const notes: string[] = [];
  const tables = heads.filter(isScanValue).map((head) => readTable(predictions, head));
  const listed = (await Promise.all(tables)).flat().map(({ subject }) => subject);
  const found = subjects
    ? findScans(dataset, subjects)
    : await predictedScans(predictions, dataset, notes, listed);
  for (const note of notes) onNote(note);
  const scans = found.filter((scan) => {
    const lacking = heads.find((head) => !hasTarget(dataset, scan, targetRequest(head), true));
    // A named subject's missing target is an error, which loading tells.
    if (!lacking || subjects) return true;
    onNote(`${scanName(scan)}: not evaluated, there is no ${describeTarget(targetRequest(lacking))}`);
    return false;
  });
  if (scans.length === 0)
    throw new DatasetError(
      `${predictions.name}: there is no prediction of a scan with what ${task.name} learns`,
      {
        hint: 'Give the folder that `voxelgrad predict` wrote and a data set with the targets.',
      },
    );
  const labels: LabelEvaluation[] = [];
  const values: ValueEvaluation[] = [];
  for (const [i, scan] of scans.entries()) {
    const loaded = await loadScan(dataset, scan, {
      modalities: task.channels?.slice(0, 1),
      targets: heads.map(targetRequest),
      rater,
    });
    const { subject, session } = scan;
    for (const head of heads) {
      const target = loaded.targets!.get(head.name)!;
      const at = { predictions, scan, loaded, head };
      if (isValueHead(head)) {
        values.push({ subject, session, head: head.name, error: await valueError(at, target) });
        continue;
      }
      const truth = truthOf(head, target, loaded.brain);
      for (const [k, predicted] of (await predictedMasks(at)).entries()) {
        const metrics = evaluateScan(predicted, truth[k]!, loaded.grid);
        labels.push({ subject, session, head: head.name, label: head.labels[k]!, ...metrics });
      }
    }
    onScan?.(i + 1, scans.length, scanName(scan));
  }
  return { scans: labels, values, ...summarise(heads, labels, values) };
}

function summarise(
  heads: readonly TaskHead[],
  rows: readonly LabelEvaluation[],
  values: readonly ValueEvaluation[],
): Pick<TaskEvaluation, 'labels' | 'mean' | 'errors'> {
  const labels = heads.flatMap((head) =>
    head.labels.map((label) => ({
      head: head.name,
      label,
      ...meanMetrics(rows.filter((row) => row.head === head.name && row.label === label)),
    })),
  );
  const errors = heads.filter(isValueHead).map(({ name }) => {
    const own = values.filter(({ head }) => head === name);
    return [name, own.reduce((sum, { error }) => sum + error, 0) / own.length] as const;
  });
  return {
    labels,
    mean: labels.length > 0 ? meanMetrics(labels) : undefined,
    errors: Object.fromEntries(errors),
  };
}

function isCompared({ decision }: TaskHead): boolean {
  return decision !== 'probabilities';
}

/** By label: 1 where it truly is. */
function truthOf({ activation }: TaskHead, { channels }: Target, brain: Uint8Array): readonly Uint8Array[] {
  const { length } = brain;
  if (activation === 'sigmoid' || channels.length === 1)
    return channels.map((channel) => Uint8Array.from(channel, (p) => (p >= 0.5 ? 1 : 0)));
  // Marks count outside the brain, too: in masks and label images the most probable is the only one.
  const likely = mostProbable(
    channels.map((channel) => Float32Array.from(channel)),
    new Uint8Array(length).fill(1),
  );
  return channels.map((_, k) => Uint8Array.from(likely, (label) => (label === k + 1 ? 1 : 0)));
}

interface Compared {
  readonly predictions: FileSource;
  readonly scan: Scan;
  readonly loaded: LoadedScan;
  readonly head: TaskHead;
}

/** By label: 1 where it was found. */
async function predictedMasks(at: Compared): Promise<readonly Uint8Array[]> {
  const { scan, head } = at;
  if (head.decision === 'argmax') {
    const data = await readPrediction(at, predictionPath(scan, segmentationKind(head)));
    return labelValues(head).map((value) => Uint8Array.from(data, (v) => (v === value ? 1 : 0)));
  }
  const masks: Uint8Array[] = [];
  for (const label of head.labels) {
    const data = await readPrediction(at, predictionPath(scan, { label, suffix: 'mask' }));
    masks.push(Uint8Array.from(data, (v) => (v === 0 ? 0 : 1)));
  }
  return masks;
}

async function valueError(at: Compared, target: Target): Promise<number> {
  const { scan, head, loaded } = at;
  if (isScanValue(head)) return Math.abs((await predictedNumber(at)) - target.value!);
  const predicted = await readPrediction(at, predictionPath(scan, mapKind(head, head.name)));
  let sum = 0;
  let count = 0;
  for (const [i, inside] of loaded.brain.entries()) {
    if (inside === 0) continue;
    sum += Math.abs(predicted[i]! - target.channels[0]![i]!);
    count++;
  }
  return sum / count;
}

/** The number that a table of predicted values holds for a scan. */
async function predictedNumber({ predictions, scan, head }: Compared): Promise<number> {
  const { subject, session } = scan;
  const rows = await readTable(predictions, head);
  const row = rows.find((each) => each.subject === subject && (each.session ?? session) === session);
  if (row && Number.isFinite(row.value)) return row.value;
  throw missing(predictions, scan, valuesPath(head.name));
}

interface TableRow {
  readonly subject: string;
  readonly session: string | null;
  readonly value: number;
}

/** The table of a head's numbers; empty if there is none. */
async function readTable(predictions: FileSource, { name }: TaskHead): Promise<readonly TableRow[]> {
  const path = valuesPath(name);
  if (!(await predictions.list('')).some((entry) => entry.name === path)) return [];
  const [, ...lines] = new TextDecoder()
    .decode(await predictions.read(path))
    .trimEnd()
    .split(/\r?\n/);
  return lines.map((line) => {
    const cells = line.split('\t');
    const session = cells.length > 2 && cells[1] !== 'n/a' ? cells[1]!.replace(/^ses-/, '') : null;
    return { subject: cells[0]!.replace(/^sub-/, ''), session, value: Number(cells.at(-1)) };
  });
}

async function readPrediction({ predictions, scan, loaded }: Compared, path: string): Promise<Float32Array> {
  const names = (await predictions.list(scanFolder(scan))).map((entry) => entry.name);
  const stored = [path, path.replace(/\.gz$/, '')].find((each) => names.includes(each.split('/').at(-1)!));
  if (stored === undefined) throw missing(predictions, scan, path);
  const { volume } = await readNifti(await predictions.open(stored), stored);
  if (!sameGrid(volume.grid, loaded.grid))
    throw new GridMismatchError(
      `${stored} is ${describeGrid(volume.grid)}, but the scan is ${describeGrid(loaded.grid)}`,
      { hint: 'Evaluate predictions on the grid that they were made from.' },
    );
  return volume.data;
}

function missing(predictions: FileSource, scan: Scan, path: string): DatasetError {
  return new DatasetError(
    `${predictions.name}: there is no prediction for ${scanName(scan)} (looked for ${path})`,
    { hint: 'Predict it first, or name the subjects to evaluate.' },
  );
}
