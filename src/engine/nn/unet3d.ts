import { CheckpointError, ShapeError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { Resources } from '../../core/resources.ts';
import { formatShape, sizeOf } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { batchNorm } from '../ops/batch-norm.ts';
import { convTranspose3d } from '../ops/conv-transpose3d.ts';
import { conv3d } from '../ops/conv3d.ts';
import { crossStitch } from '../ops/cross-stitch.ts';
import { maxPool3d } from '../ops/max-pool3d.ts';
import { TensorStore } from '../tape/store.ts';
import type { Tape } from '../tape/tape.ts';
import type { Element, Tensor } from '../tape/tensor.ts';
import {
  type ParameterSpec,
  parameterSpecs,
  patchMultiple,
  type Stream,
  stateSpecs,
  stitchName,
  streamsOf,
  type UNetConfig,
} from './unet-config.ts';

/** PyTorch's defaults. */
const MOMENTUM = 0.1;
const EPS = 1e-5;

/** A 3D U-Net's tensors on a GPU, and the recording of its forward pass. */
export class UNet3d {
  readonly config: UNetConfig;
  readonly parameters: TensorStore;
  /** Running statistics of the batch norms. */
  readonly state: TensorStore;
  /** Gradients of the parameters; absent in a network that only predicts. */
  readonly grads: TensorStore | undefined;

  private constructor(config: UNetConfig, parameters: TensorStore, state: TensorStore, grads?: TensorStore) {
    this.config = config;
    this.parameters = parameters;
    this.state = state;
    this.grads = grads;
  }

  /**
   * Allocates a network: initialised from `random` where given, else zeros to be filled by {@link load}.
   * @throws OutOfMemoryError
   */
  static async create(
    gpu: Gpu,
    config: UNetConfig,
    options: { readonly training: boolean; readonly random?: Random },
  ): Promise<UNet3d> {
    const specs = parameterSpecs(config);
    return await Resources.build(async (owned) => {
      const create = async (
        label: string,
        wanted: readonly ParameterSpec[],
        extra: { readonly grads?: TensorStore } = {},
      ): Promise<TensorStore> => owned.add(await TensorStore.create(gpu, label, wanted, extra));
      const grads = options.training ? await create('gradients', specs) : undefined;
      const parameters = await create('parameters', specs, grads ? { grads } : {});
      const state = await create('running statistics', stateSpecs(config));
      const net = new UNet3d(config, parameters, state, grads);
      if (options.random) net.initialise(options.random);
      return net;
    });
  }

  /** Draws new parameters (He initialisation) and resets the running statistics. */
  initialise(random: Random): void {
    for (const spec of parameterSpecs(this.config))
      this.parameters.write(spec.name, initialValues(spec, random));
    for (const spec of stateSpecs(this.config)) this.state.write(spec.name, initialValues(spec, random));
  }

  /**
   * Fills parameters and running statistics by name.
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
          { hint: 'Load it into the variant and widths that it was trained with.' },
        );
      }
    for (const store of stores)
      for (const name of store.tensors.keys()) store.write(name, tensors.get(name)!);
  }

  /** Parameters and running statistics by name. */
  async save(): Promise<Map<string, Float32Array>> {
    return new Map([...(await this.parameters.readAll()), ...(await this.state.readAll())]);
  }

  /**
   * Records the forward pass.
   *
   * @param input [N, inChannels, D, H, W]; D, H, W multiples of 2^(levels - 1)
   * @param training batch statistics (and their running means) instead of the running ones
   * @param stored what activations and their gradients between the first convolutions and the heads are stored as
   * @returns logits [N, classes, D, H, W] by head
   * @throws ShapeError; GpuError where the device does not store such elements
   */
  forward(tape: Tape, input: Tensor, training: boolean, stored: Element = 'f32'): Map<string, Tensor> {
    const multiple = patchMultiple(this.config);
    if (input.shape.length !== 5 || input.shape.slice(2).some((extent) => extent % multiple !== 0))
      throw new ShapeError(
        'unet3d',
        `with ${this.config.encoder.length} levels, depth, height and width are multiples of ${multiple}`,
        formatShape(input.shape),
        { hint: worded`Choose another ${setting('patch')} or fewer ${setting('levels')}.` },
      );
    const streams = streamsOf(this.config);
    const skips: (readonly Tensor[])[] = [];
    let x: readonly Tensor[] = streams.map(() => input);
    this.config.encoder.forEach((_, level) => {
      const blocks = streams.map(({ prefix }, s) => {
        const name = `${prefix}encoder.${level}`;
        const source = x[s]!;
        const pooled =
          level === 0 ? source : tape.scope(name, () => tape.apply(maxPool3d, [source], {}, stored));
        return this.#block(tape, name, [pooled], training, stored);
      });
      x = this.#stitch(tape, `encoder.${level}`, blocks, streams, stored);
      skips.push(x);
    });
    for (let level = this.config.decoder.length - 1; level >= 0; level--) {
      const blocks = streams.map(({ prefix }, s) => {
        const name = `${prefix}decoder.${level}`;
        const weight = this.parameters.get(`${name}.up.weight`);
        const up = tape.scope(name, () =>
          tape.apply(
            convTranspose3d,
            [x[s]!, weight],
            { stride: 2, padding: 0, outputPadding: 0, bias: false },
            stored,
          ),
        );
        return this.#block(tape, name, [skips[level]![s]!, up], training, stored);
      });
      x = this.#stitch(tape, `decoder.${level}`, blocks, streams, stored);
    }
    const logits = new Map<string, Tensor>();
    streams.forEach(({ prefix, heads }, s) => {
      for (const head of heads) {
        const name = `${prefix}heads.${head.name}`;
        const inputs = [x[s]!, ...this.#weights(name)];
        const attributes = { stride: 1, padding: 0, sources: 1, bias: true } as const;
        logits.set(
          head.name,
          tape.scope(name, () => tape.apply(conv3d, inputs, attributes)),
        );
      }
    });
    return logits;
  }

  /** What each stream goes on with: its own block, or where the network has stitches its blend with the other's. */
  #stitch(
    tape: Tape,
    place: string,
    blocks: readonly Tensor[],
    streams: readonly Stream[],
    stored: Element,
  ): readonly Tensor[] {
    if (!this.config.crossStitch) return blocks;
    return streams.map((stream, s) => {
      const weight = this.parameters.get(stitchName(place, stream));
      return tape.scope(`${stream.prefix}${place}`, () =>
        tape.apply(crossStitch, [blocks[s]!, blocks[1 - s]!, weight], {}, stored),
      );
    });
  }

  #weights(name: string): [Tensor, Tensor] {
    return [this.parameters.get(`${name}.weight`), this.parameters.get(`${name}.bias`)];
  }

  #block(tape: Tape, name: string, sources: readonly Tensor[], training: boolean, stored: Element): Tensor {
    return tape.scope(name, () => {
      let x = sources;
      for (const i of [1, 2]) {
        const norm = `${name}.norm${i}`;
        const convolved = tape.apply(
          conv3d,
          [...x, ...this.#weights(`${name}.conv${i}`)],
          { stride: 1, padding: 1, sources: x.length === 2 ? 2 : 1, bias: true },
          stored,
        );
        const attributes = {
          training,
          momentum: MOMENTUM,
          eps: EPS,
          slope: 0,
          runningMean: this.state.get(`${norm}.running_mean`),
          runningVar: this.state.get(`${norm}.running_var`),
        };
        const normalised = tape.apply(batchNorm, [convolved, ...this.#weights(norm)], attributes, stored);
        x = [normalised];
      }
      return x[0]!;
    });
  }

  /** Frees the buffers. */
  destroy(): void {
    this.parameters.destroy();
    this.state.destroy();
    this.grads?.destroy();
  }
}

function initialValues({ shape, init }: ParameterSpec, random: Random): Float32Array {
  const values = new Float32Array(sizeOf(shape));
  if (init.kind === 'ones') values.fill(1);
  if (init.kind === 'rows') {
    const row = values.length / init.values.length;
    for (let i = 0; i < values.length; i++) values[i] = init.values[Math.floor(i / row)]!;
  }
  if (init.kind === 'he') {
    const deviation = Math.sqrt(2 / init.fanIn);
    for (let i = 0; i < values.length; i++) values[i] = random.normal(0, deviation);
  }
  return values;
}
