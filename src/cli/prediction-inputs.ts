import type { ArgDef } from 'citty';
import { decodeModel, type Model } from '../checkpoint/checkpoint.ts';
import { DatasetError } from '../core/errors.ts';
import { type Dataset, type Scan, scanName } from '../dataset/dataset.ts';
import { chooseModalities } from '../dataset/load-scan.ts';
import { openDataset } from '../dataset/open-dataset.ts';
import { takesTissues } from '../nn/variants.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { attachTissues } from './attach-tissues.ts';
import { type Options, parseNumber } from './common.ts';
import { RUN_FILES } from './train.ts';

/** What every command takes that segments scans with a trained network. */
export const PREDICTION_ARGS: {
  readonly run: ArgDef;
  readonly threshold: ArgDef;
  readonly overlap: ArgDef;
  readonly tissue: ArgDef;
} = {
  run: { type: 'positional', description: 'Folder that `voxelgrad train` wrote' },
  threshold: {
    type: 'string',
    valueHint: 'auto|X',
    description: 'Probability from which a voxel is lesion; auto is what training chose (default auto)',
  },
  overlap: {
    type: 'string',
    valueHint: 'X',
    description: 'Overlap of the sliding window, 0 to 0.9 (default 0.5)',
  },
  tissue: {
    type: 'string',
    valueHint: 'DIR',
    description: "Tissue maps' folder, or a derivative's name",
  },
};

/** A network, the data set it is to segment, and how. */
export interface PredictionInputs {
  readonly model: Model;
  readonly dataset: Dataset;
  readonly threshold: number;
  readonly overlap: number;
  /** Whose tissue maps, or null for the preferred ones. */
  readonly tissue: string | null;
}

/** Reads and checks them. @throws UsageError, StorageError, CheckpointError, DatasetError. */
export async function openPrediction(
  options: Options<keyof typeof PREDICTION_ARGS | 'dataset'>,
): Promise<PredictionInputs> {
  const threshold = parseThreshold(options.text('threshold') ?? 'auto');
  const overlap = options.number('overlap', { min: 0, max: 0.9 }) ?? 0.5;
  const run = new NodeFolder(options.required('run'));
  const model = decodeModel(await run.read(RUN_FILES.model), `${run.name}/${RUN_FILES.model}`);
  const tissue = options.text('tissue') ?? null;
  const dataset = await attachTissues(await openDataset(new NodeFolder(options.required('dataset'))), tissue);
  return { model, dataset, threshold: threshold ?? model.info.threshold, overlap, tissue };
}

/** The number of `--threshold`; undefined for `auto`. @throws UsageError where it is neither. */
function parseThreshold(text: string): number | undefined {
  return text === 'auto' ? undefined : parseNumber(text, '--threshold', { min: 0, max: 1 });
}

/**
 * @param tissue whose maps, or null for the preferred ones
 * @throws DatasetError for a scan that lacks what the model reads.
 */
export function requireModelInputs(scans: readonly Scan[], { info }: Model, tissue: string | null): void {
  for (const scan of scans) {
    chooseModalities(scan, info.modalities);
    const maps = tissue === null ? scan.tissues.size > 0 : scan.tissues.has(tissue);
    if (takesTissues(info.variant) && !maps)
      throw new DatasetError(
        `${scanName(scan)}: the ${info.variant} model reads tissue maps; there are none`,
        {
          hint: 'Make them with `voxelgrad tissue` or SPM (c1, c2, c3), or give their folder with --tissue.',
        },
      );
  }
}
