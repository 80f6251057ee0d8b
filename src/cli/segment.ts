import { UsageError } from '../core/errors.ts';
import type { FileSource } from '../core/files.ts';
import { sha256 } from '../core/hash.ts';
import { findScans, scanName } from '../imaging/dataset/dataset.ts';
import { writeCohort } from '../imaging/results/cohort.ts';
import { type LabelSummary, tellSummary } from '../imaging/results/part-files.ts';
import { decodeModel, type Model } from '../pipeline/models/model.ts';
import { presentChannels } from '../pipeline/models/optional-channels.ts';
import type { PredictRequest } from '../pipeline/predict/request.ts';
import { predict as predictScans } from '../pipeline/predict/run.ts';
import { type FailedScan, type PreparedScan, preparedDataset } from '../pipeline/prepare/prepare.ts';
import { RUN_FILES, readTrainingFiles } from '../pipeline/train/run-record.ts';
import type { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';
import '../study/presets/index.ts';
import { findRegions } from '../study/lesion-regions.ts';
import { COHORT_ARGS, type CohortOption, chosenScans, recordUnit, scansOnSlurm } from './cohort.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS, type Options, type SharedName } from './common.ts';
import { LastingGpu } from './lasting-gpu.ts';
import type { Output } from './output.ts';
import { PREDICTION_ARGS } from './prediction-inputs.ts';
import { predictionKernels } from './prediction-kernels.ts';
import { openPrepared, preparedOf, reportScans, type ScanRecord, scanRecord } from './prepare.ts';
import { openRaw, RAW_ARGS, type RawInputs, type RawName } from './raw-inputs.ts';
import { DEFAULT_MODEL, openRun } from './run-source.ts';
import { gatherExecutor } from './slurm.ts';

/** The page of what was prepared, beside that of the masks. */
const PREPARED_PAGE = 'qc-prepared.html';

/** A network with where it lies. */
interface OpenedModel {
  readonly run: FileSource;
  readonly model: Model;
  readonly hash: string;
}

export const segment: Command = command({
  name: 'segment',
  description: 'From raw scans to masks on the FLAIR’s own grid: prepare, then predict',
  args: {
    ...GPU_ARGS,
    ...RAW_ARGS,
    ...COHORT_ARGS,
    run: {
      type: 'string',
      valueHint: 'DIR',
      description: `Folder that \`voxelgrad train\` wrote, a model file, or a name that \`models\` lists (default ${DEFAULT_MODEL})`,
    },
    'no-regions': {
      type: 'boolean',
      description:
        'Do not say in which region of the brain each lesion is, which takes some seconds per scan',
    },
    memory: PREDICTION_ARGS.memory,
    overwrite: { type: 'boolean', description: 'With --executor slurm: do again what is done' },
  },
  examples: [
    {
      line: 'segment ./out --flair flair.nii.gz --t1w t1.nii.gz --brain-mask brain.nii.gz --run ./run',
      does: 'one scan, NIfTI files on two grids',
    },
    { line: 'segment ./dataset ./out --run ./run', does: 'a BIDS data set of raw scans' },
    {
      line: 'segment ./dataset ./out --run ./run --executor slurm --slurm-options "partition=gpu gres=gpu:1"',
      does: 'on a cluster, a task per scan; once more: what is not done yet',
    },
  ],
  run: async (options, output) => {
    await segmentScans(options, output);
  },
});

/** What the journey from raw scans to masks reads of a command line. */
type SegmentOption = RawName | CohortOption | SharedName | 'run' | 'memory' | 'no-regions' | 'overwrite';

/** A scan that was prepared and segmented. */
interface SegmentedRecord extends ScanRecord {
  /** What was found of the network's first label. */
  readonly found: LabelSummary | null;
}

/**
 * Prepares and segments the scans of a command line, here or by Slurm, and tells what was found.
 * @param group whether the tables and pages over all scans are made (default true)
 */
export async function segmentScans(
  options: Options<SegmentOption>,
  output: Output,
  group = true,
): Promise<void> {
  options.seed();
  const slurm = gatherExecutor(options);
  const unit = options.text('unit');
  const memory = options.bytes('memory');
  const network = await openModel(options.text('run'));
  const raw = await openRaw(options, output, chosenScans(options));
  requireSeen(raw, network.model);
  if ((slurm || unit !== undefined) && !raw.raw)
    throw new UsageError(`--${slurm ? 'executor slurm' : 'unit'} is for data sets, not for one scan`, {
      hint: 'Give a BIDS data set, or leave it out.',
    });
  await openPrepared(raw, unit === undefined);
  if (slurm) {
    const records = await scansOnSlurm<SegmentedRecord>(
      raw.scans,
      raw.out,
      slurm,
      options,
      options.flag('overwrite'),
      output,
    );
    if (records) await tellRecords(records, [], raw.out, output, group);
    return;
  }
  const device = await LastingGpu.open(output, 'the last tiles that were saved');
  try {
    const page = unit === undefined && group ? PREPARED_PAGE : undefined;
    const { scans: prepared, failed } = await preparedOf(device.gpu, raw, output, page);
    const locate = options.flag('no-regions') ? undefined : findRegions;
    const records = await predicted(device, prepared, network, raw, { memory, locate }, output);
    if (unit === undefined) await tellRecords(records, failed, raw.out, output, group);
    else {
      for (const record of records) await recordUnit(raw.out, record, options, record);
      output.result({ scans: records }, linesOf(records).join('\n'));
    }
  } finally {
    await device.close();
  }
}

/** Makes the tables over all scans, if they are wanted, and tells what was found. */
async function tellRecords(
  records: readonly SegmentedRecord[],
  failed: readonly FailedScan[],
  out: NodeFolder,
  output: Output,
  group: boolean,
): Promise<void> {
  if (group && records.length > 0) await writeCohort(out, packageVersion(), out.name);
  reportScans(output, records, failed, linesOf(records));
}

function linesOf(records: readonly SegmentedRecord[]): string[] {
  return records.map(
    (scan) =>
      `${scanName(scan)}: ${[...(scan.found ? [tellSummary(scan.found)] : []), scan.mask].join('; ')} (${scan.seconds.toFixed(1)} s)`,
  );
}

async function openModel(place: string | undefined): Promise<OpenedModel> {
  const run = await openRun(place ?? DEFAULT_MODEL);
  const bytes = await run.read(RUN_FILES.model);
  return { run, model: decodeModel(bytes, `${run.name}/${RUN_FILES.model}`), hash: await sha256(bytes) };
}

/** Refuses scans that lack what the network reads, before anything is done. @throws UsageError */
function requireSeen({ scans }: RawInputs, { info }: Model): void {
  if (info.task.maps)
    throw new UsageError('the network reads tissue maps, and segment makes none', {
      hint: 'Use a network that reads images alone; or prepare, make maps with `voxelgrad tissue`, and predict.',
    });
  for (const scan of scans)
    for (const channel of presentChannels(info, scan.modalities.keys()))
      if ((channel !== 'FLAIR' && channel !== 'T1w') || !scan.modalities.has(channel))
        throw new UsageError(
          `${scanName(scan)}: the network reads ${info.task.channels.join(', ')}, and there is no ${channel} that can be prepared`,
          { hint: 'FLAIR and T1w are prepared. Give both, or a network that reads the FLAIR alone.' },
        );
}

async function predicted(
  device: LastingGpu,
  prepared: readonly PreparedScan[],
  { run, model, hash }: OpenedModel,
  { out }: RawInputs,
  how: Pick<PredictRequest, 'memory' | 'locate'>,
  output: Output,
): Promise<SegmentedRecord[]> {
  if (prepared.length === 0) return [];
  const dataset = preparedDataset(out, prepared);
  const scans = findScans(dataset);
  const bar = output.progress({ label: 'predicting', total: scans.length, unit: 'scan' });
  const done = await predictScans(device.gpu, {
    ...{ dataset, scans, model, out, ...how },
    maps: false,
    overlap: 0.5,
    kernels: await predictionKernels(run, device.gpu.capabilities),
    provenance: {
      version: packageVersion(),
      model: { file: RUN_FILES.model, sha256: hash },
      trainingFiles: await readTrainingFiles(run),
    },
    reopen: device.reopen,
    onScan: (_, scan) => {
      for (const warning of scan.warnings) output.note(`warning: ${scanName(scan)}: ${warning}`);
    },
    onTile: (tile, total, scan) => bar.update(scans.indexOf(scan) + tile / total, scanName(scan)),
  });
  return done.map((scan) => {
    const before = prepared.find(
      ({ subject, session }) => subject === scan.subject && session === scan.session,
    )!;
    const record = scanRecord(before, out.name);
    const [found] = scan.found;
    const [mask] = scan.files;
    return {
      ...record,
      mask: mask === undefined ? null : `${out.name}/${mask}`,
      volumeMl: found?.VolumeMl ?? null,
      lesions: found?.Count ?? null,
      found: found ?? null,
      seconds: before.seconds + scan.seconds,
      warnings: [...before.warnings, ...scan.warnings],
    };
  });
}
