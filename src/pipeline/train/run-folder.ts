import { CheckpointError, StorageError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import { sha256, sha256OfArrays } from '../../core/hash.ts';
import { toJson } from '../../core/json.ts';
import { formatRecord } from '../../core/record.ts';
import { removeUnfinished } from '../../core/unfinished-files.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { encodeModel, type TrainingState } from '../models/model.ts';
import { Checkpoints } from './checkpoints.ts';
import { requireMemory } from './memory.ts';
import type { TrainingData } from './prepare.ts';
import type { StepReport, TrainRequest, TrainResult } from './request.ts';
import { train } from './run.ts';
import {
  hasFile,
  type ModelSource,
  RUN_FILES,
  type RunConfig,
  type RunExtension,
  readRunConfig,
} from './run-record.ts';
import {
  dataFingerprint,
  isSameLength,
  lengthOf,
  requireLonger,
  requireSameData,
  requireSameSettings,
  requireSameStart,
} from './same-run.ts';
import { DURATIONS, settingsHash } from './settings.ts';
import { formatStep, rewindLog, verifyStep } from './step-log.ts';

/** Seconds between two checkpoints where nothing else is asked for. */
export const CHECKPOINT_SECONDS = 60;
/** Steps between two hashes in the log where nothing else is asked for. */
export const HASH_STEPS = 100;

/** How a run in a folder proceeds, beside what it is asked to do. */
export interface RunFolderOptions
  extends Pick<TrainRequest, 'initial' | 'signal' | 'kernels' | 'reopen' | 'onStep' | 'onThreshold'> {
  /** Goes on from the newest sound checkpoint, if there is one. */
  readonly resume: boolean;
  /** Where `initial` comes from, for the record. */
  readonly initialModel?: ModelSource | undefined;
  /** Of voxelgrad, for the record. */
  readonly version: string;
  /** Steps between two checkpoints (default: none by steps). */
  readonly checkpointSteps?: number | undefined;
  /** Seconds between two checkpoints (default {@link CHECKPOINT_SECONDS}). */
  readonly checkpointSeconds?: number | undefined;
  /** Steps between two hashes in the log, 0 for none (default {@link HASH_STEPS}). */
  readonly hashEvery?: number | undefined;
  /** Bytes that the run may take on the GPU; checked before anything is allocated (default: no limit). */
  readonly memory?: number | undefined;
  /** `model.safetensors` of the net that corrects the maps that are read, to go with the run (see stage-one.ts). */
  readonly stageOne?: Uint8Array | undefined;
  /** An earlier log, that every step must repeat. */
  readonly verify?: { readonly name: string; readonly steps: readonly StepReport[] } | undefined;
  /** Told what is unusual but no error. */
  readonly warn?: ((text: string) => void) | undefined;
  /** Told of each checkpoint that is on the disk. */
  onCheckpoint?(step: number): void;
}

/** What a run in a folder came to. */
export interface RunFolderResult {
  readonly result: TrainResult;
  /** Loss of every step, those before an interruption included. */
  readonly losses: readonly number[];
}

/** What stands in the folder of a run. */
export type RunStatus = 'empty' | 'unfinished' | 'finished';

/** Whether a folder holds a run, and whether it is finished. @throws StorageError. */
export async function runStatus(files: FileStore): Promise<RunStatus> {
  if (await hasFile(files, RUN_FILES.manifest)) return 'finished';
  // A model without a manifest is of an older version, or its process ended between the two.
  const checkpoints = await new Checkpoints(files, RUN_FILES.checkpoints).steps();
  if (checkpoints.length > 0) return 'unfinished';
  return (await hasFile(files, RUN_FILES.model)) ? 'finished' : 'empty';
}

/**
 * Trains in a folder: `config.json`, `log.jsonl`, checkpoints that outlive a killed process, `model.safetensors` and
 * `manifest.json`. What an interrupted run wrote and what the one that resumes it writes is, bit for bit, what an
 * uninterrupted one would have written. A run may be made longer, also once it is finished: with a constant learning
 * rate its network is, bit for bit, that of a run of this length, and `config.json` says when it was extended. Only one process may work in the folder; that is the caller's to see to.
 *
 * @throws OutOfMemoryError where the budget is too small; CheckpointError where the run that is to go on has other settings or data, naming what differs; StorageError
 *   where there is none, or where a file cannot be written (the last checkpoint stays); VerificationError at the first
 *   step that is not the earlier log's; whatever `train` throws.
 */
export async function trainInFolder(
  gpu: Gpu,
  { settings, scans, validation, inputs, choices, warnings }: TrainingData,
  files: FileStore,
  options: RunFolderOptions,
): Promise<RunFolderResult> {
  const { warn = () => {}, onStep, onCheckpoint, verify, initial, signal, reopen, onThreshold } = options;
  const checkpoints = new Checkpoints(files, RUN_FILES.checkpoints);
  const data = await dataFingerprint(scans);
  const judged = validation && validation.length > 0 ? await dataFingerprint(validation) : undefined;
  let start: Pick<RunConfig, 'initial' | 'initialModel'> = initial
    ? { initial: await sha256OfArrays(initial), initialModel: options.initialModel }
    : {};
  const adapter = gpu.capabilities.description;
  let kernels = options.kernels ?? {};
  let resume: TrainingState | undefined;
  let extended: readonly RunExtension[] = [];
  const losses: number[] = [];
  if (options.resume) {
    const config = await readRunConfig(files);
    const path = `${files.name}/${RUN_FILES.config}`;
    requireSameSettings(toJson(config.settings), settings, path, DURATIONS);
    requireSameData(config.data, data, path);
    requireSameData(config.validation ?? {}, judged ?? {}, path, 'validated');
    resume = await checkpoints.latest(warn);
    // A checkpoint holds all that came of the weights that the run began from.
    if (initial || !resume) requireSameStart(config.initial, start.initial, path);
    start = { initial: config.initial, initialModel: config.initialModel };
    extended = config.extended ?? [];
    if (!isSameLength(config.settings, settings)) {
      if (!resume)
        throw new CheckpointError(`${files.name}: there is no checkpoint to make the run longer from`, {
          hint: 'Start a new run in another folder.',
        });
      const { step, progress } = resume;
      requireLonger(config.settings, settings, { steps: step, seconds: progress.seconds }, path);
      extended = [...extended, { step, from: lengthOf(config.settings), version: options.version }];
      if (settings.schedule !== 'constant')
        warn(
          `the ${settings.schedule} schedule depends on how long a run is: from step ${step} on it is that of the longer run`,
        );
    }
    kernels = config.kernels;
    if (resume) {
      for (const report of await rewindLog(files, RUN_FILES.log, resume.step)) {
        if (verify) verifyStep(report, verify.steps, verify.name);
        losses.push(report.loss);
      }
      if (resume.adapter !== adapter)
        warn(`the run was on ${resume.adapter}; on ${adapter} it resumes, but not bit for bit the same`);
    } else warn(`${files.name}: no checkpoint was written yet; the run starts anew`);
  }
  if (options.memory !== undefined)
    await requireMemory(gpu.capabilities, { settings, scans, validation }, options.memory);
  let started = false;
  const result = await train(gpu, {
    settings,
    scans,
    validation,
    warn,
    kernels,
    hashEvery: options.hashEvery ?? HASH_STEPS,
    checkpoints: {
      everySteps: options.checkpointSteps ?? null,
      everySeconds: options.checkpointSeconds ?? CHECKPOINT_SECONDS,
      async write(state) {
        // First the log, so that it never ends before a checkpoint.
        await files.sync(RUN_FILES.log);
        await checkpoints.write(state);
        onCheckpoint?.(state.step);
      },
    },
    async onKernels(chosen) {
      // Now that the step is compiled and fits the device, what an earlier run left may go.
      if (!started) {
        await clearRun(files, checkpoints, resume !== undefined);
        if (options.stageOne) await files.write(RUN_FILES.stageOne, options.stageOne);
      }
      started = true;
      const config: RunConfig = {
        settings,
        data,
        kernels: chosen,
        adapter,
        version: options.version,
        ...start,
        validation: judged,
        inputs,
        choices,
        warnings: warnings?.length ? warnings : undefined,
        extended: extended.length > 0 ? extended : undefined,
      };
      await files.write(RUN_FILES.config, formatRecord(config));
    },
    async onStep(report) {
      if (verify) verifyStep(report, verify.steps, verify.name);
      losses.push(report.loss);
      await files.append(RUN_FILES.log, new TextEncoder().encode(formatStep(report)));
      await onStep?.(report);
    },
    initial,
    resume,
    signal,
    reopen,
    onThreshold,
  });
  await requireWholeLog(files, result.steps);
  // Processes that were killed may have left a checkpoint too many, and files half-written.
  await checkpoints.prune(result.steps);
  for (const folder of ['', STAGE_ONE_FOLDER]) await removeUnfinished(files, folder);
  await files.write(RUN_FILES.model, encodeModel(result.model));
  await writeManifest(files, result, {
    configHash: await settingsHash(settings),
    adapter,
    version: options.version,
  });
  return { result, losses };
}

/** A folder that was removed meanwhile is made anew by the next line of the log. @throws StorageError */
async function requireWholeLog(files: FileStore, steps: number): Promise<void> {
  const log = await files.read(RUN_FILES.log);
  let lines = 0;
  for (const byte of log) if (byte === LINE_FEED) lines++;
  if (lines === steps) return;
  throw new StorageError(`${files.name}/${RUN_FILES.log}: holds ${lines} of the run's ${steps} steps`, {
    hint: 'The folder was changed or removed while the run worked in it: start a new run.',
  });
}

const LINE_FEED = 10;
const STAGE_ONE_FOLDER = RUN_FILES.stageOne.slice(0, RUN_FILES.stageOne.lastIndexOf('/'));

/** Takes away what an earlier run left: all of it, or what says that it was finished. */
async function clearRun(files: FileStore, checkpoints: Checkpoints, resumes: boolean): Promise<void> {
  await files.remove(RUN_FILES.manifest);
  await checkpoints.tidy();
  if (resumes) return;
  await files.remove(RUN_FILES.model);
  await files.remove(RUN_FILES.stageOne);
  await checkpoints.clear();
  await files.remove(RUN_FILES.log);
}

async function writeManifest(
  files: FileStore,
  { model: _, ...result }: TrainResult,
  about: { readonly configHash: string; readonly adapter: string; readonly version: string },
): Promise<void> {
  const hashes: Record<string, string> = {};
  for (const name of [RUN_FILES.config, RUN_FILES.log, RUN_FILES.model, RUN_FILES.stageOne])
    if (await hasFile(files, name)) hashes[name] = await sha256(await files.read(name));
  await files.write(RUN_FILES.manifest, formatRecord({ ...result, ...about, files: hashes }));
}
