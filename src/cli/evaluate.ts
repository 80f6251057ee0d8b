import {
  choosePredictions,
  evaluatePredictions,
  evaluationBasis,
  evaluationNotes,
} from '../imaging/evaluate/evaluate-predictions.ts';
import type { ScanMetrics } from '../imaging/evaluate/metrics.ts';
import { evaluationTable, formatTable, METRIC_COLUMNS, type Table } from '../imaging/evaluate/tables.ts';
import { decidesOneMask, evaluateTask, type TaskEvaluation } from '../pipeline/predict/evaluate-task.ts';
import { parseTask, type Task } from '../pipeline/task/task.ts';
import { TASK_FILE } from '../pipeline/task/task-file.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { type Command, command } from './command.ts';
import { DATASET_ARGS, datasetChoices, openDatasetOf } from './dataset-options.ts';
import type { Output } from './output.ts';
import { parseFile, readJsonFile } from './settings.ts';

export const evaluate: Command = command({
  name: 'evaluate',
  description: 'Compare predicted masks, label images and values with the true ones',
  args: {
    predictions: {
      type: 'positional',
      description: 'Folder that `voxelgrad predict` wrote (BIDS derivatives)',
    },
    dataset: {
      type: 'positional',
      description: 'Data set with the true masks or values (BIDS or ISBI 2015)',
    },
    subjects: {
      type: 'string',
      valueHint: 'ID,ID',
      description: 'Whom to evaluate (default: all that were predicted)',
    },
    rater: {
      type: 'string',
      valueHint: 'NAME',
      description: "Whose mask is the truth: a rater's name or number, union, intersection, mean (default 1)",
    },
    task: {
      type: 'string',
      valueHint: 'FILE',
      description: 'Task of the predictions (default: their task.json, else lesion masks)',
    },
    ...DATASET_ARGS,
  },
  examples: [
    { line: 'evaluate ./predictions ./dataset', does: 'everybody who was predicted' },
    { line: 'evaluate ./brains ./dataset', does: 'every label of a task, and their mean' },
    {
      line: 'evaluate ./predictions ./dataset --subjects 26 --json',
      does: 'one patient, for a program to read',
    },
    { line: 'evaluate ./predictions ./isbi --rater mean', does: 'metrics averaged over the raters' },
  ],
  async run(options, output) {
    options.seed();
    const predictions = new NodeFolder(options.required('predictions'));
    const subjects = options.list('subjects');
    const dataset = await openDatasetOf(options.required('dataset'), datasetChoices(options), output);
    const task = await taskOfPredictions(predictions, options.text('task'));
    if (task && !decidesOneMask(task, 'lesion')) {
      const bar = output.progress({ label: 'evaluating', total: 1, unit: 'scan' });
      const evaluation = await evaluateTask({
        task,
        predictions,
        dataset,
        subjects,
        rater: options.text('rater'),
        onNote: (note) => output.note(note),
        onScan: (done, total, name) => bar.update(done / total, name),
      });
      showTask(evaluation, output);
      return;
    }
    const { pairs, notes } = await choosePredictions(predictions, dataset, subjects);
    for (const note of notes) output.note(note);
    const bar = output.progress({ label: 'evaluating', total: pairs.length, unit: 'scan' });
    const { scans, mean } = await evaluatePredictions(
      predictions,
      dataset,
      pairs,
      options.text('rater'),
      (done, name) => bar.update(done, name),
    );
    const said = [evaluationBasis(options.text('rater') ?? '1'), ...evaluationNotes(scans)];
    for (const note of said) output.note(`note: ${note}`);
    const rows = scans.map((scan) => ({ ...scan, session: scan.session ?? undefined }));
    output.result(
      {
        scans: scans.map((scan) => ({
          subject: scan.subject,
          session: scan.session,
          trainedOn: scan.trainedOn,
          ...metricsOf(scan),
        })),
        notes: said,
        mean: metricsOf(mean),
      },
      formatTable(evaluationTable(rows, mean)),
    );
  },
});

/** What predictions are of; undefined if nothing says so. */
async function taskOfPredictions(
  predictions: NodeFolder,
  path: string | undefined,
): Promise<Task | undefined> {
  if (path !== undefined) return parseTask(await readJsonFile(path), path);
  const entries = await predictions.list('');
  if (!entries.some(({ name }) => name === TASK_FILE)) return undefined;
  const own = `${predictions.name}/${TASK_FILE}`;
  return parseTask(parseFile(own, new TextDecoder().decode(await predictions.read(TASK_FILE))), own);
}

function showTask({ scans, values, labels, mean, errors }: TaskEvaluation, output: Output): void {
  const rows = [
    ...scans.map((row) => ({ ...row, session: row.session ?? '' })),
    ...labels.map((row) => ({ ...row, subject: 'mean', session: '' })),
  ];
  const all = mean && labels.length > 1 ? [{ ...mean, subject: 'mean', session: '', label: 'all' }] : [];
  const table = labelTable([...rows, ...all], scans.length);
  const lines = Object.entries(errors).map(
    ([head, error]) => `${head}: mean absolute error ${error.toPrecision(4)}`,
  );
  const jsonRow = <Row extends ScanMetrics>(row: Row, names: readonly (keyof Row)[]): object => ({
    ...Object.fromEntries(names.map((name) => [name, row[name]])),
    ...metricsOf(row),
  });
  output.result(
    {
      scans: scans.map((row) => jsonRow(row, ['subject', 'session', 'head', 'label'])),
      labels: labels.map((row) => jsonRow(row, ['head', 'label'])),
      mean: mean ? metricsOf(mean) : null,
      values,
      errors,
    },
    [...(scans.length > 0 ? [formatTable(table)] : []), ...lines].join('\n'),
  );
}

/** A row per scan and label, then their means. */
function labelTable(rows: readonly (ScanMetrics & { readonly session: string })[], summary: number): Table {
  const shown = METRIC_COLUMNS.filter(({ key }) => key !== 'ltpr' && key !== 'lfpr');
  const sessions = rows.some(({ session }) => session !== '');
  return {
    caption: 'Agreement with the truth',
    columns: [
      { key: 'subject', label: 'Subject', kind: 'text' },
      ...(sessions ? [{ key: 'session', label: 'Session', kind: 'text' } as const] : []),
      { key: 'label', label: 'Label', kind: 'text' },
      ...shown.map(({ better: _, ...column }) => column),
    ],
    rows: rows.map((row) => ({ ...row })),
    summaryRows: [summary],
  };
}

/** The metrics that `--json` prints; one that is not defined becomes null there. */
function metricsOf(metrics: ScanMetrics): Record<string, number> {
  const { dice, tpr, ppv, ltpr, lfpr, volumeDifference } = metrics;
  return { dice, tpr, ppv, ltpr, lfpr, volumeDifference };
}
