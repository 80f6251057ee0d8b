import { OutOfMemoryError } from '../../core/errors.ts';
import { stateHash } from '../../engine/checkpoint/training-state.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { withRecovery } from '../../engine/gpu/recovery.ts';
import { describeShortage } from '../../engine/tape/memory.ts';
import { mainThreshold, type TrainingState } from '../models/model.ts';
import { Predictor } from '../predict/predictor.ts';
import { type ChosenDecisions, chooseDecisions } from './choose-decisions.ts';
import { learningRate, lengthIn } from './learning-rate.ts';
import { memoryOf } from './memory.ts';
import { taskName, taskOf } from './network.ts';
import type { TrainRequest, TrainResult } from './request.ts';
import { TrainingSession } from './session.ts';
import { StartCheck } from './start-check.ts';
import { Validation } from './validation.ts';

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
 * Trains a network and chooses thresholds on the training scans; with validation, keeps the best network and chooses them
 * on the validation scans. Reads and writes no file.
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
  let validation: Validation | undefined;
  try {
    if (run.saved) session.restore(run.saved);
    else if (initial) session.net.load(initial);
    const wanted = (slot: string): string | undefined => run.kernels[slot];
    validation = await Validation.create(gpu, session, request, wanted);
    run.kernels = {
      ...run.kernels,
      ...Object.fromEntries([...session.choices, ...(validation?.choices ?? [])]),
    };
    await onKernels?.(run.kernels);
    await trainSteps(session, run, validation);
    const best = validation?.best;
    const { decisions, dice, error } = best
      ? { decisions: best.decisions, dice: null, error: null }
      : await choose(gpu, session, run);
    const state = await session.save();
    const { seconds, loss } = state.progress;
    const weights = best && state.kept ? state.kept.weights : state.model.weights;
    return {
      task: taskName(settings),
      steps: state.step,
      seconds,
      finalLoss: loss,
      best: best ? { step: best.step, dice: best.meanDice, error: best.error } : null,
      threshold: mainThreshold({ task: state.model.info.task, decisions }) ?? null,
      trainDice: dice,
      trainError: error,
      model: { info: { ...state.model.info, decisions }, weights },
      hash: await stateHash(state),
    };
  } finally {
    validation?.destroy();
    session.destroy();
  }
}

async function trainSteps(
  session: TrainingSession,
  run: Run,
  validation: Validation | undefined,
): Promise<void> {
  const { settings, signal, checkpoints, hashEvery = 0, onStep, warn } = run.request;
  const { stepsPerEpoch, minutes } = settings;
  const { steps, seconds: limit } = lengthIn(settings);
  const rate = learningRate(settings);
  const seconds = (): number => session.progress?.seconds ?? 0;
  let savedAt = performance.now();
  const start = new StartCheck(settings, session.steps);
  const save = async (): Promise<void> => {
    if (!checkpoints || session.steps === (run.saved?.step ?? 0)) return;
    const state = await session.save();
    await checkpoints.write(state);
    run.saved = state;
    savedAt = performance.now();
  };
  while (session.steps < steps && seconds() < limit && !validation?.isExhausted) {
    if (signal?.aborted) await save();
    signal?.throwIfAborted();
    const { losses: _, gradNorm, ...done } = await session.step(rate(session.steps, seconds()));
    const { step } = done;
    start.add({ ...done, gradNorm });
    const checked = validation?.isDue(step) ? await validation.check(step) : undefined;
    if (step > run.reported) {
      const hashed = hashEvery > 0 && step % hashEvery === 0;
      const report = {
        ...done,
        epoch: Math.ceil(step / stepsPerEpoch),
        seconds: seconds(),
        validation: checked,
      };
      const stuck = start.finding(minutes === null ? step / steps : seconds() / limit);
      if (stuck) warn?.(stuck);
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

async function choose(gpu: Gpu, session: TrainingSession, run: Run): Promise<ChosenDecisions> {
  const { settings, scans, onKernels, onThreshold, signal } = run.request;
  const wanted = (slot: string): string | undefined => run.kernels[slot];
  const task = taskOf(settings);
  const predictor = await Predictor.create(gpu, session.net, task, settings.patch, { wanted });
  try {
    run.kernels = { ...run.kernels, ...Object.fromEntries(predictor.choices) };
    await onKernels?.(run.kernels);
    return await chooseDecisions(predictor, task, scans, session.decisions, {
      overlap: settings.overlap,
      signal,
      onScan: (done, total, scan) => onThreshold?.(done, total, scan),
    });
  } finally {
    predictor.destroy();
  }
}
