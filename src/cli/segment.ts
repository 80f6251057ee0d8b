import { UsageError } from '../core/errors.ts';
import type { FileSource } from '../core/files.ts';
import { sha256 } from '../core/hash.ts';
import { findScans, scanName } from '../imaging/dataset/dataset.ts';
import { writeCohort } from '../imaging/results/cohort.ts';
import { formatMl } from '../imaging/results/part-words.ts';
import { decodeModel, type Model } from '../pipeline/models/model.ts';
import { presentChannels } from '../pipeline/models/optional-channels.ts';
import { predict as predictScans } from '../pipeline/predict/run.ts';
import { type PreparedScan, preparedDataset } from '../pipeline/prepare/prepare.ts';
import { RUN_FILES, readTrainingFiles } from '../pipeline/train/run-record.ts';
import { packageVersion } from '../platform/terminal.ts';
import '../study/presets/index.ts';
import { type Command, command } from './command.ts';
import { LastingGpu } from './lasting-gpu.ts';
import type { Output } from './output.ts';
import { predictionKernels } from './prediction-kernels.ts';
import { openPrepared, preparedOf, type ScanRecord, scanRecord } from './prepare.ts';
import { openRaw, RAW_ARGS, type RawInputs } from './raw-inputs.ts';
import { openRun } from './run-source.ts';

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
    ...RAW_ARGS,
    run: {
      type: 'string',
      valueHint: 'DIR',
      description:
        'Folder that `voxelgrad train` wrote, a model file, or a name that `models` lists (required)',
    },
  },
  examples: [
    {
      line: 'segment ./out --flair flair.nii.gz --t1w t1.nii.gz --brain-mask brain.nii.gz --run ./run',
      does: 'one scan, NIfTI files on two grids',
    },
    {
      line: 'segment ./dataset ./out',
      does: 'a BIDS data set of raw scans, with the network that comes with it',
    },
  ],
  async run(options, output) {
    options.seed();
    const network = await openModel(options.text('run'));
    const raw = await openRaw(options, output);
    requireSeen(raw, network.model);
    await openPrepared(raw);
    const device = await LastingGpu.open(output, 'the last tiles that were saved');
    try {
      const prepared = await preparedOf(device.gpu, raw, output);
      const records = await predicted(device, prepared, network, raw, output);
      await writeCohort(raw.out, packageVersion(), raw.out.name);
      const lines = records.map(
        (scan) =>
          `${scanName(scan)}: ${scan.lesions} lesions, ${formatMl(scan.volumeMl ?? 0)} ml: ${scan.mask} (${scan.seconds.toFixed(1)} s)`,
      );
      output.result({ scans: records }, lines.join('\n'));
    } finally {
      await device.close();
    }
  },
});

async function openModel(place: string | undefined): Promise<OpenedModel> {
  if (place === undefined)
    throw new UsageError('--run is missing: there is no network to segment with', {
      hint: 'Train one with `voxelgrad train` on what `voxelgrad prepare` wrote, and name its folder.',
    });
  const run = await openRun(place);
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
  output: Output,
): Promise<ScanRecord[]> {
  const dataset = preparedDataset(out, prepared);
  const scans = findScans(dataset);
  const bar = output.progress({ label: 'predicting', total: scans.length, unit: 'scan' });
  const done = await predictScans(device.gpu, {
    ...{ dataset, scans, model, out },
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
      seconds: before.seconds + scan.seconds,
      warnings: [...before.warnings, ...scan.warnings],
    };
  });
}
