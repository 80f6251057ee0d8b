import type { FileStore } from '../../core/files.ts';
import { hashFile } from '../../core/hash-file.ts';
import { toJson } from '../../core/json.ts';
import { Subfolder } from '../../core/subfolder.ts';
import { type Dataset, findSubject, type Scan, scanName } from '../../imaging/dataset/dataset.ts';
import { DESCRIPTION_FILE } from '../../imaging/dataset/derivative.ts';
import { decodeModel, type Model } from '../../pipeline/models/model.ts';
import { predict } from '../../pipeline/predict/run.ts';
import { chooseTraining } from '../../pipeline/train/prepare.ts';
import { runStatus, trainInFolder } from '../../pipeline/train/run-folder.ts';
import {
  RUN_FILES,
  type RunManifest,
  readManifest,
  readRunConfig,
  readTrainingFiles,
} from '../../pipeline/train/run-record.ts';
import { requireSameSettings } from '../../pipeline/train/same-run.ts';
import { EXPERIMENT_FILES, type NetUnit, type StageOneUnit } from '../report/experiment-record.ts';
import { tissueProvider } from '../tissue-provider.ts';
import type { UnitContext } from './unit-context.ts';
import { describeUnitFolder } from './unit-files.ts';
import { unitSettings } from './unit-settings.ts';

/** A unit's net after its last step. */
export interface TrainedNet {
  readonly model: Model;
  readonly summary: Pick<RunManifest, 'steps' | 'seconds' | 'finalLoss' | 'threshold' | 'trainDice'>;
  /** Spent on its steps by processes that were interrupted. */
  readonly earlierSeconds: number;
}

/** Shares of a unit's time that its stages take, roughly, for the display. */
const TRAINED = 0.85;
const CHOSEN = 0.92;

/**
 * Trains a unit's net in the unit's folder, or goes on where an earlier process was interrupted. A net that is trained
 * already is only read.
 *
 * @param tissue whose maps of the data set it sees; null for none
 * @param stageOne the net that corrects the maps of new patients for it, which goes with the run
 * @throws CheckpointError where the folder holds a run of other settings or data; what `trainInFolder` throws.
 */
export async function trainNet(
  unit: NetUnit | StageOneUnit,
  dataset: Dataset,
  tissue: string | null,
  folder: FileStore,
  context: UnitContext,
  stageOne?: Uint8Array,
): Promise<TrainedNet> {
  const { record, version, signal, reopen, onProgress, warn } = context;
  const run = new Subfolder(folder, EXPERIMENT_FILES.run);
  const wanted = unitSettings(record, unit, tissue);
  const judged = withMasks(dataset);
  const manifest = await readManifest(run);
  if (manifest) {
    const config = await readRunConfig(run);
    const { settings } = chooseTraining(judged, wanted);
    requireSameSettings(toJson(config.settings), settings, `${run.name}/${RUN_FILES.config}`);
    const model = decodeModel(await run.read(RUN_FILES.model), `${run.name}/${RUN_FILES.model}`);
    return { model, summary: manifest, earlierSeconds: manifest.seconds };
  }
  const data = await context.shelf.training(judged, wanted, (done, total, name) =>
    onProgress?.(0, `reading ${name}, ${done} of ${total}`),
  );
  const { settings } = data;
  const length = settings.steps ?? (settings.epochs ?? 0) * settings.stepsPerEpoch;
  const resume = (await runStatus(run)) === 'unfinished';
  const kernels = await context.kernels?.(data);
  let earlierSeconds: number | undefined;
  const { result } = await trainInFolder(await context.gpu(), data, run, {
    resume,
    version,
    kernels,
    stageOne,
    signal,
    reopen,
    warn,
    onStep({ step, loss, seconds }) {
      earlierSeconds ??= (seconds * (step - 1)) / step;
      const share = settings.minutes === null ? step / length : seconds / (60 * settings.minutes);
      const rate = `${(seconds / step).toPrecision(3)} s/step`;
      onProgress?.(TRAINED * Math.min(1, share), `step ${step}, loss ${loss.toFixed(4)}, ${rate}`);
    },
    onThreshold(done, total, scan) {
      onProgress?.(TRAINED + ((CHOSEN - TRAINED) * done) / total, `choosing the threshold, ${scan}`);
    },
  });
  return { model: result.model, summary: result, earlierSeconds: earlierSeconds ?? 0 };
}

/**
 * Predicts patients' scans into the unit's folder, at the threshold that training chose.
 * @throws what `predict` throws; the signal's reason.
 */
export async function predictPatients(
  { model }: TrainedNet,
  patients: readonly string[],
  dataset: Dataset,
  tissue: string | null,
  folder: FileStore,
  context: UnitContext,
): Promise<void> {
  const out = new Subfolder(folder, EXPERIMENT_FILES.predictions);
  const scans = scansOf(dataset, patients);
  const run = new Subfolder(folder, EXPERIMENT_FILES.run);
  const { version, record } = context;
  const sha256 = await hashFile(run, RUN_FILES.model);
  const maker = record.units.some(({ id }) => id === tissue) ? (tissue ?? undefined) : undefined;
  await out.write(
    DESCRIPTION_FILE,
    describeUnitFolder('voxelgrad predictions', context, { model: sha256, maker }),
  );
  await predict(await context.gpu(), {
    model,
    dataset,
    scans,
    maps: tissue ?? true,
    provider: tissueProvider(),
    overlap: Number(record.settings.overlap),
    out,
    provenance: {
      version,
      model: { file: `${EXPERIMENT_FILES.run}/${RUN_FILES.model}`, sha256 },
      trainingFiles: await readTrainingFiles(run),
    },
    onTile(done, total, scan) {
      context.signal?.throwIfAborted();
      const share = (scans.indexOf(scan) + done / total) / scans.length;
      context.onProgress?.(CHOSEN + (1 - CHOSEN) * share, `predicting ${scanName(scan)}`);
    },
  });
}

/** All scans of some patients. @throws DatasetError for one that is not there. */
export function scansOf(dataset: Dataset, patients: readonly string[]): Scan[] {
  return patients.flatMap((id) => findSubject(dataset, id).scans);
}

/** The data set without the visits that have no lesion mask: the others of the same patients can be trained on. */
function withMasks(dataset: Dataset): Dataset {
  const subjects = dataset.subjects.map((subject) => ({
    ...subject,
    scans: subject.scans.filter((scan) => scan.lesionMasks.size > 0),
  }));
  return { ...dataset, subjects };
}
