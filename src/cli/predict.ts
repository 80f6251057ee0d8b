import { UsageError } from '../core/errors.ts';
import { formatRecord } from '../core/record.ts';
import { findScans, scanName } from '../imaging/dataset/dataset.ts';
import { describeInputs, MAPS_TREE } from '../imaging/dataset/inputs.ts';
import { writeCohort } from '../imaging/results/cohort.ts';
import { type LabelSummary, tellSummary } from '../imaging/results/part-files.ts';
import type { Model } from '../pipeline/models/model.ts';
import { predict as predictScans } from '../pipeline/predict/run.ts';
import { TASK_FILE } from '../pipeline/task/task-file.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';
import { findRegions } from '../study/lesion-regions.ts';
import { tissueProvider } from '../study/tissue-provider.ts';
import { mapsFolder } from './attach-tissues.ts';
import {
  COHORT_ARGS,
  type CohortOption,
  chosenScans,
  neverSubmitted,
  recordUnit,
  scansOnSlurm,
} from './cohort.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS, type Options, type SharedName } from './common.ts';
import { LastingGpu } from './lasting-gpu.ts';
import type { Output } from './output.ts';
import { claimFolder, OVERWRITE_ARG, requireNew, requireOwnFolder } from './own-folder.ts';
import { noteSpacing, openPrediction, PREDICTION_ARGS, requireModelInputs } from './prediction-inputs.ts';
import { predictionKernels } from './prediction-kernels.ts';
import { tellCohort } from './qc.ts';
import { gatherExecutor } from './slurm.ts';

/** How BIDS's description names what is written. */
const CONTENT = 'voxelgrad predictions';

export const predict: Command = command({
  name: 'predict',
  description: 'Segment scans with a trained network, or the mean of several: RUN RUN ... DATASET OUT',
  args: {
    ...GPU_ARGS,
    run: PREDICTION_ARGS.run,
    dataset: { type: 'positional', description: 'Data set (BIDS or ISBI 2015)' },
    out: { type: 'positional', description: 'Folder for masks and probability maps (BIDS derivatives)' },
    subjects: { type: 'string', valueHint: 'ID,ID', description: 'Whom to segment (default: all)' },
    threshold: PREDICTION_ARGS.threshold,
    overlap: PREDICTION_ARGS.overlap,
    mirror: PREDICTION_ARGS.mirror,
    tile: PREDICTION_ARGS.tile,
    memory: PREDICTION_ARGS.memory,
    precision: PREDICTION_ARGS.precision,
    'min-lesion': {
      type: 'string',
      valueHint: 'MM',
      description:
        'Leave out lesions (parts of any label) whose longest diameter is below this (default: none)',
    },
    'no-regions': {
      type: 'boolean',
      description:
        'Do not say in which region of the brain each lesion is, which takes some seconds per scan',
    },
    maps: PREDICTION_ARGS.maps,
    'make-tissues': PREDICTION_ARGS['make-tissues'],
    'no-resample': PREDICTION_ARGS['no-resample'],
    brainmask: PREDICTION_ARGS.brainmask,
    'bids-filter': PREDICTION_ARGS['bids-filter'],
    'trust-brain': PREDICTION_ARGS['trust-brain'],
    overwrite: OVERWRITE_ARG,
    ...COHORT_ARGS,
  },
  manyFirst: true,
  examples: [
    { line: 'predict ./run ./dataset ./predictions --subjects 26', does: 'one patient' },
    { line: 'predict ./run-1 ./run-2 ./dataset ./predictions', does: 'the mean of two networks' },
    { line: 'predict ./run ./dataset ./predictions --threshold 0.5 --overlap 0.25', does: 'all, faster' },
    { line: 'predict ./run ./dataset ./predictions --min-lesion 3', does: 'no lesions smaller than 3 mm' },
    {
      line: 'predict ./run ./dataset ./predictions --make-tissues',
      does: 'a multi-input net on maps of our own, whatever maps there are',
    },
  ],
  run: async (options, output) => {
    await predictDataset(options, output);
  },
});

/** What a prediction reads of a command line. */
type PredictOption =
  | keyof typeof PREDICTION_ARGS
  | CohortOption
  | SharedName
  | 'dataset'
  | 'out'
  | 'subjects'
  | 'min-lesion'
  | 'no-regions'
  | 'overwrite';

/**
 * Predicts the scans of a data set, here or by Slurm, and tells what was found.
 * @param group whether the tables over all scans are made (default true)
 */
export async function predictDataset(
  options: Options<PredictOption>,
  output: Output,
  group = true,
): Promise<void> {
  options.seed();
  const slurm = gatherExecutor(options);
  const isUnit = options.text('unit') !== undefined;
  const minDiameter = options.number('min-lesion', { above: 0 });
  const words = options.words();
  const { ids, visits, only } = chosenScans(options);
  const inputs = await openPrediction(options, output, words.slice(1, -2), only);
  const scans = findScans(inputs.dataset, ids, visits);
  requireModelInputs(scans, inputs, output);
  const out = new NodeFolder(options.required('out'));
  await out.checkWritable();
  const maps = mapsFolder(inputs.dataset, options.text('maps') ?? null);
  const origin = {
    raw: out.pathTo(new NodeFolder(options.required('dataset'))),
    trees: maps && { [MAPS_TREE]: out.pathTo(maps) },
    // Of an ensemble all count, in whatever order.
    model: [inputs.provenance.model.sha256, ...(inputs.provenance.others ?? [])].sort().join(' '),
  };
  await requireOwnFolder(out, CONTENT, origin.model);
  if (slurm || isUnit) requireScanFiles(inputs.model);
  const overwrite = options.flag('overwrite');
  if (!isUnit) await requireNew(out, slurm ? await neverSubmitted(out, scans) : scans, overwrite);
  const { info } = inputs.model;
  output.note(describeInputs(inputs.dataset, scans, { modalities: info.task.channels }));
  if (slurm) {
    await claimFolder(out, CONTENT, origin);
    const rows = await scansOnSlurm<Row>(scans, out, slurm, options, overwrite, output);
    if (!rows) return;
    await out.write(TASK_FILE, formatRecord(info.task));
    await tellRows(rows, out, output, group);
    return;
  }
  const device = await LastingGpu.open(output, 'the last tiles that were saved');
  try {
    if (!isUnit) await claimFolder(out, CONTENT, origin);
    const bar = output.progress({ label: 'predicting', total: scans.length, unit: 'scan' });
    const kernels = await predictionKernels(inputs.run, device.gpu.capabilities);
    const { stageOne, resample } = inputs;
    const predicted = await predictScans(device.gpu, {
      ...inputs,
      kernels,
      minDiameter,
      locate: options.flag('no-regions') ? undefined : findRegions,
      provider: tissueProvider(stageOne, { resample, kernels }),
      reopen: device.reopen,
      scans,
      out,
      onSpacing: (scan, change) => noteSpacing(scan, change, inputs, output),
      onScan: (_, done) => {
        for (const warning of done.warnings) output.note(`warning: ${scanName(done)}: ${warning}`);
      },
      onTile: (done, total, scan) => bar.update(scans.indexOf(scan) + done / total, scanName(scan)),
    });
    const within = (path: string): string => `${out.name}/${path}`;
    const rows = predicted.map(({ files, tables, values, maps, madeMaps, ...scan }) => {
      const [first, second] = files.map(within);
      // A head that decides about one label gives a mask, then probabilities.
      const main = first?.endsWith('_mask.nii.gz') ? { mask: first, probabilities: second } : {};
      const numbers = Object.keys(values).length > 0 ? { values } : {};
      return {
        ...scan,
        ...main,
        files: files.map(within),
        tables: tables.map(within),
        ...numbers,
        tissue: maps,
        tissueMaps: madeMaps.map(within),
      };
    });
    if (isUnit) {
      for (const row of rows) await recordUnit(out, row, options, row);
      output.result({ scans: rows }, linesOf(rows).join('\n'));
    } else {
      await out.write(TASK_FILE, formatRecord(info.task));
      await tellRows(rows, out, output, group);
    }
  } finally {
    await device.close();
  }
}

/** Makes the tables over all scans, if there are tables, and tells what was found. */
async function tellRows(
  rows: readonly Row[],
  out: NodeFolder,
  output: Output,
  group: boolean,
): Promise<void> {
  const lines = linesOf(rows);
  if (group && rows.some(({ tables }) => tables.length > 0))
    lines.push(tellCohort(await writeCohort(out, packageVersion(), out.name), out.name));
  output.result({ scans: rows }, lines.join('\n'));
}

function linesOf(rows: readonly Row[]): string[] {
  return rows.map((row) => `${scanName(row)}: ${told(row)} (${row.seconds.toFixed(1)} s)`);
}

/** Refuses a network whose numbers of whole scans make one table. @throws UsageError */
function requireScanFiles({ info }: Model): void {
  const head = info.task.heads.find(({ target }) => target.from === 'column');
  if (head)
    throw new UsageError(
      `the network's head ${head.name} gives a number per scan, and these make one table: tasks cannot each make it`,
      { hint: 'Predict without --executor slurm and --unit.' },
    );
}

/** What was found in a scan, its numbers and its first file. */
function told({ files, found, values }: Told): string {
  const numbers = Object.entries(values ?? {}).map(
    ([head, value]) => `${head} ${Number(value).toPrecision(4)}`,
  );
  return [...found.map(tellSummary), ...numbers, ...files.slice(0, 1)].join('; ');
}

interface Row extends Told {
  readonly subject: string;
  readonly session: string | null;
  readonly tables: readonly string[];
  readonly seconds: number;
}

interface Told {
  readonly files: readonly string[];
  readonly found: readonly LabelSummary[];
  readonly values?: object;
}
