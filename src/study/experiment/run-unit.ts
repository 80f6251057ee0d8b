import type { FileStore } from '../../core/files.ts';
import { hashFile } from '../../core/hash-file.ts';
import { formatRecord } from '../../core/record.ts';
import { Subfolder } from '../../core/subfolder.ts';
import { removeUnfinished } from '../../core/unfinished-files.ts';
import { recordedChoices } from '../../imaging/dataset/choices.ts';
import { type Dataset, type Scan, scanName } from '../../imaging/dataset/dataset.ts';
import { DESCRIPTION_FILE } from '../../imaging/dataset/derivative.ts';
import { hashInputs } from '../../imaging/dataset/inputs.ts';
import { loadScan } from '../../imaging/dataset/load-scan.ts';
import { findPredicted } from '../../imaging/dataset/prediction-path.ts';
import { sidecar, sidecarPath } from '../../imaging/dataset/sidecar.ts';
import { withTissues } from '../../imaging/dataset/tissue-files.ts';
import { TISSUES } from '../../imaging/dataset/tissue-maps.ts';
import { readMask } from '../../imaging/nifti/read.ts';
import { correctTissues } from '../../imaging/tissue/correct-tissues.ts';
import { makeTissues } from '../../imaging/tissue/make-tissues.ts';
import { writeTissueDerivative } from '../../imaging/tissue/write-tissues.ts';
import { hasFile, RUN_FILES } from '../../pipeline/train/run-record.ts';
import { takesTissues, type Variant } from '../presets/index.ts';
import {
  type CorrectionUnit,
  EXPERIMENT_FILES,
  type ExperimentUnit,
  type NetUnit,
  type StageOneUnit,
  type UnitResult,
} from '../report/experiment-record.ts';
import { judgePatients } from './judge.ts';
import { TISSUE_MODALITIES } from './plan.ts';
import { predictPatients, scansOf, type TrainedNet, trainNet } from './run-net.ts';
import type { UnitContext } from './unit-context.ts';
import { describeUnitFolder, unitFolder, unitMaps } from './unit-files.ts';

/** What a unit has to tell besides how long it took. */
type Outcome = Omit<UnitResult, 'unit' | 'version' | 'adapter' | 'seconds'> & {
  readonly earlierSeconds: number;
};

const NO_NET: Outcome = {
  steps: null,
  finalLoss: null,
  threshold: null,
  trainDice: null,
  scans: [],
  earlierSeconds: 0,
};

/**
 * Does one unit in its folder and writes its result last. What it needs must be finished. A unit that was interrupted
 * goes on where it was: nets at their last checkpoint, maps at the first scan without; what it leaves is, bit for bit,
 * what it would have left undisturbed. Only one process may work in the folder; that is the caller's to see to.
 *
 * @throws DatasetError, GridMismatchError, FileFormatError for a scan that cannot be used; CheckpointError where the
 *   folder holds work of other settings or data; StorageError, GpuError; the signal's reason.
 */
export async function runUnit(unit: ExperimentUnit, context: UnitContext): Promise<UnitResult> {
  const started = performance.now();
  const folder = unitFolder(context.out, unit.id);
  await removeUnfinished(folder, '', true);
  const { earlierSeconds, ...outcome } = await outcomeOf(unit, folder, context);
  const result: UnitResult = {
    unit: unit.id,
    version: context.version,
    adapter: (await context.gpu()).capabilities.description,
    seconds: earlierSeconds + (performance.now() - started) / 1000,
    ...outcome,
  };
  await folder.write(EXPERIMENT_FILES.result, formatRecord(result));
  return result;
}

async function outcomeOf(unit: ExperimentUnit, folder: FileStore, context: UnitContext): Promise<Outcome> {
  switch (unit.kind) {
    case 'tissue':
      await makeMaps(unit.id, context);
      return NO_NET;
    case 'correction':
      await correctMaps(unit, context);
      return NO_NET;
    case 'stage-1':
      return await runStageOne(unit, folder, context);
    case 'net':
      return await runNet(unit, folder, context);
  }
}

async function makeMaps(unit: string, context: UnitContext): Promise<void> {
  const { dataset, record, signal, onProgress } = context;
  const out = await claimMaps(unit, 'voxelgrad tissue maps', context);
  const scans = scansOf(dataset, record.dataset.subjects);
  for (const [i, scan] of scans.entries()) {
    signal?.throwIfAborted();
    if (await areMapsDone(out, scan)) continue;
    await makeTissues(await context.gpu(), {
      dataset,
      scans: [scan],
      method: 'em',
      modalities: TISSUE_MODALITIES,
      out,
      version: context.version,
      onProgress(done, name) {
        signal?.throwIfAborted();
        onProgress?.((i + done) / scans.length, name);
      },
    });
  }
}

async function correctMaps(unit: CorrectionUnit, context: UnitContext): Promise<void> {
  const { out, record, version, signal, onProgress } = context;
  const { dataset, tissue } = await uncorrected(context);
  const made = record.units.find(({ kind }) => kind === 'tissue');
  const maps = await claimMaps(unit.id, 'voxelgrad corrected tissue maps', context, made?.id);
  const modalities = context.record.settings.modalities as readonly string[];
  const patients = Object.entries(unit.by);
  for (const [i, [patient, stageOne]] of patients.entries()) {
    const lesions = new Subfolder(unitFolder(out, stageOne), EXPERIMENT_FILES.predictions);
    for (const scan of scansOf(dataset, [patient])) {
      signal?.throwIfAborted();
      onProgress?.(i / patients.length, scanName(scan));
      if (await areMapsDone(maps, scan)) continue;
      const loaded = await loadScan(dataset, scan, { modalities, tissue });
      const path = await findPredicted(lesions, scan, { label: 'lesion', suffix: 'mask' });
      const { volume } = await readMask(await lesions.open(path), `${lesions.name}/${path}`);
      const corrected = correctTissues(loaded.tissues!, volume.data, scanName(scan));
      const written = await writeTissueDerivative(maps, loaded, corrected, 'lesions as WM');
      const asked = { modalities: [], maps: TISSUES, mapSource: tissue };
      const sources = (await hashInputs(dataset, scan, asked)).filter(({ role }) => role !== 'brain mask');
      const mask = { role: 'lesion mask', path, sha256: await hashFile(lesions, path), tree: stageOne };
      const facts = {
        version,
        inputs: [...sources, mask],
        brain: loaded.brainSource,
        choices: recordedChoices(dataset.choices),
        method: { Method: 'lesion voxels made white matter', LesionsBy: stageOne },
        warnings: loaded.warnings ?? [],
      };
      for (const [i, file] of written.entries())
        await maps.write(sidecarPath(file), sidecar({ label: TISSUES[i]!, suffix: 'probseg' }, facts));
    }
  }
}

/** The maps before they are corrected. */
async function uncorrected({ dataset, out, record }: UnitContext): Promise<Mapped & { tissue: string }> {
  const made = record.units.find((unit) => unit.kind === 'tissue');
  if (!made) return { dataset, tissue: String(record.settings.tissue) };
  return { dataset: await withTissues(dataset, unitMaps(out, made.id)), tissue: made.id };
}

async function claimMaps(
  unit: string,
  name: string,
  context: UnitContext,
  maker?: string,
): Promise<FileStore> {
  const maps = unitMaps(context.out, unit);
  await maps.write(DESCRIPTION_FILE, describeUnitFolder(name, context, { maker }));
  return maps;
}

/** Whether a scan's maps were all written: the sidecar of the last one comes last. */
async function areMapsDone(maps: FileStore, scan: Scan): Promise<boolean> {
  return await hasFile(
    maps,
    sidecarPath(await findPredicted(maps, scan, { label: 'CSF', suffix: 'probseg' })),
  );
}

/** A data set and whose of its tissue maps a net sees. */
interface Mapped {
  readonly dataset: Dataset;
  readonly tissue: string | null;
}

async function mapsOf(unit: NetUnit, context: UnitContext): Promise<Mapped> {
  const { dataset, out, record } = context;
  if (unit.variant === 'single') return { dataset, tissue: null };
  const [maker] = unit.needs;
  if (maker === undefined) return { dataset, tissue: String(record.settings.tissue) };
  return { dataset: await withTissues(dataset, unitMaps(out, maker)), tissue: maker };
}

async function runStageOne(unit: StageOneUnit, folder: FileStore, context: UnitContext): Promise<Outcome> {
  const { dataset } = context;
  const net = await trainNet(unit, dataset, null, folder, context);
  await predictPatients(net, unit.predicts, dataset, null, folder, context);
  return { ...about(net), scans: [] };
}

async function runNet(unit: NetUnit, folder: FileStore, context: UnitContext): Promise<Outcome> {
  const { record } = context;
  const { dataset, tissue } = await mapsOf(unit, context);
  const heldOut = record.folds.find(({ name }) => name === unit.fold)?.heldOut ?? [];
  const stageOne = await stageOneOf(unit, heldOut[0], context);
  const net = await trainNet(unit, dataset, tissue, folder, context, stageOne);
  await predictPatients(net, [...heldOut, ...record.unjudged], dataset, tissue, folder, context);
  const predictions = new Subfolder(folder, EXPERIMENT_FILES.predictions);
  return { ...about(net), scans: await judgePatients(predictions, dataset, heldOut, record.rater) };
}

/** The net that corrected the maps of the held-out patients, as it may those of any new patient. */
async function stageOneOf(
  unit: NetUnit,
  heldOut: string | undefined,
  { record, out }: UnitContext,
): Promise<Uint8Array | undefined> {
  if (!takesTissues(unit.variant as Variant)) return undefined;
  const correction = record.units.find(({ id }) => unit.needs.includes(id));
  const stageOne = correction?.kind === 'correction' ? correction.by[heldOut ?? ''] : undefined;
  if (stageOne === undefined) return undefined;
  return await unitFolder(out, stageOne).read(`${EXPERIMENT_FILES.run}/${RUN_FILES.model}`);
}

function about({ summary, earlierSeconds }: TrainedNet): Omit<Outcome, 'scans'> {
  const { steps, finalLoss, threshold, trainDice } = summary;
  return { steps, finalLoss, threshold, trainDice, earlierSeconds };
}
