import { DatasetError } from '../../core/errors.ts';
import { formatShape } from '../../core/shape.ts';
import { predictsTissues, takesTissues } from '../../engine/nn/variants.ts';
import {
  commonModalities,
  type Dataset,
  findScans,
  type Scan,
  scanName,
} from '../../imaging/dataset/dataset.ts';
import { chooseModalities, loadScan } from '../../imaging/dataset/load-scan.ts';
import { type PreparedScan, preprocess } from '../../imaging/dataset/preprocess.ts';
import type { ResolvedTrainSettings, TrainSettings } from './settings.ts';

/** What a training run starts from. */
export interface TrainingData {
  readonly settings: ResolvedTrainSettings;
  readonly scans: readonly PreparedScan[];
}

/** Voxels kept around the brain, so that patches at its edge see some background. */
const MARGIN = 8;

/**
 * Finds the scans that the settings mean, and which modalities they share. Reads no image.
 * @throws DatasetError for an unknown subject, a scan without a lesion mask, and where nothing is shared.
 */
export function chooseTraining(
  dataset: Dataset,
  settings: TrainSettings,
): { readonly settings: ResolvedTrainSettings; readonly scans: readonly Scan[] } {
  const all = findScans(dataset, settings.subjects ?? undefined);
  const scans = settings.subjects ? all : all.filter((scan) => scan.lesionMasks.size > 0);
  const bare = scans.find((scan) => scan.lesionMasks.size === 0);
  if (bare) {
    const usable = [
      ...new Set(
        findScans(dataset)
          .filter((s) => s.lesionMasks.size > 0)
          .map((s) => s.subject),
      ),
    ];
    throw new DatasetError(`${scanName(bare)}: there is no lesion mask to train on`, {
      hint: usable.length > 0 ? `Subjects with a mask: ${usable.join(', ')}.` : 'Add masks to the data set.',
    });
  }
  if (scans.length === 0)
    throw new DatasetError(`${dataset.name}: no scan has a lesion mask to train on`, {
      hint: 'Add masks to the data set (BIDS: derivatives/NAME/sub-XX/anat/sub-XX_label-lesion_mask.nii.gz).',
    });
  const modalities = settings.modalities
    ? chooseModalities(scans[0]!, settings.modalities).map(([name]) => name)
    : commonModalities(scans);
  for (const scan of scans) chooseModalities(scan, modalities);
  if (modalities.length === 0)
    throw new DatasetError(`the scans ${scans.map(scanName).join(', ')} share no modality`, {
      hint: 'Choose other subjects.',
    });
  const subjects = settings.subjects ?? [...new Set(scans.map((scan) => scan.subject))];
  return { settings: { ...settings, subjects, modalities }, scans };
}

/**
 * Reads and standardises the scans to train on, cut to the brain with room for a patch.
 * @throws DatasetError for what {@link chooseTraining} and `loadScan` refuse, and for a volume smaller than a patch;
 *   GridMismatchError, FileFormatError, StorageError.
 */
export async function prepareTraining(
  dataset: Dataset,
  wanted: TrainSettings,
  onScan: (done: number, total: number, name: string) => void = () => {},
): Promise<TrainingData> {
  const { settings, scans } = chooseTraining(dataset, wanted);
  const prepared: PreparedScan[] = [];
  for (const scan of scans) {
    prepared.push(await prepareScan(dataset, scan, settings));
    onScan(prepared.length, scans.length, scanName(scan));
  }
  return { settings, scans: prepared };
}

/** One scan as {@link prepareTraining} reads it, and with the same errors. */
export async function prepareScan(
  dataset: Dataset,
  scan: Scan,
  { variant, modalities, tissue: source, rater, patch }: ResolvedTrainSettings,
): Promise<PreparedScan> {
  const tissue = takesTissues(variant) || predictsTissues(variant) ? (source ?? true) : false;
  const loaded = await loadScan(dataset, scan, { modalities, tissue, rater, requireLesions: true });
  if (loaded.grid.shape.some((extent) => extent < patch))
    throw new DatasetError(
      `${scanName(scan)}: a patch of ${formatShape([patch, patch, patch])} voxels is larger than the volume, ${formatShape(loaded.grid.shape)}`,
      { hint: `Choose a patch of at most ${Math.min(...loaded.grid.shape)} voxels.` },
    );
  return preprocess(loaded, { crop: { margin: MARGIN, minimum: [patch, patch, patch] } });
}
