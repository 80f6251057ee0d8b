import { UsageError } from '../core/errors.ts';
import { choosePredictions } from '../imaging/evaluate/evaluate-predictions.ts';
import { scorePredictions, scoreTable } from '../imaging/evaluate/score-predictions.ts';
import { formatTable } from '../imaging/evaluate/tables.ts';
import type { Connectivity } from '../imaging/volume/components.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { type Command, command } from './command.ts';
import { DATASET_ARGS, datasetChoices, openDatasetOf } from './dataset-options.ts';

export const score: Command = command({
  name: 'score',
  description: 'Score predicted lesion masks as the ISBI 2015 challenge does, per scan and rater',
  args: {
    predictions: {
      type: 'positional',
      description: 'Folder that `voxelgrad predict` wrote, or a submission (training01_01_TEAM.nii)',
    },
    truth: { type: 'positional', description: 'Data set with the true masks (BIDS or ISBI 2015)' },
    subjects: { type: 'string', valueHint: 'ID,ID', description: 'Whom to score (default: all predicted)' },
    raters: {
      type: 'string',
      valueHint: 'NAME,NAME',
      description: 'Raters by name or number, union, intersection (default: every rater)',
    },
    connectivity: {
      type: 'enum',
      options: ['6', '18', '26'],
      description: 'Which voxels of a lesion touch: by faces, edges or corners (default 26)',
    },
    ...DATASET_ARGS,
  },
  examples: [
    { line: 'score ./predictions ./isbi', does: 'every scan that was predicted, against each rater' },
    { line: 'score ./predictions ./isbi --raters 1 --json', does: 'one rater, for a program to read' },
  ],
  async run(options, output) {
    options.seed();
    const raters = options.list('raters');
    if (raters?.includes('mean'))
      throw new UsageError('--raters takes no mean: scores are taken against each rater and then averaged', {
        hint: 'Leave --raters out to score against every rater.',
      });
    const connectivity = Number(options.text('connectivity') ?? '26') as Connectivity;
    const predictions = new NodeFolder(options.required('predictions'));
    const dataset = await openDatasetOf(options.required('truth'), datasetChoices(options), output);
    const { pairs, notes } = await choosePredictions(predictions, dataset, options.list('subjects'));
    for (const note of notes) output.note(note);
    const bar = output.progress({ label: 'scoring', total: pairs.length, unit: 'scan' });
    const result = await scorePredictions(predictions, dataset, pairs, {
      raters,
      connectivity,
      onScan: (done, name) => bar.update(done, name),
    });
    const lines = result.raters.map(
      ({ rater, volumeCorrelation }) =>
        `rater ${rater}: volume correlation ${volumeCorrelation.toFixed(4).replace('NaN', 'n/a')}`,
    );
    const all = `raw score ${result.score.toFixed(4).replace('NaN', 'n/a (it needs two scans whose volumes differ)')}`;
    output.result(
      {
        score: result.score,
        connectivity,
        raters: result.raters.map(({ rater, volumeCorrelation, mean, of, scans }) => ({
          rater,
          volumeCorrelation,
          mean,
          scans: scans.map((scan, i) => ({ subject: of[i]!.subject, session: of[i]!.session, ...scan })),
        })),
      },
      [formatTable(scoreTable(result, connectivity)), '', ...lines, all].join('\n'),
    );
  },
});
