import { VerificationError, VoxelgradError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import { sha256 } from '../../core/hash.ts';
import { hashJson } from '../../core/json.ts';
import { stateHash } from '../../engine/checkpoint/training-state.ts';
import { IMPORT_FILES, readImport, verifyImport } from '../exchange/import-folder.ts';
import { decodeModel, type ModelInfo, mainThreshold, type TrainingState } from '../models/model.ts';
import { Checkpoints } from './checkpoints.ts';
import { taskName } from './network.ts';
import type { StepReport } from './request.ts';
import { type RunStatus, runStatus } from './run-folder.ts';
import {
  hasFile,
  type RecordedRunConfig,
  RUN_FILES,
  type RunManifest,
  readManifest,
  readRunConfig,
} from './run-record.ts';
import { requireSameData, requireSameSettings } from './same-run.ts';
import { DURATIONS } from './settings.ts';
import { requireStageOne, resolvedTask } from './stage-one.ts';
import { parseLog } from './step-log.ts';

/** One thing that was looked at. */
export interface RunCheck {
  /** A file of the run. */
  readonly file: string;
  readonly passed: boolean;
  /** What was found, or the fault. */
  readonly text: string;
}

/** What a run's files say of each other. */
export interface RunVerification {
  readonly status: RunStatus;
  /** Of voxelgrad, that wrote the run; null where the files do not tell. */
  readonly version: string | null;
  readonly checks: readonly RunCheck[];
}

/**
 * Re-checks the files of a run: that each can be read, has the hash that was recorded, and agrees with the others
 * (settings, data, steps, losses, hashes of the state, weights). Changes nothing; needs no GPU and no data set.
 * @throws StorageError where the folder cannot be read. Faults of the files are in the result.
 */
export async function verifyRun(files: FileStore): Promise<RunVerification> {
  const checks: RunCheck[] = [];
  const check = async <T>(
    file: string,
    work: () => Promise<readonly [T, string]>,
  ): Promise<T | undefined> => {
    try {
      const [value, text] = await work();
      checks.push({ file, passed: true, text });
      return value;
    } catch (error) {
      if (!(error instanceof VoxelgradError)) throw error;
      checks.push({ file, passed: false, text: error.message });
      return undefined;
    }
  };
  const status = await runStatus(files);
  const imported = await readImport(files);
  if (imported) {
    await check(IMPORT_FILES.record, async () => {
      await verifyImport(files, imported);
      return [undefined, `${imported.source}; its files have the hashes recorded`];
    });
    await check(RUN_FILES.model, () => checkModel(files, undefined, undefined, undefined, undefined));
    return { status, version: imported.version, checks };
  }
  const config = await check(RUN_FILES.config, async () => {
    const found = await readRunConfig(files);
    return [
      found,
      `${taskName(found.settings)}, ${Object.keys(found.data).length} scans, seed ${found.settings.seed}`,
    ];
  });
  const log = await check(RUN_FILES.log, () => checkLog(files, status));
  const checkpoints = new Checkpoints(files, RUN_FILES.checkpoints);
  let last: TrainingState | undefined;
  for (const step of await checkpoints.steps())
    last = await check(`${RUN_FILES.checkpoints}, step ${step}`, () =>
      checkCheckpoint(checkpoints, step, config, log),
    );
  if (status === 'finished') {
    const manifest = await check(RUN_FILES.manifest, () => checkManifest(files, config, log, last));
    await check(RUN_FILES.model, () => checkModel(files, config, manifest, last, log));
  }
  if (await hasFile(files, RUN_FILES.stageOne))
    await check(RUN_FILES.stageOne, () => checkStageOne(files, config));
  return { status, version: config?.version ?? null, checks };
}

/** @throws VerificationError where it does not hold. */
function demand(holds: boolean, fault: string): void {
  if (!holds) throw new VerificationError(fault);
}

async function checkLog(files: FileStore, status: RunStatus): Promise<readonly [StepReport[], string]> {
  const { steps, cut } = parseLog(await files.read(RUN_FILES.log), RUN_FILES.log);
  demand(!cut || status === 'unfinished', 'the last line is cut off');
  const hashes = steps.filter(({ hash }) => hash !== undefined).length;
  return [steps, `${steps.length} steps, ${hashes} hashes of the state`];
}

async function checkCheckpoint(
  checkpoints: Checkpoints,
  step: number,
  config: RecordedRunConfig | undefined,
  log: readonly StepReport[] | undefined,
): Promise<readonly [TrainingState, string]> {
  const state = await checkpoints.read(step);
  if (config) {
    requireSameSettings(state.model.info.settings, config.settings, 'the checkpoint', DURATIONS);
    requireSameData(state.data, config.data, 'the checkpoint');
    // Of the settings as they stand in it, which may be of an older version.
    const own = await hashJson(state.model.info.settings);
    demand(state.configHash === own, 'its hash of the settings is another');
  }
  const hash = await stateHash(state);
  const line = log?.[step - 1];
  if (log) {
    demand(line !== undefined, `the log ends at step ${log.length}`);
    demand(line?.loss === state.progress.loss, `its loss is ${state.progress.loss}, the log's ${line?.loss}`);
    demand((line?.hash ?? hash) === hash, 'its state has another hash than the log says');
  }
  return [state, `checksum sound, state ${hash.slice(0, 12)}${line?.hash ? ' as in the log' : ''}`];
}

async function checkManifest(
  files: FileStore,
  config: RecordedRunConfig | undefined,
  log: readonly StepReport[] | undefined,
  last: TrainingState | undefined,
): Promise<readonly [RunManifest, string]> {
  const manifest = await readManifest(files);
  if (!manifest)
    throw new VerificationError('is missing: the run is of an older version, or ended before it was written');
  for (const [name, hash] of Object.entries(manifest.files)) {
    const found = await sha256(await files.read(name));
    demand(found === hash, `${name} has the hash ${found.slice(0, 12)}, recorded is ${hash.slice(0, 12)}`);
  }
  if (config) demand(manifest.configHash === config.configHash, 'was written for other settings');
  if (log) {
    demand(log.length === manifest.steps, `says ${manifest.steps} steps, the log ${log.length}`);
    demand(log.at(-1)?.loss === manifest.finalLoss, 'says another final loss than the log');
  }
  if (last)
    demand(
      last.step !== manifest.steps || (await stateHash(last)) === manifest.hash,
      'says another final state than the last checkpoint',
    );
  return [manifest, `${Object.keys(manifest.files).length} files have the hashes recorded`];
}

async function checkModel(
  files: FileStore,
  config: RecordedRunConfig | undefined,
  manifest: RunManifest | undefined,
  last: TrainingState | undefined,
  log: readonly StepReport[] | undefined,
): Promise<readonly [undefined, string]> {
  const { info, weights } = decodeModel(await files.read(RUN_FILES.model), RUN_FILES.model);
  if (config) requireSameSettings(info.settings, config.settings, 'the model');
  if (manifest)
    demand(
      (mainThreshold(info) ?? null) === manifest.threshold,
      `its threshold is ${mainThreshold(info)}, the manifest's ${manifest.threshold}`,
    );
  if (last && last.step === (manifest?.steps ?? log?.length))
    for (const [name, values] of last.kept?.weights ?? last.model.weights)
      demand(
        weights.get(name)?.every((value, i) => Object.is(value, values[i])) === true,
        `${name} is not that of the last checkpoint`,
      );
  return [undefined, `${weights.size} tensors${thresholdText(info)}`];
}

async function checkStageOne(
  files: FileStore,
  config: RecordedRunConfig | undefined,
): Promise<readonly [undefined, string]> {
  const { info } = decodeModel(await files.read(RUN_FILES.stageOne), RUN_FILES.stageOne);
  if (config) requireStageOne(info.task, resolvedTask(config.settings), RUN_FILES.stageOne);
  const { name, channels } = info.task;
  return [undefined, `${name}, reads ${channels.join(', ')}${thresholdText(info)}`];
}

/** `, threshold 0.4`, if the main head has one. */
function thresholdText(info: ModelInfo): string {
  const threshold = mainThreshold(info);
  return threshold === undefined ? '' : `, threshold ${threshold}`;
}
