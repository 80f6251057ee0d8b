import { CheckpointError, NonFiniteError, ShapeError, UsageError } from '../../core/errors.ts';
import { Random } from '../../core/random.ts';
import { Resources } from '../../core/resources.ts';
import { formatShape, type Shape, sameShape, sizeOf } from '../../core/shape.ts';
import { checkTensors, takeTensors } from '../checkpoint/checkpoint.ts';
import { readSafetensors, type StoredTensor, writeSafetensors } from '../checkpoint/safetensors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { BoundLoss } from '../loss/loss.ts';
import { declare } from '../nn/declare.ts';
import type { Layer } from '../nn/layer.ts';
import { type Architecture, declareNetwork, type NetworkSpec } from '../nn/network.ts';
import { architectureOf } from '../nn/networks/index.ts';
import { recordPrediction } from '../nn/prediction.ts';
import { INPUT, type Objective, recordTrainingStep, type TrainingStep } from '../nn/training-step.ts';
import { adam, type Optimizer } from '../optim/optimizer.ts';
import { compilePlan, type Plan } from '../tape/plan.ts';
import { TensorStore } from '../tape/store.ts';
import { Tape } from '../tape/tape.ts';
import type { Tensor } from '../tape/tensor.ts';

/** The head of a network that is a single layer. */
const OUTPUT = 'output';

/** Values by head: of a network with one head, that head's alone. */
export type PerHead<T> = T | Readonly<Record<string, T>>;

/** What a trainer trains with. */
export interface TrainerOptions {
  /** Shape of a batch: [batch, channels, depth, height, width]. */
  readonly input: Shape;
  /** Shape of what it is compared with, as the loss wants it: mostly [batch, labels, depth, height, width]. */
  readonly target: PerHead<Shape>;
  readonly loss: PerHead<BoundLoss>;
  /** Default: Adam with a learning rate of 1e-3. */
  readonly optimizer?: Optimizer;
  /** Of the first parameters (default 1): the same seed gives the same bits on the same device. */
  readonly seed?: number;
}

/** A recorded prediction of so many items. */
interface Predicting {
  readonly plan: Plan;
  readonly input: TensorStore;
  readonly outputs: ReadonlyMap<string, Tensor>;
}

/**
 * Trains a network on batches that the caller makes: a step is recorded once, compiled and replayed. For scans, with
 * patches that are cut and changed on the GPU, there is `train`.
 *
 * @example
 * const net = nn.sequential(nn.conv3d(8, { kernel: 3 }), nn.relu(), nn.conv3d(2, { kernel: 1 }));
 * const trainer = await nn.trainer(gpu, net, {
 *   input: [2, 1, 16, 16, 16], target: [2, 1, 16, 16, 16], loss: loss.dice(), optimizer: adam({ lr: 1e-2 }), seed: 1,
 * });
 * for (const { x, y } of batches) console.log(await trainer.step(x, y));
 */
export class Trainer {
  readonly #gpu: Gpu;
  readonly #input: Shape;
  readonly #losses: ReadonlyMap<string, BoundLoss>;
  readonly #optimizer: Optimizer;
  readonly #recorded: TrainingStep;
  readonly #plan: Plan;
  readonly #owned: Resources;
  /** Compiled predictions by their number of items. */
  readonly #predicting: Map<number, Predicting> = new Map();
  #steps = 0;

  private constructor(
    gpu: Gpu,
    parts: { input: Shape; losses: Map<string, BoundLoss>; optimizer: Optimizer },
    recorded: TrainingStep,
    plan: Plan,
    owned: Resources,
  ) {
    this.#gpu = gpu;
    this.#input = parts.input;
    this.#losses = parts.losses;
    this.#optimizer = parts.optimizer;
    this.#recorded = recorded;
    this.#plan = plan;
    this.#owned = owned;
  }

  /** See {@link trainer}. */
  static async create(
    gpu: Gpu,
    network: Layer | Architecture | NetworkSpec,
    options: TrainerOptions,
  ): Promise<Trainer> {
    const { input, optimizer = adam(), seed = 1 } = options;
    if (input.length !== 5)
      throw new ShapeError('trainer', 'input is [batch, channels, depth, height, width]', formatShape(input));
    const architecture = architectureFor(network, input);
    const heads = architecture.heads.map(({ name }) => name);
    const losses = perHead('loss', options.loss, heads, isLoss);
    const targets = perHead('target', options.target, heads, (value): value is Shape => Array.isArray(value));
    const { outputs } = declareNetwork(architecture, input);
    for (const [head, loss] of losses) {
      const wanted = loss.targetShape(outputs.get(head)![0]!.shape);
      const given = targets.get(head)!;
      if (!sameShape(wanted, given))
        throw new ShapeError(
          'trainer',
          `the loss ${loss.name} compares an output ${formatShape(outputs.get(head)![0]!.shape)} with a target ${formatShape(wanted)}`,
          formatShape(given),
          { hint: 'A softmax has an output for the background, which the target leaves out.' },
        );
    }
    return await Resources.build(async (owned) => {
      const [batch, , ...patch] = input as [number, number, number, number, number];
      const objectives = heads.map((head): Objective => ({ head, loss: losses.get(head)!, weight: 1 }));
      const request = { network: architecture, batch, patch, objectives, optimizer: optimizer.settings };
      const tape = new Tape(gpu.capabilities);
      const recorded = owned.add(await recordTrainingStep(gpu, request, tape, new Random(seed)));
      const keep = recorded.losses.map(({ output }) => output);
      const plan = owned.add(await compilePlan(gpu, recorded.commands, { label: 'trainer', keep }));
      const parts = { input, losses, optimizer };
      return new Trainer(gpu, parts, recorded, plan, owned);
    });
  }

  /** Steps done. */
  get steps(): number {
    return this.#steps;
  }

  /**
   * One step of the optimizer.
   * @param x the batch, in the order of its shape
   * @param y the target, or targets by head
   * @returns the loss before the step; of several heads the sum, penalties of the network included
   * @throws ShapeError for another number of values; NonFiniteError where loss or gradient is not finite, and the
   *   parameters stay; GpuError, DeviceLostError.
   */
  async step(x: Float32Array, y: PerHead<Float32Array>): Promise<number> {
    const { batch, losses } = this.#recorded;
    const targets = perHead('target', y, [...this.#losses.keys()], isArray);
    write(batch, INPUT, x);
    for (const [head, values] of targets) write(batch, head, values);
    const learningRate = this.#optimizer.rate(this.#steps);
    this.#recorded.setStep({ step: this.#steps, learningRate });
    this.#plan.run();
    const status = await this.#recorded.adam.readStatus();
    let total = status.loss;
    for (const { output, weight } of losses.slice(1)) total += weight * (await this.#plan.read(output))[0]!;
    if (!status.finite || !Number.isFinite(total))
      throw new NonFiniteError(
        `step ${this.#steps + 1}: the loss is ${total} and the gradient's norm ${status.gradNorm}`,
        { hint: 'Check the batch, or train with a smaller learning rate.' },
      );
    this.#steps++;
    return total;
  }

  /**
   * What the network says of one or more items: probabilities, or values where the loss has no activation.
   * @param x items of the input's channels and extents, one after the other
   * @returns in the order of the output's shape; of several heads the first's
   * @throws ShapeError if the values do not make a whole number of items; OutOfMemoryError, GpuError, DeviceLostError.
   */
  async predict(x: Float32Array): Promise<Float32Array> {
    return [...(await this.predictHeads(x)).values()][0]!;
  }

  /** The same by head. */
  async predictHeads(x: Float32Array): Promise<Map<string, Float32Array>> {
    const [, ...item] = this.#input;
    const items = x.length / sizeOf(item);
    if (!Number.isInteger(items) || items < 1)
      throw new ShapeError(
        'predict',
        `it takes whole items of ${formatShape(item)}, ${sizeOf(item)} values each`,
        `${x.length} values`,
      );
    const { plan, input, outputs } = await this.#predictor(items);
    input.write(INPUT, x);
    plan.run();
    const found = new Map<string, Float32Array>();
    for (const [head, output] of outputs) found.set(head, await plan.read(output));
    return found;
  }

  async #predictor(items: number): Promise<Predicting> {
    const known = this.#predicting.get(items);
    if (known) return known;
    const shape = [items, ...this.#input.slice(1)];
    const input = this.#owned.add(await TensorStore.create(this.#gpu, 'items', [{ name: INPUT, shape }]));
    const tape = new Tape(this.#gpu.capabilities);
    const activations = Object.fromEntries(
      [...this.#losses].map(([head, { activation }]) => [head, activation]),
    );
    const outputs = recordPrediction(tape, this.#recorded.net, input.get(INPUT), { activations });
    const keep = [...outputs.values()];
    const plan = this.#owned.add(await compilePlan(this.#gpu, tape.commands, { label: 'predict', keep }));
    const made = { plan, input, outputs };
    this.#predicting.set(items, made);
    return made;
  }

  /**
   * Everything that {@link load} needs to continue bit for bit, as the bytes of a safetensors file: parameters and
   * running statistics under their names, Adam's moments under `adam.m.` and `adam.v.`, the number of steps, and what
   * dropout draws from.
   */
  async save(): Promise<Uint8Array<ArrayBuffer>> {
    const tensors = new Map<string, StoredTensor>();
    for (const [prefix, store] of this.#stores)
      for (const [name, tensor] of checkTensors(shapesOf(store), await store.readAll(), store.label))
        tensors.set(`${prefix}${name}`, tensor);
    const { random } = this.#recorded;
    const metadata = { format: 'pt', steps: String(this.#steps) };
    return writeSafetensors(tensors, random ? { ...metadata, random: String(random.seed) } : metadata);
  }

  /**
   * Continues from what {@link save} gave.
   * @throws FileFormatError; CheckpointError for a file of another network. Nothing is changed then.
   */
  load(bytes: Uint8Array): void {
    const { tensors, metadata } = readSafetensors(bytes, 'the saved trainer');
    const steps = Number(metadata.get('steps') ?? Number.NaN);
    if (!Number.isSafeInteger(steps) || steps < 0)
      throw new CheckpointError('the saved trainer: the number of steps is missing', {
        hint: 'Give what `save` of a trainer returned.',
      });
    const seed = metadata.has('random') ? Number(metadata.get('random')) : undefined;
    if (seed !== undefined && !Number.isSafeInteger(seed))
      throw new CheckpointError('the saved trainer: what dropout draws from is not a whole number', {
        hint: 'Give what `save` of a trainer returned.',
      });
    const rest = new Map(tensors);
    const found = this.#stores.map(([prefix, store]) => {
      const own = new Map<string, StoredTensor>();
      for (const name of store.tensors.keys()) {
        const tensor = rest.get(`${prefix}${name}`);
        if (tensor) own.set(name, tensor);
        rest.delete(`${prefix}${name}`);
      }
      return [store, takeTensors(shapesOf(store), own, 'the saved trainer')] as const;
    });
    const [surplus] = rest.keys();
    if (surplus !== undefined)
      throw new CheckpointError(`the saved trainer: the network has no tensor ${surplus}`, {
        hint: 'Load it into the network that it was saved from.',
      });
    for (const [store, values] of found) for (const [name, data] of values) store.write(name, data);
    this.#steps = steps;
    if (this.#recorded.random && seed !== undefined) this.#recorded.random.seed = seed;
  }

  get #stores(): readonly (readonly [string, TensorStore])[] {
    const { net, adam: optimizer } = this.#recorded;
    return [
      ['', net.parameters],
      ['', net.state],
      ['adam.m.', optimizer.m],
      ['adam.v.', optimizer.v],
    ];
  }

  /** Frees everything on the GPU; the GPU itself stays the caller's. */
  close(): void {
    this.#owned.destroy();
  }
}

/**
 * Makes a trainer: records and compiles a training step.
 * @param network a layer, an architecture with several heads, or a registered kind with its configuration
 * @throws ShapeError for shapes that the network or the loss does not take; UsageError for an unknown kind, or a loss or
 *   target that is missing; OutOfMemoryError, GpuError.
 */
export async function trainer(
  gpu: Gpu,
  network: Layer | Architecture | NetworkSpec,
  options: TrainerOptions,
): Promise<Trainer> {
  return await Trainer.create(gpu, network, options);
}

function architectureFor(network: Layer | Architecture | NetworkSpec, input: Shape): Architecture {
  if ('kind' in network) return architectureOf(network);
  if ('heads' in network) return network;
  const forward: Architecture['forward'] = (scope, x) => new Map([[OUTPUT, [network.forward(scope, x)]]]);
  const { outputs } = declare(forward, input, 'train');
  const [, channels = 1] = outputs.get(OUTPUT)![0]!.shape;
  const [, inChannels = 1] = input;
  return { inChannels, heads: [{ name: OUTPUT, channels }], patchMultiple: [1, 1, 1], forward };
}

/** What each head gets. @throws UsageError where one gets nothing. */
function perHead<T>(
  what: string,
  given: PerHead<T>,
  heads: readonly string[],
  isOne: (value: PerHead<T>) => value is T,
): Map<string, T> {
  return new Map(
    heads.map((head): [string, T] => {
      const own = isOne(given) ? (heads.length === 1 ? given : undefined) : given[head];
      if (own !== undefined) return [head, own];
      throw new UsageError(`trainer: the head ${head} has no ${what}`, {
        hint: `Give one for each head: { ${heads.map((name) => `${name}: …`).join(', ')} }.`,
      });
    }),
  );
}

function isLoss(value: PerHead<BoundLoss>): value is BoundLoss {
  return typeof value.record === 'function';
}

function isArray(value: PerHead<Float32Array>): value is Float32Array {
  return value instanceof Float32Array;
}

function shapesOf(store: TensorStore): Map<string, Shape> {
  return new Map([...store.tensors].map(([name, { shape }]) => [name, shape]));
}

function write(store: TensorStore, name: string, values: Float32Array): void {
  const { shape } = store.get(name);
  if (values.length !== sizeOf(shape))
    throw new ShapeError(
      'step',
      `${name} is ${formatShape(shape)}, ${sizeOf(shape)} values`,
      `${values.length} values`,
    );
  store.write(name, values);
}
