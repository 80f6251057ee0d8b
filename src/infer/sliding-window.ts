import { ShapeError } from '../core/errors.ts';
import { Resources } from '../core/resources.ts';
import { ceilDiv, formatShape, sizeOf } from '../core/shape.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Command, read, readWrite, slice } from '../tape/command.ts';
import { compilePlan, type Plan } from '../tape/plan.ts';
import { channelGroups } from '../tape/split.ts';
import { TensorStore } from '../tape/store.ts';
import type { Tensor } from '../tape/tensor.ts';
import { flatChunks, flatGroups } from '../tape/workgroups.ts';
import { type Corner, importance, tileCorners } from './tiles.ts';

/** A compiled network that maps one tile to probabilities. */
export interface TileModel {
  /** Fixed tensor [1, C, D, H, W]: the tile that the window gathers. */
  readonly input: Tensor;
  /** The forward dispatches. */
  readonly commands: readonly Command[];
  /** Probabilities [1, L, D, H, W] by head, of the same commands. */
  readonly probabilities: ReadonlyMap<string, Tensor>;
}

/**
 * How far a run of {@link SlidingWindow.predict} got. The run keeps it up to date; given to a new run on the same
 * volume, with the same model and settings, that run goes on from there and ends with the same bits.
 */
export interface WindowSnapshot {
  /** Tiles that are in the sums. */
  tiles: number;
  /** Sums and weights by name, after these tiles; undefined before the first. */
  sums: ReadonlyMap<string, Float32Array> | undefined;
}

/** Settings of {@link SlidingWindow.predict}. */
export interface PredictOptions {
  /** Share of a tile that its neighbour covers again (default 0.5). */
  readonly overlap?: number;
  /** [D, H, W]; tiles without it are skipped, their voxels are background. */
  readonly brain?: Uint8Array;
  /** Called after each tile. */
  readonly onTile?: (done: number, total: number) => void;
  /** Stops between tiles; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Kept up to date, and where the run starts: for going on after the device was lost. */
  readonly snapshot?: WindowSnapshot;
  /** Seconds between two updates of the snapshot, each a readback of the maps (default 2). */
  readonly snapshotSeconds?: number;
}

const ROWS = 8;
const NORMALISE_ELEMENTS = 32 * 16;

/**
 * Whole-volume inference: tiles are gathered from the uploaded volume, run through the network, and summed with
 * Gaussian weights into one probability map a foreground class, all on the GPU. The same input gives the same bits.
 */
export class SlidingWindow {
  readonly #gpu: Gpu;
  readonly #model: TileModel;
  readonly #volume: readonly [number, number, number];
  readonly #stores: { readonly scan: TensorStore; readonly sums: TensorStore; readonly fixed: TensorStore };
  readonly #tile: Plan;
  readonly #normalise: Plan;
  readonly #owned: Resources;

  private constructor(
    gpu: Gpu,
    model: TileModel,
    volume: readonly [number, number, number],
    stores: { scan: TensorStore; sums: TensorStore; fixed: TensorStore },
    plans: { tile: Plan; normalise: Plan },
    owned: Resources,
  ) {
    this.#owned = owned;
    this.#gpu = gpu;
    this.#model = model;
    this.#volume = volume;
    this.#stores = stores;
    this.#tile = plans.tile;
    this.#normalise = plans.normalise;
  }

  /**
   * Compiles the window for volumes of one shape.
   * @param volume [D, H, W]
   * @throws OutOfMemoryError naming the tensor; GpuError.
   */
  static async create(
    gpu: Gpu,
    model: TileModel,
    volume: readonly [number, number, number],
  ): Promise<SlidingWindow> {
    return await Resources.build((owned) => SlidingWindow.#build(gpu, model, volume, owned));
  }

  static async #build(
    gpu: Gpu,
    model: TileModel,
    volume: readonly [number, number, number],
    owned: Resources,
  ): Promise<SlidingWindow> {
    const [, channels, ...patch] = model.input.shape as [number, number, number, number, number];
    const shape = [...volume];
    const scan = owned.add(
      await TensorStore.create(
        gpu,
        'scan',
        Array.from({ length: channels }, (_, c) => ({ name: `channel ${c}`, shape })),
      ),
    );
    const foreground = [...model.probabilities].flatMap(
      ([
        head,
        {
          shape: [, classes],
        },
      ]) => Array.from({ length: classes! - 1 }, (_, k) => ({ name: `${head} ${k + 1}`, shape })),
    );
    const sums = owned.add(
      await TensorStore.create(gpu, 'probability map', [...foreground, { name: 'weight', shape }]),
    );
    const fixed = owned.add(
      await TensorStore.create(gpu, 'window', [
        { name: 'corner', shape: [4] },
        { name: 'importance', shape: [patch[0] + patch[1] + patch[2]] },
      ]),
    );
    fixed.write('importance', Float32Array.from(patch.flatMap((extent) => [...importance(extent)])));
    const stores = { scan, sums, fixed };
    const commands = [
      ...gatherCommands(model, stores, volume, gpu.capabilities),
      ...model.commands,
      ...accumulateCommands(model, stores, volume, gpu.capabilities),
    ];
    const tile = owned.add(await compilePlan(gpu, commands, { label: 'tile' }));
    const normalise = owned.add(
      await compilePlan(
        gpu,
        foreground.flatMap(({ name }) => normaliseCommands(gpu, sums.get(name), sums.get('weight'))),
        { label: 'normalise' },
      ),
    );
    return new SlidingWindow(gpu, model, volume, stores, { tile, normalise }, owned);
  }

  /**
   * Probabilities of a volume.
   *
   * @param channels [C, D, H, W], as the network was trained on
   * @returns by head, one map [D, H, W] a foreground class; 0 where no tile came
   * @throws ShapeError for another number of values; GpuError, DeviceLostError, the signal's reason.
   */
  async predict(channels: Float32Array, options: PredictOptions = {}): Promise<Map<string, Float32Array[]>> {
    const { scan, sums, fixed } = this.#stores;
    const voxels = sizeOf(this.#volume);
    if (channels.length !== scan.tensors.size * voxels)
      throw new ShapeError(
        'sliding window',
        `the scan holds ${scan.tensors.size} channels of ${formatShape(this.#volume)}`,
        `${channels.length} values`,
      );
    let c = 0;
    for (const name of scan.tensors.keys()) scan.write(name, channels.subarray(c * voxels, ++c * voxels));
    const { snapshot, snapshotSeconds = 2 } = options;
    for (const { shape, label } of sums.tensors.values())
      sums.write(label, snapshot?.sums?.get(label) ?? new Float32Array(sizeOf(shape)));
    const patch = this.#model.input.shape.slice(2) as [number, number, number];
    const corners = tileCorners(this.#volume, patch, options.overlap ?? 0.5, options.brain);
    let saved = performance.now();
    for (let i = snapshot?.tiles ?? 0; i < corners.length; i++) {
      options.signal?.throwIfAborted();
      fixed.write('corner', cornerWords(corners[i]!));
      this.#tile.run();
      // One tile at a time on the queue: progress is true, and a cancelled run stops at once.
      await this.#gpu.idle();
      options.onTile?.(i + 1, corners.length);
      if (!snapshot || performance.now() - saved < snapshotSeconds * 1000) continue;
      Object.assign(snapshot, { sums: await sums.readAll(), tiles: i + 1 });
      saved = performance.now();
    }
    this.#normalise.run();
    const maps = await sums.readAll();
    const out = new Map<string, Float32Array[]>();
    for (const [head, { shape }] of this.#model.probabilities)
      out.set(
        head,
        Array.from({ length: shape[1]! - 1 }, (_, k) => maps.get(`${head} ${k + 1}`)!),
      );
    return out;
  }

  /** Frees the buffers; the model's own stay. */
  destroy(): void {
    this.#owned.destroy();
  }
}

function cornerWords([z, y, x]: Corner): Uint32Array {
  return new Uint32Array(new Int32Array([z, y, x, 0]).buffer);
}

interface Stores {
  readonly scan: TensorStore;
  readonly sums: TensorStore;
  readonly fixed: TensorStore;
}

function gatherCommands(
  { input }: TileModel,
  { scan, fixed }: Stores,
  volume: Corner,
  capabilities: Capabilities,
): Command[] {
  const patch = input.shape.slice(2) as [number, number, number];
  const channels = [...scan.tensors.values()];
  return channelGroups(input, capabilities).flatMap((group) =>
    channels.slice(group.first, group.first + group.channels).map((channel, c) => ({
      label: 'sliding-window/gather',
      kernel: { file: 'sliding-window.wgsl', entry: 'gather' },
      bindings: [read(channel), readWrite(group.tensor, true), read(fixed.get('corner'))],
      params: [...volume, ...patch, c * sizeOf(patch), 0],
      workgroups: [ceilDiv(patch[1], ROWS), patch[0], 1],
      samples: 1,
    })),
  );
}

function accumulateCommands(
  model: TileModel,
  { sums, fixed }: Stores,
  volume: Corner,
  capabilities: Capabilities,
): Command[] {
  const patch = model.input.shape.slice(2) as [number, number, number];
  const commands: Command[] = [];
  // Class 0 is the background.
  for (const [head, probabilities] of model.probabilities)
    for (const { tensor, first, channels } of channelGroups(probabilities, capabilities))
      for (let k = Math.max(1, first); k < first + channels; k++)
        commands.push({
          label: 'sliding-window/accumulate',
          kernel: { file: 'sliding-window.wgsl', entry: 'accumulate' },
          bindings: [
            read(tensor, true),
            read(fixed.get('importance')),
            readWrite(sums.get(`${head} ${k}`)),
            readWrite(sums.get('weight')),
            read(fixed.get('corner')),
          ],
          // The weights are counted once a tile, with the first map.
          params: [...volume, ...patch, (k - first) * sizeOf(patch), commands.length === 0 ? 1 : 0],
          workgroups: [ceilDiv(patch[1], ROWS), patch[0], 1],
          samples: 1,
        });
  return commands;
}

function normaliseCommands(gpu: Gpu, sum: Tensor, weight: Tensor): Command[] {
  return flatChunks(sizeOf(sum.shape), gpu.capabilities).map(({ first, count }) => {
    const workgroups = flatGroups(count, NORMALISE_ELEMENTS, gpu.capabilities);
    return {
      label: 'sliding-window/normalise',
      kernel: { file: 'sliding-window.wgsl', entry: 'normalise' },
      bindings: [slice(readWrite(sum), first, count), slice(read(weight), first, count)],
      params: [count, workgroups[0], 0, 0],
      workgroups,
    };
  });
}
