import { CheckpointError, UsageError } from '../../core/errors.ts';
import { ceilDiv, formatShape, sameShape, sizeOf } from '../../core/shape.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { read, readWrite, slice, write } from '../tape/command.ts';
import type { Emitter } from '../tape/op.ts';
import { TensorStore } from '../tape/store.ts';
import type { Tensor } from '../tape/tensor.ts';
import { flatChunks, flatGroups } from '../tape/workgroups.ts';

/** Settings of {@link Adam}; the defaults are PyTorch's. */
export interface AdamSettings {
  readonly betas: readonly [number, number];
  readonly epsilon: number;
  /** Decoupled (AdamW): each step takes lr · weightDecay of every parameter, biases and norms included. */
  readonly weightDecay: number;
  /** Largest global L2 norm of the gradient, to which a larger one is scaled down; null clips nothing. */
  readonly maxGradNorm: number | null;
}

/** PyTorch's. */
export const DEFAULT_ADAM: AdamSettings = {
  betas: [0.9, 0.999],
  epsilon: 1e-8,
  weightDecay: 0,
  maxGradNorm: null,
};

/** What the last replayed step did. */
export interface AdamStatus {
  /** The loss that {@link Adam.record} was given, 0 where none was. */
  readonly loss: number;
  /** Global L2 norm of the loss's gradient, before clipping and without the loss's scale. */
  readonly gradNorm: number;
  /** What the gradient was multiplied by to clip it. */
  readonly clip: number;
  /** False where gradient or loss held NaN or infinity: then parameters and state stayed as they were. */
  readonly finite: boolean;
  /** Steps that were passed over for that reason since the optimizer was made. */
  readonly skippedSteps: number;
}

const LANES = 64;
const UPDATE_PER_LANE = 4;
/** Vectors that a lane adds at least, and lanes at most, in the first pass of the norm. */
const NORM_PER_LANE = 8;
const NORM_GROUPS = 256;

/**
 * Adam (Kingma and Ba 2015; decoupled weight decay after Loshchilov and Hutter 2019) as PyTorch's AdamW computes it:
 * bias-corrected, epsilon outside the root, gradients clipped by their global norm as `clip_grad_norm_` does. The whole of a parameter store is
 * updated by one dispatch (one a 128 MiB slice where the device binds less than the store holds).
 */
export class Adam {
  readonly settings: AdamSettings;
  /** First moments, named and shaped as the parameters: part of a checkpoint. */
  readonly m: TensorStore;
  /** Second moments. */
  readonly v: TensorStore;
  readonly #parameters: TensorStore;
  readonly #grads: TensorStore;
  /** `scalars`: written each step; `status`: see shaders/adam.wgsl; `no_loss`: zero. */
  readonly #small: TensorStore;

  private constructor(
    settings: AdamSettings,
    parameters: TensorStore,
    grads: TensorStore,
    m: TensorStore,
    v: TensorStore,
    small: TensorStore,
  ) {
    this.settings = settings;
    this.#parameters = parameters;
    this.#grads = grads;
    this.m = m;
    this.v = v;
    this.#small = small;
  }

  /**
   * Allocates the moments, zeroed.
   * @param grads a store of the same names and shapes, in the same order
   * @throws UsageError for settings out of range; CheckpointError where the stores differ; OutOfMemoryError.
   */
  static async create(
    gpu: Gpu,
    parameters: TensorStore,
    grads: TensorStore,
    settings: Partial<AdamSettings> = {},
  ): Promise<Adam> {
    const all = { ...DEFAULT_ADAM, ...settings };
    checkSettings(all);
    checkSameLayout(parameters, grads);
    const specs = [...parameters.tensors].map(([name, { shape }]) => ({ name, shape }));
    const made: TensorStore[] = [];
    try {
      for (const label of ['adam.m', 'adam.v']) made.push(await TensorStore.create(gpu, label, specs));
      const small = [
        { name: 'scalars', shape: [4] },
        { name: 'status', shape: [8] },
        { name: 'no_loss', shape: [1] },
      ];
      made.push(await TensorStore.create(gpu, 'adam.step', small));
    } catch (error) {
      for (const store of made) store.destroy();
      throw error;
    }
    return new Adam(all, parameters, grads, made[0]!, made[1]!, made[2]!);
  }

  /**
   * Records a step's dispatches after backward: norm of the gradient, then the update.
   * @param loss a scalar that must be finite too for the step to count; its value comes back in the status
   */
  record(emit: Emitter, loss?: Tensor): void {
    const { betas, epsilon, maxGradNorm } = this.settings;
    const chunks = flatChunks(sizeOf(this.#parameters.flat.shape), emit.capabilities);
    const norms = chunks.map(({ first, count }) => {
      const vectors = count / 4;
      const groups = Math.min(NORM_GROUPS, ceilDiv(vectors, LANES * NORM_PER_LANE));
      return { first, count, vectors, groups, perLane: ceilDiv(vectors, LANES * groups) };
    });
    const lanes = norms.reduce((sum, { groups }) => sum + groups * LANES, 0);
    const partials = emit.scratch('adam norm partials', [lanes]);
    let lane = 0;
    for (const { first, count, vectors, groups, perLane } of norms) {
      const here = slice(write(partials), lane, groups * LANES);
      emit.run({
        label: 'adam/square_sums',
        kernel: { file: 'adam.wgsl', entry: 'square_sums' },
        bindings: [slice(read(this.#grads.flat), first, count), here],
        params: { vectors, per_lane: perLane },
        workgroups: [groups, 1, 1],
      });
      lane += groups * LANES;
    }
    const status = this.#small.get('status');
    emit.run({
      label: 'adam/finish_norm',
      kernel: { file: 'adam.wgsl', entry: 'finish_norm' },
      bindings: [
        read(partials),
        read(loss ?? this.#small.get('no_loss')),
        read(this.#small.get('scalars')),
        readWrite(status),
      ],
      params: { partials: lanes, max_norm: { f32: maxGradNorm ?? 0 } },
      workgroups: [1, 1, 1],
    });
    for (const { first, count } of chunks) {
      const groups = flatGroups(count / 4, LANES * UPDATE_PER_LANE, emit.capabilities);
      const [parameters, m, v] = [this.#parameters, this.m, this.v].map(({ flat }) =>
        slice(readWrite(flat), first, count),
      );
      emit.run({
        label: 'adam/update',
        kernel: { file: 'adam.wgsl', entry: 'update', spec: { PER_LANE: UPDATE_PER_LANE } },
        bindings: [
          parameters!,
          m!,
          v!,
          slice(read(this.#grads.flat), first, count),
          read(this.#small.get('scalars')),
          read(status),
        ],
        params: {
          vectors: count / 4,
          groups_x: groups[0],
          beta1: { f32: betas[0] },
          beta2: { f32: betas[1] },
          rest1: { f32: 1 - betas[0] },
          rest2: { f32: 1 - betas[1] },
          epsilon: { f32: epsilon },
        },
        workgroups: groups,
      });
    }
  }

  /**
   * Sets what the next replay uses. To be called before each.
   * @param step number of the step, from 1: it fixes the bias correction
   * @param lossScale what the loss was multiplied by for its gradients; a power of two
   * @throws UsageError for a step below 1 or a rate that is negative or not finite.
   */
  setStep(step: number, learningRate: number, lossScale = 1): void {
    if (!(Number.isInteger(step) && step >= 1))
      throw new UsageError(`adam: steps count from 1; got ${step}`, {
        hint: 'Pass the step that is about to run.',
      });
    if (!(learningRate >= 0 && Number.isFinite(learningRate)))
      throw new UsageError(`adam: a learning rate is at least 0 and finite; got ${learningRate}`, {
        hint: 'The default is 5e-4.',
      });
    const { betas, weightDecay } = this.settings;
    this.#small.write(
      'scalars',
      Float32Array.of(
        learningRate / (1 - betas[0] ** step),
        1 / Math.sqrt(1 - betas[1] ** step),
        1 - learningRate * weightDecay,
        1 / lossScale,
      ),
    );
  }

  /** Reads what the last replayed step did: one readback for loss, norm and flag. @throws GpuError, DeviceLostError. */
  async readStatus(): Promise<AdamStatus> {
    const [gradNorm, clip, skipped, skippedSteps, loss] = await this.#small.read('status');
    return {
      loss: loss!,
      gradNorm: gradNorm!,
      clip: clip!,
      finite: skipped === 0,
      skippedSteps: skippedSteps!,
    };
  }

  /** Frees the moments. */
  destroy(): void {
    for (const store of [this.m, this.v, this.#small]) store.destroy();
  }
}

function checkSettings({ betas, epsilon, weightDecay, maxGradNorm }: AdamSettings): void {
  const rules: readonly (readonly [string, number, boolean])[] = [
    ['betas lie in [0, 1)', betas[0], betas[0] >= 0 && betas[0] < 1],
    ['betas lie in [0, 1)', betas[1], betas[1] >= 0 && betas[1] < 1],
    ['epsilon is above 0', epsilon, epsilon > 0 && Number.isFinite(epsilon)],
    ['weightDecay is at least 0', weightDecay, weightDecay >= 0 && Number.isFinite(weightDecay)],
    ['maxGradNorm is above 0, or null', maxGradNorm ?? 1, maxGradNorm === null || maxGradNorm > 0],
  ];
  for (const [rule, value, holds] of rules)
    if (!holds)
      throw new UsageError(`adam: ${rule}; got ${value}`, { hint: 'Leave it out for PyTorch’s default.' });
}

function checkSameLayout(parameters: TensorStore, grads: TensorStore): void {
  const names = [...parameters.tensors.keys()];
  const others = [...grads.tensors.keys()];
  names.forEach((name, i) => {
    const [shape, other] = [parameters.get(name).shape, grads.tensors.get(name)?.shape];
    if (others[i] !== name || !other || !sameShape(shape, other))
      throw new CheckpointError(
        `adam: ${grads.label} must hold what ${parameters.label} holds, in the same order; ` +
          `${name} is ${formatShape(shape)}, but there stands ${others[i] ?? 'nothing'}` +
          `${other ? ` ${formatShape(other)}` : ''}`,
      );
  });
  if (others.length !== names.length)
    throw new CheckpointError(
      `adam: ${grads.label} holds ${others.length} tensors, ${parameters.label} ${names.length}`,
    );
}
