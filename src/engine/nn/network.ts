import { CheckpointError, ShapeError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { Resources } from '../../core/resources.ts';
import { formatShape, type Shape, sizeOf, type Triple } from '../../core/shape.ts';
import { setting, type Wording, worded } from '../../core/wording.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { TensorStore } from '../tape/store.ts';
import type { Tape } from '../tape/tape.ts';
import type { Element, Tensor } from '../tape/tensor.ts';
import { type Declaration, declare } from './declare.ts';
import { initialValues } from './init.ts';
import { RecordingScope } from './record.ts';
import type { Mode, ParameterSpec, Scope } from './scope.ts';

/** An output of a network. */
export interface Head {
  /** A word: in the names of tensors and files. */
  readonly name: string;
  /** Of the output: with a softmax one for the background and one for each label. */
  readonly channels: number;
  /** Whether the output is [batch, channels], such as a score of the whole scan, not a value per voxel. */
  readonly perScan?: boolean | undefined;
}

/** A network by name: what checkpoints and settings store. `config` is JSON that the kind's schema checks. */
export interface NetworkSpec<Config extends object = object> {
  readonly kind: string;
  readonly config: Config;
}

/** A scalar of the network's own that training keeps small, beside the losses of the heads. */
export interface Penalty {
  /** Its output's name, which no head has. */
  readonly name: string;
  /** In the sum that is minimised. */
  readonly weight: number;
}

/** A network as a function of its input, without tensors. */
export interface Architecture {
  readonly inChannels: number;
  readonly heads: readonly Head[];
  /** What it adds to the losses in training (default: nothing). */
  readonly penalties?: readonly Penalty[] | undefined;
  /** Extents of a patch must be multiples of these, [z, y, x], so that every stride divides evenly. */
  readonly patchMultiple: Triple;
  /**
   * The forward pass.
   * @param input [N, inChannels, D, H, W]
   * @returns outputs by head: the first at full resolution, others (in training only) at halving ones; in training
   *   also each penalty, a scalar [1], by its name
   */
  readonly forward: (scope: Scope, input: Tensor) => ReadonlyMap<string, readonly Tensor[]>;
}

/**
 * What a network keeps, and its outputs, found without a GPU.
 * @param input the shape it is for (default: a small one)
 * @throws ShapeError for an input that it does not take.
 */
export function declareNetwork(
  architecture: Architecture,
  input: Shape = [2, architecture.inChannels, ...architecture.patchMultiple.map((extent) => 2 * extent)],
): Declaration & { readonly outputs: ReadonlyMap<string, readonly Tensor[]> } {
  requirePatch(architecture, input);
  // In training: there a network asks for all that it has, deep supervision included.
  return declare(architecture.forward, input, 'train');
}

/** How many numbers a network learns: all that an optimizer holds, biases and norms included. */
export function countParameters(specs: readonly ParameterSpec[]): number {
  return specs.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** A network on a GPU: its tensors, and the recording of its forward pass. */
export class Network {
  readonly architecture: Architecture;
  readonly parameters: TensorStore;
  /** What the forward pass itself moves: the running statistics of batch norms. */
  readonly state: TensorStore;
  /** Gradients of the parameters; absent in a network that only predicts. */
  readonly grads: TensorStore | undefined;
  readonly #declared: Declaration;

  private constructor(
    architecture: Architecture,
    declared: Declaration,
    stores: { parameters: TensorStore; state: TensorStore; grads: TensorStore | undefined },
  ) {
    this.architecture = architecture;
    this.#declared = declared;
    this.parameters = stores.parameters;
    this.state = stores.state;
    this.grads = stores.grads;
  }

  /**
   * Allocates a network: initialised from `random` where given, else zeros to be filled by {@link load}.
   * @param options `training`: with gradients; `input`: the shape that it is for, where a small one does not do
   * @throws OutOfMemoryError; ShapeError for an architecture whose layers do not fit.
   */
  static async create(
    gpu: Gpu,
    architecture: Architecture,
    options: { readonly training: boolean; readonly random?: Random; readonly input?: Shape },
  ): Promise<Network> {
    const declared = declareNetwork(architecture, options.input);
    return await Resources.build(async (owned) => {
      const create = async (
        label: string,
        specs: readonly ParameterSpec[],
        extra: { readonly grads?: TensorStore } = {},
      ): Promise<TensorStore> => owned.add(await TensorStore.create(gpu, label, specs, extra));
      const grads = options.training ? await create('gradients', declared.parameters) : undefined;
      const parameters = await create('parameters', declared.parameters, grads ? { grads } : {});
      const state = await create('running statistics', declared.state);
      const net = new Network(architecture, declared, { parameters, state, grads });
      if (options.random) net.initialise(options.random);
      return net;
    });
  }

  /** Draws new parameters and resets the state. */
  initialise(random: Random): void {
    const first = new Map<string, Float32Array>();
    for (const { name, shape, init } of this.#declared.parameters) {
      const values = initialValues(shape, init, random, first);
      first.set(name, values);
      this.parameters.write(name, values);
    }
    for (const { name, shape, init } of this.#declared.state)
      this.state.write(name, initialValues(shape, init, random));
  }

  /**
   * Fills parameters and state by name.
   * @throws CheckpointError where a tensor is missing or has another number of elements; nothing is written then.
   */
  load(tensors: ReadonlyMap<string, Float32Array>): void {
    const stores = [this.parameters, this.state];
    for (const store of stores)
      for (const [name, target] of store.tensors) {
        const data = tensors.get(name);
        if (data?.length === sizeOf(target.shape)) continue;
        throw new CheckpointError(
          `the network needs ${name} ${formatShape(target.shape)}; the checkpoint ${data ? `holds ${data.length} values` : 'has no such tensor'}`,
          { hint: 'Load it into the kind of network and the widths that it was trained with.' },
        );
      }
    for (const store of stores)
      for (const name of store.tensors.keys()) store.write(name, tensors.get(name)!);
  }

  /** Parameters and state by name. */
  async save(): Promise<Map<string, Float32Array>> {
    return new Map([...(await this.parameters.readAll()), ...(await this.state.readAll())]);
  }

  /**
   * Records the forward pass.
   * @param input [N, inChannels, D, H, W]; D, H, W multiples of the architecture's
   * @param mode `train`: batch statistics (and their running means), dropout and further outputs
   * @param stored what activations and their gradients between the first layer and the heads are stored as
   * @param seed that of a `StepSeed`, for a network with dropout
   * @returns outputs by head, of 32 bits: the first at full resolution
   * @throws ShapeError for another input; GpuError where the device does not store such elements.
   */
  forward(
    tape: Tape,
    input: Tensor,
    mode: Mode,
    stored: Element = 'f32',
    seed?: Tensor,
  ): ReadonlyMap<string, readonly Tensor[]> {
    requirePatch(this.architecture, input.shape);
    const { parameters, state } = this;
    return this.architecture.forward(
      new RecordingScope({ tape, parameters, state, mode, stored, seed }),
      input,
    );
  }

  /** Frees the buffers. */
  destroy(): void {
    this.parameters.destroy();
    this.state.destroy();
    this.grads?.destroy();
  }
}

/** @throws ShapeError for an input that a network does not take. */
function requirePatch({ inChannels, patchMultiple }: Architecture, shape: Shape): void {
  const [, channels, ...extents] = shape;
  const rule = (holds: boolean, text: string, hint: string | Wording): void => {
    if (!holds) throw new ShapeError('network', text, formatShape(shape), { hint });
  };
  rule(
    shape.length === 5 && channels === inChannels,
    `its input is [batch, ${inChannels}, depth, height, width]`,
    'Give it as many channels as it was made for.',
  );
  const [z, y, x] = patchMultiple;
  rule(
    patchMultiple.every((multiple, axis) => extents[axis]! % multiple === 0),
    z === y && y === x
      ? `depth, height and width are multiples of ${x}`
      : `depth, height and width are multiples of ${z}, ${y} and ${x}`,
    worded`Choose another ${setting('patch')} or fewer ${setting('levels')}.`,
  );
}
