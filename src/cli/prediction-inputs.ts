import type { ArgDef } from 'citty';
import { CheckpointError, DatasetError, UsageError } from '../core/errors.ts';
import type { FileSource } from '../core/files.ts';
import { sha256 } from '../core/hash.ts';
import type { Extents } from '../core/shape.ts';
import type { Element } from '../engine/tape/tensor.ts';
import { type Dataset, type Scan, scanName } from '../imaging/dataset/dataset.ts';
import { chooseModalities } from '../imaging/dataset/load-scan.ts';
import { readImport } from '../pipeline/exchange/import-folder.ts';
import { decodeModel, type Model, withThreshold } from '../pipeline/models/model.ts';
import { presentChannels } from '../pipeline/models/optional-channels.ts';
import { requireSameTask } from '../pipeline/predict/ensemble.ts';
import { type MapChoice, needsMaps } from '../pipeline/predict/input-maps.ts';
import type { PredictionProvenance } from '../pipeline/predict/request.ts';
import { requireTile } from '../pipeline/predict/segment.ts';
import { describeChange, SPACING_TOLERANCE, type SpacingChange } from '../pipeline/predict/voxel-size.ts';
import { RUN_FILES, readManifest, readTrainingFiles } from '../pipeline/train/run-record.ts';
import { readStageOne } from '../pipeline/train/stage-one.ts';
import { packageVersion } from '../platform/terminal.ts';
import '../study/presets/index.ts';
import { tissueProvider } from '../study/tissue-provider.ts';
import { allowImages, attachTissues } from './attach-tissues.ts';
import { type Options, parseNumber } from './common.ts';
import { DATASET_ARGS, datasetChoices, openDatasetOf } from './dataset-options.ts';
import type { Output } from './output.ts';
import { openRun } from './run-source.ts';

/** What every command takes that segments scans with a trained network. */
export const PREDICTION_ARGS: {
  readonly run: ArgDef;
  readonly threshold: ArgDef;
  readonly overlap: ArgDef;
  readonly mirror: ArgDef;
  readonly tile: ArgDef;
  readonly memory: ArgDef;
  readonly precision: ArgDef;
  readonly maps: ArgDef;
  readonly 'make-tissues': ArgDef;
  readonly 'no-resample': ArgDef;
  readonly brainmask: ArgDef;
  readonly 'bids-filter': ArgDef;
  readonly 'trust-brain': ArgDef;
} = {
  run: {
    type: 'positional',
    description:
      'Folder that `voxelgrad train` wrote, a model file, or a name that `models` lists, such as ms-lesions',
  },
  threshold: {
    type: 'string',
    valueHint: 'auto|X',
    description:
      'Probability from which a voxel is of the label, such as lesion; auto is what training chose (default auto)',
  },
  overlap: {
    type: 'string',
    valueHint: 'X',
    description: 'Overlap of the sliding window, 0 to 0.9 (default 0.5)',
  },
  mirror: {
    type: 'boolean',
    description: 'Mean of the predictions of all 8 mirrored tiles, as nnU-Net does: 8 times as long',
  },
  tile: {
    type: 'string',
    valueHint: 'N|ZxYxX',
    description: 'Edge of the sliding window in voxels, or its three edges (default: the patch of training)',
  },
  memory: {
    type: 'string',
    valueHint: '512M',
    description:
      'Most that the network and its window may take on the GPU, not the scan in main memory; checked before the first tile. More than 2G also lets single images take more main memory',
  },
  precision: {
    type: 'enum',
    options: ['f32', 'f16'],
    description: 'Floats that activations are stored as; f16 takes half the memory (default f32)',
  },
  maps: {
    type: 'string',
    valueHint: 'DIR',
    description: "Tissue maps' folder, or a derivative's name",
  },
  'make-tissues': {
    type: 'boolean',
    description: "Make a multi-input net's tissue maps from the T1 even where there are some",
  },
  'no-resample': {
    type: 'boolean',
    description: `Predict scans as they are, also where their voxels differ by more than ${100 * SPACING_TOLERANCE} % from those of training`,
  },
  brainmask: DATASET_ARGS.brainmask,
  'bids-filter': DATASET_ARGS['bids-filter'],
  'trust-brain': DATASET_ARGS['trust-brain'],
};

/** A network, the data set it is to segment, and how. */
export interface PredictionInputs {
  /** Where the network lies. */
  readonly run: FileSource;
  readonly model: Model;
  /** Networks that are put together with it. */
  readonly others: readonly Model[];
  readonly provenance: PredictionProvenance;
  readonly dataset: Dataset;
  /** Undefined for what training chose. */
  readonly threshold: number | undefined;
  readonly overlap: number;
  readonly mirror: boolean;
  readonly tile: Extents | undefined;
  readonly memory: number | undefined;
  readonly precision: Element | undefined;
  readonly maps: MapChoice;
  /** Whether scans of another voxel size than the model's are resampled for it. */
  readonly resample: boolean;
  /** The net that corrects the tissue maps that are made, where the run has one. */
  readonly stageOne: Model | undefined;
}

/**
 * Reads and checks them.
 * @param more folders of runs whose networks are put together with the first one's
 * @param only the subject to look at (default: all)
 * @throws UsageError, StorageError, CheckpointError, DatasetError.
 */
export async function openPrediction(
  options: Options<keyof typeof PREDICTION_ARGS | 'dataset'>,
  output: Output,
  more: readonly string[] = [],
  only?: string,
): Promise<PredictionInputs> {
  const threshold = parseThreshold(options.text('threshold') ?? 'auto');
  const overlap = options.number('overlap', { min: 0, max: 0.9 }) ?? 0.5;
  const tile = options.extents('tile');
  const memory = options.bytes('memory');
  const run = await openRun(options.required('run'));
  const { model, hash } = await readModel(run);
  const members: { readonly run: FileSource; readonly model: Model; readonly hash: string }[] = [];
  for (const path of more) {
    const folder = await openRun(path);
    members.push({ run: folder, ...(await readModel(folder)) });
  }
  requireSameTask([[run.name, model], ...members.map((each) => [each.run.name, each.model] as const)]);
  const trained = await Promise.all([run, ...members.map((each) => each.run)].map(readTrainingFiles));
  if (threshold !== undefined) withThreshold(model.info, threshold);
  if (tile !== undefined) requireTile(model.info, tile);
  const tissue = options.text('maps') ?? null;
  const make = options.flag('make-tissues');
  if (make && tissue !== null)
    throw new UsageError('--maps and --make-tissues exclude each other', { hint: 'Give one of them.' });
  const found = await openDatasetOf(options.required('dataset'), datasetChoices(options), output, only);
  const dataset = allowImages(await attachTissues(found, tissue), memory);
  return {
    run,
    model,
    others: members.map((each) => each.model),
    provenance: {
      version: packageVersion(),
      model: { file: RUN_FILES.model, sha256: hash },
      others: members.map((each) => each.hash),
      trainingFiles: trained.every((files) => files !== undefined)
        ? new Set(trained.flatMap((files) => [...files]))
        : undefined,
    },
    dataset,
    threshold,
    overlap,
    mirror: options.flag('mirror'),
    tile,
    memory,
    precision: options.text('precision') as Element | undefined,
    maps: tissue ?? !make,
    resample: !options.flag('no-resample'),
    stageOne: await readStageOne(run, model.info.task),
  };
}

/** The network that a run ended with, and its SHA-256. @throws CheckpointError, FileFormatError, StorageError. */
async function readModel(run: FileSource): Promise<{ readonly model: Model; readonly hash: string }> {
  const bytes = await run.read(RUN_FILES.model);
  const file = `${run.name}/${RUN_FILES.model}`;
  const model = decodeModel(bytes, file);
  const hash = await sha256(bytes);
  await requireListed(run, hash, file);
  return { model, hash };
}

/** Refuses a network that is not the one that its run ended with. @throws CheckpointError, FileFormatError. */
async function requireListed(run: FileSource, hash: string, file: string): Promise<void> {
  const record = (await readManifest(run)) ?? (await readImport(run));
  const listed = record?.files[RUN_FILES.model];
  if (listed === undefined || listed === hash) return;
  throw new CheckpointError(
    `${file} is not the network that the run ended with: its SHA-256 is ${hash.slice(0, 12)}…, and the folder's record lists ${listed.slice(0, 12)}…`,
    { hint: 'Restore the file; or copy it alone into a new folder to use it as it is.' },
  );
}

/** The number of `--threshold`; undefined for `auto`. @throws UsageError where it is neither. */
function parseThreshold(text: string): number | undefined {
  return text === 'auto' ? undefined : parseNumber(text, '--threshold', { min: 0, max: 1 });
}

/**
 * Checks that the scans have what the model reads, and tells which tissue maps will be made and how.
 * @throws DatasetError for a scan that lacks what the model reads, or what it is made from.
 */
export function requireModelInputs(
  scans: readonly Scan[],
  { model: { info }, maps, stageOne }: PredictionInputs,
  output: Output,
): void {
  for (const scan of scans) requireImages(scan, presentChannels(info, scan.modalities.keys()));
  const made = scans.filter((scan) =>
    needsMaps(scan, info.task, { maps, provider: tissueProvider(stageOne) }),
  );
  if (made.length === 0) return;
  const how = stageOne
    ? "the run's stage-1 net makes lesions white matter in them"
    : `they stay uncorrected, since the run has no ${RUN_FILES.stageOne} (see train --stage-1)`;
  output.note(`note: tissue maps of ${made.map(scanName).join(', ')} are made from the T1; ${how}`);
}

/** @throws DatasetError naming what the network reads and the scan lacks. */
function requireImages(scan: Scan, wanted: readonly string[]): void {
  try {
    chooseModalities(scan, wanted);
  } catch (cause) {
    if (!(cause instanceof DatasetError)) throw cause;
    throw new DatasetError(`${cause.message}; the network reads ${wanted.join(', ')}`, {
      hint: 'Name the others with --subjects, or use a network that was trained on what this scan has.',
      cause,
    });
  }
}

/** Tells what is done about a scan's voxel size. */
export function noteSpacing(
  scan: Scan,
  change: SpacingChange,
  { resample }: PredictionInputs,
  output: Output,
): void {
  output.note(`note: ${scanName(scan)}: ${describeChange(change, resample)}`);
}
