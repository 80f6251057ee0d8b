import { OutOfMemoryError } from '../../core/errors.ts';
import type { AbortSignal } from '../../core/globals.ts';
import { Resources } from '../../core/resources.ts';
import { ceilDiv, sizeOf, type Triple } from '../../core/shape.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { formatBytes } from '../../engine/gpu/gpu.ts';
import { traceNetwork } from '../../engine/nn/graph.ts';
import { Network, type NetworkSpec } from '../../engine/nn/network.ts';
import { architectureOf } from '../../engine/nn/networks/index.ts';
import { conv3d } from '../../engine/ops/conv3d.ts';
import { elu } from '../../engine/ops/elu.ts';
import { gelu } from '../../engine/ops/gelu.ts';
import { relu } from '../../engine/ops/relu.ts';
import { type Command, read, write } from '../../engine/tape/command.ts';
import { compilePlan, type Plan } from '../../engine/tape/plan.ts';
import { TensorStore } from '../../engine/tape/store.ts';
import { Tape } from '../../engine/tape/tape.ts';
import { type Element, type Tensor, tensor } from '../../engine/tape/tensor.ts';
import { ChannelMoments } from './channel-moments.ts';
import { type BlockGrid, batchesOf, blockGrid } from './lattice-blocks.ts';
import { type ChainLayer, chainOf } from './layer-chain.ts';

/** Settings of {@link labelWholeVolume}. */
export interface WholeVolumeOptions {
  /** What the volumes between the layers are stored as (default f16); sums are of 32 bits. */
  readonly stored?: Element | undefined;
  /** Kernel variants by slot. */
  readonly kernels?: Readonly<Record<string, string>> | undefined;
  /** Bytes that all may take on the GPU (default: no limit). */
  readonly memory?: number | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
  /** Stops between batches; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

const FILE = 'whole-volume.wgsl';
const LANES = 64;
/** Bytes of a batch of blocks in 32 bits, its channels included. */
const BATCH_BYTES = 24e6;
/** Batches that are in memory at a time, kernels' own included, as a bound says. */
const BATCH_COPIES = 8;

/**
 * Runs a network that is a chain of convolutions on a whole volume, and finds the channel of the largest output. The
 * volumes between the layers lie in buffers of one or two channels, so that no binding is larger than one of these;
 * convolutions run on blocks of the lattices that their taps span, so that all of them are dense. Norms see the volume
 * whole. The same input gives the same bits.
 *
 * @param input by channel, [D, H, W] each
 * @returns the channel of the largest output, by voxel; of equal ones the first
 * @throws UsageError for a network that is no such chain; OutOfMemoryError; GpuError, DeviceLostError, the signal's reason.
 */
export async function labelWholeVolume(
  gpu: Gpu,
  model: { readonly network: NetworkSpec; readonly weights: ReadonlyMap<string, Float32Array> },
  input: readonly Float32Array[],
  extents: Triple,
  options: WholeVolumeOptions = {},
): Promise<Uint8Array> {
  const architecture = architectureOf(model.network);
  const chain = chainOf(traceNetwork(architecture));
  const grids = chain.map((layer) => blockGrid(extents, layer.dilation, widestOf(layer), BATCH_BYTES));
  requireRoom(chain, input.length, extents, options);
  return await Resources.build(async (owned) => {
    const net = owned.add(await Network.create(gpu, architecture, { training: false }));
    net.load(model.weights);
    const walk = new Walk(gpu, net, model.weights, extents, options, owned);
    await walk.begin(input, chain);
    const total = grids.reduce((sum, grid) => sum + grid.batches, 0);
    let done = 0;
    const step = (): void => options.onProgress?.(++done, total);
    let labels: Uint8Array | undefined;
    for (const [i, layer] of chain.entries())
      if (i < chain.length - 1) await walk.layer(layer, grids[i]!, step);
      else labels = await walk.labels(layer, grids[i]!, step);
    owned.destroy();
    return labels!;
  });
}

function widestOf({ inChannels, channels }: ChainLayer): number {
  return Math.max(inChannels, channels);
}

/** Channels that a word of a volume holds. */
function perWord(stored: Element): number {
  return stored === 'f16' ? 2 : 1;
}

/** What the whole takes on the GPU at most, in bytes. */
export function wholeVolumeBytes(
  network: NetworkSpec,
  inputs: number,
  extents: Triple,
  stored: Element = 'f16',
): number {
  return bytesOf(chainOf(traceNetwork(architectureOf(network))), inputs, extents, stored);
}

function bytesOf(chain: readonly ChainLayer[], inputs: number, extents: Triple, stored: Element): number {
  const widest = Math.max(...chain.slice(0, -1).map(({ channels }) => channels));
  const words = 2 * ceilDiv(widest, perWord(stored)) + inputs;
  return 4 * words * sizeOf(extents) + BATCH_COPIES * BATCH_BYTES;
}

function requireRoom(
  chain: readonly ChainLayer[],
  inputs: number,
  extents: Triple,
  { memory, stored = 'f16' }: WholeVolumeOptions,
): void {
  const bytes = bytesOf(chain, inputs, extents, stored);
  if (memory === undefined || bytes <= memory) return;
  throw new OutOfMemoryError(
    `the network needs ${formatBytes(bytes)} for a volume of ${extents.join('x')}; the budget is ${formatBytes(memory)}`,
    {
      hint:
        stored === 'f32' && bytesOf(chain, inputs, extents, 'f16') <= memory
          ? 'It fits with activations of 16 bits.'
          : 'It sees the volume whole, so no smaller tile helps: give it more, or take a network of fewer channels.',
    },
  );
}

/** A volume between two layers, and what is still to be done to it. */
interface Volume {
  readonly planes: readonly TensorStore[];
  readonly stored: Element;
  readonly channels: number;
  /** By channel mean, scale, shift and nothing. */
  readonly coefficients: Float32Array;
  readonly activation: ChainLayer['activation'];
}

/** Goes through a chain, layer by layer. */
class Walk {
  readonly #gpu: Gpu;
  readonly #net: Network;
  readonly #weights: ReadonlyMap<string, Float32Array>;
  readonly #extents: Triple;
  readonly #options: WholeVolumeOptions;
  readonly #stored: Element;
  readonly #owned: Resources;
  #sets: readonly (readonly TensorStore[])[] = [];
  #volume: Volume | undefined;

  constructor(
    gpu: Gpu,
    net: Network,
    weights: ReadonlyMap<string, Float32Array>,
    extents: Triple,
    options: WholeVolumeOptions,
    owned: Resources,
  ) {
    this.#gpu = gpu;
    this.#net = net;
    this.#weights = weights;
    this.#extents = extents;
    this.#options = options;
    this.#stored = options.stored ?? 'f16';
    this.#owned = owned;
  }

  /** Allocates the volumes and takes the first one in. */
  async begin(input: readonly Float32Array[], chain: readonly ChainLayer[]): Promise<void> {
    const planes = async (count: number): Promise<TensorStore[]> => {
      const made: TensorStore[] = [];
      for (let i = 0; i < count; i++) {
        const spec = { name: 'plane', shape: this.#extents };
        made.push(this.#owned.add(await TensorStore.create(this.#gpu, 'volume', [spec])));
      }
      return made;
    };
    const widest = Math.max(1, ...chain.slice(0, -1).map(({ channels }) => channels));
    const count = ceilDiv(widest, perWord(this.#stored));
    this.#sets = [await planes(count), await planes(count)];
    const first = await planes(input.length);
    for (const [i, plane] of first.entries()) plane.write('plane', input[i]!);
    this.#volume = {
      planes: first,
      stored: 'f32',
      channels: input.length,
      coefficients: plain(input.length),
      activation: undefined,
    };
  }

  /** Convolves the volume into the next one. */
  async layer(layer: ChainLayer, grid: BlockGrid, step: () => void): Promise<void> {
    const { norm } = layer;
    const planes = this.#sets[0]!;
    // What is done to each voxel alone is done at once, unless a norm has to come before it.
    const activated = norm ? undefined : layer.activation;
    const measured = norm !== undefined && norm.running === undefined;
    const moments = new ChannelMoments(layer.channels);
    await this.#batches(layer, grid, activated, step, (output, places) => {
      const params = this.#params(grid, 0, layer.channels);
      const sums = tensor('sums', [grid.blocks, layer.channels, 4], 'arena');
      const commands: Command[] = planes
        .slice(0, ceilDiv(layer.channels, perWord(this.#stored)))
        .map((plane, i) => ({
          label: 'whole-volume/scatter',
          kernel: { file: FILE, entry: 'scatter', spec: { HALVES: this.#stored === 'f16' ? 1 : 0 } },
          bindings: [read(output), read(places), write(plane.get('plane'))],
          params: { ...params, first: i * perWord(this.#stored) },
          workgroups: [ceilDiv(sizeOf(grid.block), LANES), grid.blocks, 1],
        }));
      if (!measured) return { commands, keep: [], take: async () => {} };
      commands.push({
        label: 'whole-volume/sum_up',
        kernel: { file: FILE, entry: 'sum_up' },
        bindings: [read(output), read(places), write(sums)],
        params,
        workgroups: [layer.channels, grid.blocks, 1],
      });
      return { commands, keep: [sums], take: async (plan) => moments.add(await plan.read(sums)) };
    });
    const values = (name: string): Float32Array => this.#weights.get(name)!;
    this.#volume = {
      planes,
      stored: this.#stored,
      channels: layer.channels,
      coefficients: norm
        ? moments.coefficients({
            weight: values(norm.weight.name),
            bias: values(norm.bias.name),
            eps: norm.eps,
            groups: norm.groups,
            running: norm.running && {
              mean: values(norm.running.mean.name),
              variance: values(norm.running.variance.name),
            },
          })
        : plain(layer.channels),
      activation: norm ? layer.activation : undefined,
    };
    this.#sets = [this.#sets[1]!, this.#sets[0]!];
  }

  /** The last layer: which of its channels is the largest. */
  async labels(layer: ChainLayer, grid: BlockGrid, step: () => void): Promise<Uint8Array> {
    const out = new Uint8Array(sizeOf(this.#extents));
    await this.#batches(layer, grid, undefined, step, (output) => {
      const found = tensor('labels', [grid.blocks, ...grid.block], 'arena');
      const command: Command = {
        label: 'whole-volume/labels',
        kernel: { file: FILE, entry: 'labels' },
        bindings: [read(output), write(found)],
        params: this.#params(grid, 0, layer.channels),
        workgroups: [ceilDiv(sizeOf(grid.block), LANES), grid.blocks, 1],
      };
      const take = async (plan: Plan, places: Int32Array): Promise<void> =>
        grid.place(await plan.read(found), places, out);
      return { commands: [command], keep: [found], take };
    });
    return out;
  }

  /** Gathers, convolves and hands on, batch by batch. */
  async #batches(
    layer: ChainLayer,
    grid: BlockGrid,
    activation: ChainLayer['activation'],
    step: () => void,
    behind: (
      output: Tensor,
      places: Tensor,
    ) => {
      readonly commands: readonly Command[];
      readonly keep: readonly Tensor[];
      take(plan: Plan, places: Int32Array): Promise<void>;
    },
  ): Promise<void> {
    const { kernels = {}, signal } = this.#options;
    const volume = this.#volume!;
    await Resources.build(async (owned) => {
      const fixed = owned.add(
        await TensorStore.create(this.#gpu, 'batch', [
          { name: 'places', shape: [grid.blocks, 4] },
          { name: 'coefficients', shape: [volume.channels, 4] },
        ]),
      );
      fixed.write('coefficients', volume.coefficients);
      const places = fixed.get('places');
      const halo = (layer.kernel - 1) / 2;
      const wide = grid.block.map((extent) => extent + 2 * halo);
      const gathered = tensor('block', [grid.blocks, volume.channels, ...wide], 'arena');
      const gathers = volume.planes.slice(0, ceilDiv(volume.channels, perWord(volume.stored))).map(
        (plane, i): Command => ({
          label: 'whole-volume/gather',
          kernel: { file: FILE, entry: 'gather', spec: { HALVES: volume.stored === 'f16' ? 1 : 0 } },
          bindings: [
            read(plane.get('plane')),
            read(places),
            read(fixed.get('coefficients')),
            // Each of these writes its own channels.
            { tensor: gathered, access: i === 0 ? 'write' : 'read-write' },
          ],
          params: {
            ...this.#params({ ...grid, block: wide as unknown as Triple }, halo, volume.channels),
            first: i * perWord(volume.stored),
          },
          workgroups: [ceilDiv(sizeOf(wide), LANES), grid.blocks, 1],
        }),
      );
      const tape = new Tape(this.#gpu.capabilities, (slot) => kernels[slot]);
      const parameter = (name: string): Tensor => this.#net.parameters.get(name);
      const convolved = tape.apply(
        conv3d,
        [
          applied(tape, gathered, volume.activation),
          parameter(layer.weight.name),
          ...(layer.bias ? [parameter(layer.bias.name)] : []),
        ],
        { bias: layer.bias !== undefined },
      );
      const { commands, keep, take } = behind(applied(tape, convolved, activation), places);
      const plan = owned.add(
        await compilePlan(this.#gpu, [...gathers, ...tape.commands, ...commands], {
          label: 'whole volume',
          keep,
        }),
      );
      for (const batch of batchesOf(grid)) {
        signal?.throwIfAborted();
        fixed.write('places', new Uint32Array(batch.buffer));
        plan.run();
        await this.#gpu.idle();
        await take(plan, batch);
        step();
      }
      owned.destroy();
    });
  }

  #params({ block, dilation }: Pick<BlockGrid, 'block' | 'dilation'>, halo: number, channels: number) {
    return {
      extents: [...this.#extents, 0],
      block: [...block, 0],
      spacing: dilation,
      halo,
      channels,
      first: 0,
    };
  }
}

/** Coefficients that change nothing. */
function plain(channels: number): Float32Array {
  return Float32Array.from({ length: 4 * channels }, (_, i) => Number(i % 4 === 1));
}

function applied(tape: Tape, input: Tensor, activation: ChainLayer['activation']): Tensor {
  if (!activation) return input;
  const { op, attributes } = activation;
  return tape.apply({ relu, elu, gelu }[op] as typeof relu, [input], attributes);
}
