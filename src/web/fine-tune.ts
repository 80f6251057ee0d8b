import { type Model, requireModel } from '../checkpoint/checkpoint.ts';
import { toJson } from '../core/json.ts';
import type { PreparedScan } from '../dataset/preprocess.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { variantConfig } from '../nn/variants.ts';
import { cosineSchedule } from '../optim/schedule.ts';
import { TrainingSession } from '../train/session.ts';
import { trainSettings } from '../train/settings.ts';

/** What a fine-tuning run is asked to do. */
export interface FineTuneRequest {
  readonly model: Model;
  /** With lesions; with tissue maps where the model reads or predicts them. */
  readonly scan: PreparedScan;
  readonly steps: number;
  readonly signal: AbortSignal;
  /** Called after every step. */
  onStep(step: number, loss: number): void;
  /** Called with the network now and then and at the end; the run waits for it. */
  keep(model: Model): Promise<void>;
}

/** Steps that a closed tab loses at most. */
const KEPT_EVERY = 20;

/** A tenth of what training from scratch takes: the network is to be moved, not replaced. */
const LEARNING_RATE = 4e-4;

/**
 * Trains a network on, on one scan. Stopped by the signal, it keeps what it has learned so far.
 * @throws CheckpointError for a network that is none of the house's variants; DatasetError for a scan without lesions
 *   or tissue maps; NonFiniteError; OutOfMemoryError, GpuError, DeviceLostError.
 */
export async function fineTune(gpu: Gpu, request: FineTuneRequest): Promise<Model> {
  const { model, scan, steps, signal } = request;
  const { variant, modalities, patch, network, threshold } = model.info;
  const widths = { baseChannels: network.encoder[0]![0], levels: network.encoder.length };
  requireModel(model, { network: variantConfig(variant, modalities, widths) }, 'fine-tuning');
  const settings = {
    ...trainSettings({
      variant,
      ...widths,
      patch,
      // One patch a step: the page's GPU may be a processor.
      batch: 1,
      steps,
      lr: LEARNING_RATE,
      crossEntropy: 1,
      lesionShare: 0.5,
    }),
    subjects: [scan.subject],
    modalities,
  };
  const session = await TrainingSession.create(gpu, [scan], settings);
  const info = { variant, network, modalities, threshold, patch, settings: toJson(settings) };
  const now = async (): Promise<Model> => ({ info, weights: await session.net.save() });
  try {
    session.net.load(model.weights);
    const rate = cosineSchedule(LEARNING_RATE, steps);
    while (session.steps < steps && !signal.aborted) {
      const { step, loss } = await session.step(rate(session.steps));
      request.onStep(step, loss);
      if (step % KEPT_EVERY === 0) await request.keep(await now());
    }
    const tuned = await now();
    await request.keep(tuned);
    return tuned;
  } finally {
    session.destroy();
  }
}
