import { OutOfMemoryError } from '../../core/errors.ts';
import { stateHash, type TrainingState } from '../../engine/checkpoint/training-state.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { withRecovery } from '../../engine/gpu/recovery.ts';
import { LESION_HEAD, type Variant } from '../../engine/nn/variants.ts';
import {
  constantSchedule,
  cosineSchedule,
  polynomialSchedule,
  type Schedule,
} from '../../engine/optim/schedule.ts';
import { describeShortage } from '../../engine/tape/memory.ts';
import { scanName } from '../../imaging/dataset/dataset.ts';
import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import { ThresholdSearch } from '../../imaging/evaluate/threshold.ts';
import { Predictor } from '../predict/predictor.ts';
import { memoryOf } from './memory.ts';
import type { TrainRequest, TrainResult } from './request.ts';
import { TrainingSession } from './session.ts';
import { type ResolvedTrainSettings, taskName } from './settings.ts';

/** What outlives a lost device. */
interface Run {
  readonly request: TrainRequest;
  /** Where a new session starts from. */
  saved: TrainingState | undefined;
  kernels: Readonly<Record<string, string>>;
  /** The last step that was reported. */
  reported: number;
}

/**
 * Trains a network and chooses its decision threshold on the training scans. Reads and writes no file.
 *
 * @throws NonFiniteError where the loss or the gradient is not finite; CheckpointError where `resume` is a state of
 *   other settings or data; ShapeError; OutOfMemoryError, GpuError, DeviceLostError; the signal's reason.
 */
export async function train(gpu: Gpu, request: TrainRequest): Promise<TrainResult> {
  const { resume } = request;
  const kernels = { ...request.kernels, ...resume?.kernels };
  const run: Run = { request, saved: resume, kernels, reported: resume?.step ?? 0 };
  try {
    return await withRecovery(gpu, (device) => attempt(device, run), {
      reopen: request.reopen,
      progress: () => run.reported,
    });
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    throw await describeShortage(memoryOf(gpu.capabilities, request), error);
  }
}

/** Trains from the last saved state to the end, on one device. */
async function attempt(gpu: Gpu, run: Run): Promise<TrainResult> {
  const { request } = run;
  const { settings, scans, initial, onKernels } = request;
  const session = await TrainingSession.create(gpu, scans, settings, (slot) => run.kernels[slot]);
  try {
    if (run.saved) session.restore(run.saved);
    else if (initial) session.net.load(initial);
    run.kernels = { ...run.kernels, ...Object.fromEntries(session.choices) };
    await onKernels?.(run.kernels);
    await trainSteps(session, run);
    const { threshold, dice } = await chooseThreshold(gpu, session, run);
    const state = await session.save();
    const { seconds, loss, best } = state.progress;
    return {
      variant: taskName(settings),
      steps: state.step,
      seconds,
      finalLoss: loss,
      best,
      threshold,
      trainDice: dice,
      model: { ...state.model, info: { ...state.model.info, threshold } },
      hash: await stateHash(state),
    };
  } finally {
    session.destroy();
  }
}

async function trainSteps(session: TrainingSession, run: Run): Promise<void> {
  const { settings, signal, checkpoints, hashEvery = 0, onStep } = run.request;
  const { epochs, stepsPerEpoch, minutes } = settings;
  const steps = settings.steps ?? (epochs === null ? Number.POSITIVE_INFINITY : epochs * stepsPerEpoch);
  const limit = minutes === null ? Number.POSITIVE_INFINITY : minutes * 60;
  const rate = learningRate(settings, minutes === null ? steps : limit);
  const seconds = (): number => session.progress?.seconds ?? 0;
  let savedAt = performance.now();
  const save = async (): Promise<void> => {
    if (!checkpoints || session.steps === (run.saved?.step ?? 0)) return;
    const state = await session.save();
    await checkpoints.write(state);
    run.saved = state;
    savedAt = performance.now();
  };
  while (session.steps < steps && seconds() < limit) {
    if (signal?.aborted) await save();
    signal?.throwIfAborted();
    const {
      losses: _,
      gradNorm: __,
      ...done
    } = await session.step(rate(minutes === null ? session.steps : seconds()));
    const { step } = done;
    if (step > run.reported) {
      const hashed = hashEvery > 0 && step % hashEvery === 0;
      const report = { ...done, epoch: Math.ceil(step / stepsPerEpoch), seconds: seconds() };
      await onStep?.(hashed ? { ...report, hash: await stateHash(await session.save()) } : report);
      run.reported = step;
    }
    const elapsed = (performance.now() - savedAt) / 1000;
    const { everySteps = null, everySeconds = null } = checkpoints ?? {};
    if (
      (everySteps !== null && step % everySteps === 0) ||
      (everySeconds !== null && elapsed >= everySeconds)
    )
      await save();
  }
  await save();
}

/** @param length of the run, in steps, or in seconds where it is bounded by time */
function learningRate({ schedule, lr }: ResolvedTrainSettings, length: number): Schedule {
  if (schedule === 'constant') return constantSchedule(lr);
  const whole = Math.max(1, Math.ceil(length));
  return schedule === 'cosine' ? cosineSchedule(lr, whole) : polynomialSchedule(lr, whole);
}

async function chooseThreshold(
  gpu: Gpu,
  session: TrainingSession,
  run: Run,
): Promise<{ threshold: number; dice: number }> {
  const { settings, scans, onKernels, onThreshold, signal } = run.request;
  const wanted = (slot: string): string | undefined => run.kernels[slot];
  const predictor = await Predictor.create(gpu, session.net, settings.preset as Variant, settings.patch, {
    wanted,
  });
  const search = new ThresholdSearch();
  try {
    run.kernels = { ...run.kernels, ...Object.fromEntries(predictor.choices) };
    await onKernels?.(run.kernels);
    for (const [i, scan] of scans.entries()) {
      const maps = await predictor.predict(scan, {
        overlap: settings.overlap,
        onTile: (done, total) => onThreshold?.(i + done / total, scans.length, scanName(scan)),
        ...(signal ? { signal } : {}),
      });
      search.add(maps.get(LESION_HEAD.name)![0]!, lesionMask(scan), scan.brain);
    }
  } finally {
    predictor.destroy();
  }
  return search.best();
}

/** The target as a mask: voxels whose lesion probability (share of raters) is at least half. */
function lesionMask({ targets, brain }: PreparedScan): Uint8Array {
  const lesions = targets?.get(LESION_HEAD.name)?.data;
  if (lesions instanceof Uint8Array) return lesions;
  return Uint8Array.from(lesions ?? new Float32Array(brain.length), (p) => (p >= 0.5 ? 1 : 0));
}
