import { UsageError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { Resources } from '../../core/resources.ts';
import type { Shape, Triple } from '../../core/shape.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { recordDeepSupervision } from '../loss/deep-supervision.ts';
import type { BoundLoss } from '../loss/loss.ts';
import { Adam, type AdamSettings } from '../optim/adam.ts';
import type { Command } from '../tape/command.ts';
import { TensorStore } from '../tape/store.ts';
import type { Root, Tape } from '../tape/tape.ts';
import type { Element, Tensor } from '../tape/tensor.ts';
import { type Architecture, declareNetwork, Network } from './network.ts';
import { StepSeed } from './step-seed.ts';

/** What a head learns. */
export interface Objective {
  readonly head: string;
  readonly loss: BoundLoss;
  /** Of its loss in the sum that is minimised. */
  readonly weight: number;
}

/** A training step to be recorded. */
export interface StepRequest {
  readonly network: Architecture;
  /** Patches a step. */
  readonly batch: number;
  /** Extents of a patch, [z, y, x]. */
  readonly patch: Triple;
  /** One per head that learns, the main one first. */
  readonly objectives: readonly Objective[];
  readonly optimizer?: Partial<AdamSettings>;
  /** What activations and their gradients are stored as (default f32). */
  readonly stored?: Element;
}

/** The loss of one head, or a penalty of the network's own. */
export interface HeadLoss {
  /** The head's name, or the penalty's. */
  readonly head: string;
  readonly weight: number;
  /** The scalar, [1], before it is weighted. */
  readonly output: Tensor;
}

/** Forward, losses, backward and Adam, recorded on data of its own. What fills `batch` is the caller's. */
export interface TrainingStep {
  readonly net: Network;
  /** `input` [batch, channels, z, y, x], and the target of each head under the head's name. */
  readonly batch: TensorStore;
  /** Where backward starts, [1] by head or penalty: its weight, times the scale of the loss where there is one. */
  readonly seeds: TensorStore;
  /** Of the heads in the order of the objectives, then the penalties. */
  readonly losses: readonly HeadLoss[];
  readonly adam: Adam;
  readonly commands: readonly Command[];
  /** The kernel variant that each slot got. */
  readonly choices: ReadonlyMap<string, string>;
  /** What random layers, such as dropout, draw from; absent if there are none. */
  readonly random?: StepSeed;
  /** Sets what the next replay uses; to be called before each. @throws UsageError as `Adam.setStep`. */
  setStep(next: NextStep): void;
  destroy(): void;
}

/** What a replay of a step depends on beside the batch. */
export interface NextStep {
  /** Steps done: the random numbers of dropout follow from it. */
  readonly step: number;
  /** Steps done that moved the parameters, where that is another number: Adam counts these. */
  readonly updates?: number;
  readonly learningRate: number;
  /** What the seeds were multiplied by (default 1). */
  readonly lossScale?: number | undefined;
}

/** The name of the input among a batch's tensors; no head has it. */
export const INPUT = 'input';

/**
 * Records a training step, for a run, for tuning and for timing alike.
 * @param tape where it is recorded; the caller may watch its emitter
 * @param random draws the first parameters; without it they stay zero, to be loaded, or for a recording that is not run
 * @throws ShapeError for a patch that the network does not take; OutOfMemoryError; GpuError where the device does not
 *   store such elements.
 */
export async function recordTrainingStep(
  gpu: Gpu,
  request: StepRequest,
  tape: Tape,
  random?: Random,
): Promise<TrainingStep> {
  return await Resources.build(async (owned) => {
    const { network, batch: patches, patch, objectives, stored = 'f32' } = request;
    const shape = [patches, network.inChannels, ...patch];
    const options = { training: true, input: shape, ...(random ? { random } : {}) };
    const net = owned.add(await Network.create(gpu, network, options));
    const { outputs: declared, streams } = declareNetwork(network, shape);
    const targets = targetShapes(declared, objectives);
    const batch = owned.add(
      await TensorStore.create(gpu, 'batch', [
        { name: INPUT, shape },
        ...objectives.map(({ head }, i) => ({ name: head, shape: targets[i]! })),
      ]),
    );
    const { penalties = [] } = network;
    const terms = [...objectives.map(({ head: name, weight }) => ({ name, weight })), ...penalties];
    const seeds = owned.add(
      await TensorStore.create(
        gpu,
        'loss weights',
        terms.map(({ name }) => ({ name, shape: [1] })),
      ),
    );
    for (const { name, weight } of terms) seeds.write(name, Float32Array.of(weight));
    const words = random?.fork('dropout').uint32() ?? 0;
    const seed = streams > 0 ? owned.add(await StepSeed.create(gpu, words)) : undefined;
    const outputs = net.forward(tape, batch.get(INPUT), 'train', stored, seed?.tensor);
    const losses = [
      ...objectives.map(({ head, loss, weight }): HeadLoss => {
        return {
          head,
          weight,
          output: tape.scope(`loss.${head}`, () =>
            recordDeepSupervision(tape, loss, outputs.get(head)!, batch.get(head)),
          ),
        };
      }),
      ...penalties.map(
        ({ name: head, weight }): HeadLoss => ({ head, weight, output: outputs.get(head)![0]! }),
      ),
    ];
    tape.backward(losses.map(({ head, output }): Root => ({ output, grad: seeds.get(head) })));
    const adam = owned.add(await Adam.create(gpu, net.parameters, net.grads!, request.optimizer));
    adam.record(tape.emitter, losses[0]!.output);
    const { commands, choices } = tape;
    const setStep = ({ step, updates = step, learningRate, lossScale }: NextStep): void => {
      seed?.setStep(step);
      adam.setStep(updates + 1, learningRate, lossScale);
    };
    return {
      net,
      batch,
      seeds,
      losses,
      adam,
      commands,
      choices,
      ...(seed ? { random: seed } : {}),
      setStep,
      destroy: () => owned.destroy(),
    };
  });
}

function targetShapes(
  outputs: ReadonlyMap<string, readonly Tensor[]>,
  objectives: readonly Objective[],
): readonly Shape[] {
  return objectives.map(({ head, loss }) => {
    const output = outputs.get(head)?.[0];
    if (output) return loss.targetShape(output.shape);
    throw new UsageError(`the network has no head ${JSON.stringify(head)}`, {
      hint: `Its heads are ${[...outputs.keys()].join(', ')}.`,
    });
  });
}
