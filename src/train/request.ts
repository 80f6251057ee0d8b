import type { Model } from '../checkpoint/checkpoint.ts';
import type { PreparedScan } from '../dataset/preprocess.ts';
import type { Variant } from '../nn/variants.ts';
import type { ResolvedTrainSettings } from './settings.ts';

/** One line of `log.jsonl`. */
export interface StepReport {
  /** From 1. */
  readonly step: number;
  /** From 1. */
  readonly epoch: number;
  readonly loss: number;
  /** Since the first step began. */
  readonly seconds: number;
}

/** What a training run is asked to do. */
export interface TrainRequest {
  readonly settings: ResolvedTrainSettings;
  readonly scans: readonly PreparedScan[];
  /** Stops the run between two steps. */
  readonly signal?: AbortSignal;
  /** Called after every step. */
  onStep?(report: StepReport): void;
  /** Called while the threshold is chosen; `done` counts training scans and may be a fraction. */
  onThreshold?(done: number, total: number, scan: string): void;
}

/** What came of a training run. */
export interface TrainResult {
  readonly variant: Variant;
  readonly steps: number;
  /** Of the training steps alone. */
  readonly seconds: number;
  readonly finalLoss: number;
  /** Chosen on the training scans. */
  readonly threshold: number;
  /** Mean Dice over the training scans at that threshold. */
  readonly trainDice: number;
  readonly model: Model;
}
