import type { DeviceLostError } from '../../core/errors.ts';
import type { AbortSignal } from '../../core/globals.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import type { Model, TrainingState } from '../models/model.ts';
import type { ResolvedTrainSettings } from './settings.ts';

/** One line of `log.jsonl`. */
export interface StepReport {
  /** From 1. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  readonly loss: number;
  /** Spent in steps so far, those before an interruption included. */
  readonly seconds: number;
  /** What the loss was multiplied by for its gradients, where they are stored in 16 bits. */
  readonly lossScale?: number | undefined;
  /** Whether the step was passed over, since gradients overflowed 16 bits with that scale. */
  readonly skipped?: true | undefined;
  /** The weight that each head's loss had in the step, if weights are learned. */
  readonly taskWeights?: Readonly<Record<string, number>> | undefined;
  /** What validation found after the step. */
  readonly validation?: ValidationReport | undefined;
  /** `stateHash` after the step, every `hashEvery` steps. */
  readonly hash?: string | undefined;
}

/** How well a network in training does on the validation scans, by the main head. */
export interface ValidationReport {
  /** Mean Dice by label, at the thresholds that are best for these scans. */
  readonly dice: Readonly<Record<string, number>>;
  /** Mean absolute error, if the head has values. */
  readonly error?: number | undefined;
}

/** The check by which a run's network was kept. */
export interface BestCheck {
  /** After this step. */
  readonly step: number;
  /** Mean Dice over validation scans and labels; null if the main head has values. */
  readonly dice: number | null;
  /** Mean absolute error; null if it has labels. */
  readonly error: number | null;
}

/** When a run is saved, and where to. */
export interface CheckpointPolicy {
  /** Steps between two checkpoints; null for none by steps. */
  readonly everySteps: number | null;
  /** Seconds between two checkpoints; null for none by the clock. */
  readonly everySeconds: number | null;
  /** Keeps a state; the run waits for it. What it throws ends the run. */
  write(state: TrainingState): Promise<void>;
}

/** What a training run is asked to do. */
export interface TrainRequest {
  readonly settings: ResolvedTrainSettings;
  readonly scans: readonly PreparedScan[];
  /** The network is judged by these during the run, and the best one is kept (default: none). */
  readonly validation?: readonly PreparedScan[] | undefined;
  /** Stops the run between two steps, once a checkpoint is written. */
  readonly signal?: AbortSignal | undefined;
  /** Weights and running statistics to begin with, as a model's (default: those that the seed draws). */
  readonly initial?: ReadonlyMap<string, Float32Array> | undefined;
  /** Goes on from here, bit for bit. */
  readonly resume?: TrainingState | undefined;
  /** Kernel variants by slot, from an earlier run; those of `resume` go before them. */
  readonly kernels?: Readonly<Record<string, string>> | undefined;
  /** Left out: nothing is saved. With it the run is also saved after its last step and where it is stopped. */
  readonly checkpoints?: CheckpointPolicy | undefined;
  /** Steps between two hashes in the reports; 0 or left out for none. */
  readonly hashEvery?: number;
  /**
   * Opens a new device after one was lost; the run then goes on from its last saved state, or from its beginning,
   * with the same bits. Left out: a lost device ends the run.
   */
  readonly reopen?: ((lost: DeviceLostError) => Promise<Gpu>) | undefined;
  /** Called with the kernel variants once they are known: of training, and later of choosing the threshold too; awaited. */
  onKernels?(kernels: Readonly<Record<string, string>>): unknown;
  /** Called after every step, once a step however often a device was lost; the run waits for what it returns. */
  onStep?(report: StepReport): unknown;
  /** Told what is unusual but no error. */
  readonly warn?: ((text: string) => void) | undefined;
  /** Called while the threshold is chosen; `done` counts training scans and may be a fraction. */
  readonly onThreshold?: ((done: number, total: number, scan: string) => void) | undefined;
}

/** What came of a training run. */
export interface TrainResult {
  /** The preset, or the task. */
  readonly task: string;
  readonly steps: number;
  /** Of the training steps alone. */
  readonly seconds: number;
  readonly finalLoss: number;
  /** The check that decided which network is kept; null without validation. */
  readonly best: BestCheck | null;
  /** Of the main head's first label, chosen on the training scans, or on those of validation where there are some; null if nothing is decided by a threshold. */
  readonly threshold: number | null;
  /** Mean Dice of the main head's labels over the training scans; null with validation, and if it has values or decides nothing. */
  readonly trainDice: number | null;
  /** Mean absolute error of the main head's values over the training scans; null with validation, and if it has labels. */
  readonly trainError: number | null;
  readonly model: Model;
  /** `stateHash` after the last step. */
  readonly hash: string;
}
