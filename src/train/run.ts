import { toJson } from '../core/json.ts';
import { scanName } from '../dataset/dataset.ts';
import type { PreparedScan } from '../dataset/preprocess.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { Predictor } from '../infer/predictor.ts';
import { LESION_HEAD } from '../nn/variants.ts';
import { constantSchedule, cosineSchedule, polynomialSchedule, type Schedule } from '../optim/schedule.ts';
import { ThresholdSearch } from '../report/threshold.ts';
import type { StepReport, TrainRequest, TrainResult } from './request.ts';
import { TrainingSession } from './session.ts';
import type { ResolvedTrainSettings } from './settings.ts';

/**
 * Trains a network and chooses its decision threshold on the training scans. Reads and writes no file.
 *
 * @throws NonFiniteError where the loss or the gradient is not finite; ShapeError; OutOfMemoryError, GpuError,
 *   DeviceLostError; the signal's reason.
 */
export async function train(gpu: Gpu, request: TrainRequest): Promise<TrainResult> {
  const { settings, scans } = request;
  const session = await TrainingSession.create(gpu, scans, settings);
  try {
    const { seconds, finalLoss } = await trainSteps(session, request);
    const { threshold, dice } = await chooseThreshold(gpu, session, request);
    const { variant, modalities, patch } = settings;
    const info = {
      variant,
      network: session.net.config,
      modalities,
      threshold,
      patch,
      settings: toJson(settings),
    };
    return {
      variant,
      steps: session.steps,
      seconds,
      finalLoss,
      threshold,
      trainDice: dice,
      model: { info, weights: await session.net.save() },
    };
  } finally {
    session.destroy();
  }
}

async function trainSteps(
  session: TrainingSession,
  { settings, onStep, signal }: TrainRequest,
): Promise<{ seconds: number; finalLoss: number }> {
  const { epochs, stepsPerEpoch, minutes } = settings;
  const steps = settings.steps ?? (epochs === null ? Number.POSITIVE_INFINITY : epochs * stepsPerEpoch);
  const limit = minutes === null ? Number.POSITIVE_INFINITY : minutes * 60;
  const rate = learningRate(settings, minutes === null ? steps : limit);
  const start = performance.now();
  let seconds = 0;
  let finalLoss = Number.NaN;
  while (session.steps < steps && seconds < limit) {
    signal?.throwIfAborted();
    const { step, loss } = await session.step(rate(minutes === null ? session.steps : seconds));
    seconds = (performance.now() - start) / 1000;
    finalLoss = loss;
    const report: StepReport = { step, epoch: Math.ceil(step / stepsPerEpoch), loss, seconds };
    onStep?.(report);
  }
  return { seconds, finalLoss };
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
  { settings, scans, onThreshold, signal }: TrainRequest,
): Promise<{ threshold: number; dice: number }> {
  const predictor = await Predictor.create(gpu, session.net, settings.variant, settings.patch);
  const search = new ThresholdSearch();
  try {
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
function lesionMask({ lesions, brain }: PreparedScan): Uint8Array {
  if (lesions instanceof Uint8Array) return lesions;
  return Uint8Array.from(lesions ?? new Float32Array(brain.length), (p) => (p >= 0.5 ? 1 : 0));
}
