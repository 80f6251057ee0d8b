import { Random } from '../../core/random.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { meanSquaredError } from '../../engine/loss/mse.ts';
import { generalizedDice } from '../../engine/loss/paper.ts';
import { architectureOf, DEFAULT_KIND, designNetwork } from '../../engine/nn/networks/index.ts';
import {
  INPUT,
  recordTrainingStep,
  type StepRequest,
  type TrainingStep,
} from '../../engine/nn/training-step.ts';
import type { Tape } from '../../engine/tape/tape.ts';
import { parseTask, type Task } from '../task/task.ts';

/** A step at one size, of a network with one head of two labels, and perhaps one with a value per scan. */
export interface StepShape {
  /** Kind of network (default: the one that settings have, too). */
  readonly kind?: string;
  /** Whether it learns a value per scan, too. */
  readonly scanValue?: boolean;
  readonly channels: number;
  readonly baseChannels: number;
  readonly levels: number;
  /** Edge of the cubic patch. */
  readonly patch: number;
  readonly batch: number;
}

const HEAD = 'labels';
const VALUE = 'value';
const LABELS = 2;
/** What such a step learns. */
export const BENCH_TASK: Task = parseTask(
  { name: 'bench', heads: [{ name: HEAD, labels: ['label'], target: { from: 'mask' } }] },
  'the bench',
);
/** Of the voxels, that are of the foreground label. */
const FOREGROUND = 0.02;

/** The step as it is recorded. @throws UsageError for widths that no network has. */
export function requestOf(shape: StepShape): StepRequest {
  const { kind, scanValue = false, channels, baseChannels, levels, patch, batch } = shape;
  const extents = [patch, patch, patch] as const;
  const value = scanValue ? [VALUE] : [];
  const heads = [
    { name: HEAD, channels: LABELS },
    ...value.map((name) => ({ name, channels: 1, perScan: true })),
  ];
  const request = { inChannels: channels, heads, baseChannels, levels, patch: extents };
  return {
    network: architectureOf(designNetwork(kind ?? DEFAULT_KIND, request)),
    batch,
    patch: extents,
    objectives: [
      { head: HEAD, loss: generalizedDice(), weight: 1 },
      ...value.map((head) => ({ head, loss: meanSquaredError(), weight: 1 })),
    ],
  };
}

/** Records a step that can be replayed: with random parameters and a random batch. @throws OutOfMemoryError. */
export async function recordStep(gpu: Gpu, shape: StepShape, tape: Tape): Promise<TrainingStep> {
  const step = await recordTrainingStep(gpu, requestOf(shape), tape, new Random(1));
  const random = new Random(1);
  const voxels = shape.batch * shape.patch ** 3;
  step.batch.write(
    INPUT,
    Float32Array.from({ length: shape.channels * voxels }, () => random.uniform(-1.7, 1.7)),
  );
  step.batch.write(
    HEAD,
    Float32Array.from({ length: voxels }, () => (random.uniform() < FOREGROUND ? 1 : 0)),
  );
  if (shape.scanValue)
    step.batch.write(
      VALUE,
      Float32Array.from({ length: shape.batch }, () => random.uniform(-1.7, 1.7)),
    );
  step.setStep({ step: 0, learningRate: 5e-4 });
  return step;
}
