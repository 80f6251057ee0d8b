import {
  choosePredictions,
  evaluatePredictions,
  evaluationBasis,
  evaluationNotes,
} from '../imaging/evaluate/evaluate-predictions.ts';
import type { ScanMetrics } from '../imaging/evaluate/metrics.ts';
import { evaluationTable, formatTable } from '../imaging/evaluate/tables.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { type Command, command } from './command.ts';
import { DATASET_ARGS, datasetChoices, openDatasetOf } from './dataset-options.ts';

export const evaluate: Command = command({
  name: 'evaluate',
  description: 'Compare predicted lesion masks with the true ones',
  args: {
    predictions: {
      type: 'positional',
      description: 'Folder that `voxelgrad predict` wrote (BIDS derivatives)',
    },
    dataset: { type: 'positional', description: 'Data set with the true masks (BIDS or ISBI 2015)' },
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
    ...DATASET_ARGS,
  },
  examples: [
    { line: 'evaluate ./predictions ./dataset', does: 'everybody who was predicted' },
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

/** The metrics that `--json` prints; one that is not defined becomes null there. */
function metricsOf(metrics: ScanMetrics): Record<string, number> {
  const { dice, tpr, ppv, ltpr, lfpr, volumeDifference } = metrics;
  return { dice, tpr, ppv, ltpr, lfpr, volumeDifference };
}
