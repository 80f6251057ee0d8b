import { ShapeError } from '../../core/errors.ts';
import type { AbortSignal } from '../../core/globals.ts';
import { Resources } from '../../core/resources.ts';
import { ceilDiv, formatShape, sizeOf } from '../../core/shape.ts';
import type { Capabilities } from '../../engine/gpu/capabilities.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { type Command, read, readWrite } from '../../engine/tape/command.ts';
import { compilePlan, type Plan, type PlanStatistics } from '../../engine/tape/plan.ts';
import { channelGroups } from '../../engine/tape/split.ts';
import { TensorStore } from '../../engine/tape/store.ts';
import { regionOf, type Tensor } from '../../engine/tape/tensor.ts';
import { type Corner, cutTile, importance, mirrorTile, type TileChannel, tileCorners } from './tiles.ts';

/** A recorded network that maps one tile to probabilities, or to values. */
export interface TileModel {
  /** Fixed tensor [1, C, D, H, W]: the tile that the window writes. */
  readonly input: Tensor;
  /** The forward dispatches. */
  readonly commands: readonly Command[];
  /** Outputs [1, L, D, H, W] by head, of the same commands: background first, unless the head is plain. */
  readonly probabilities: ReadonlyMap<string, Tensor>;
  /** Heads of which every channel counts (default: none). */
  readonly plain?: ReadonlySet<string> | undefined;
  /** Outputs [1, 1] by head: a number of the scan, taken from every tile alike (default: none). */
  readonly numbers?: ReadonlyMap<string, Tensor> | undefined;
}

/**
 * How far a run of {@link SlidingWindow.predict} got. The run keeps it up to date; given to a new run on the same
 * volume, with the same model and settings, that run goes on from there and ends with the same bits.
 */
export interface WindowSnapshot {
  /** Tiles that are in the sums, each mirrored one counted. */
  tiles: number;
  /** What these tiles came to; undefined before the first. */
  sums: WindowSums | undefined;
}

/** Sums of a window's tiles. */
export interface WindowSums {
  /** Planes that no later tile touches; they are in `maps`. */
  readonly finished: number;
  /** The whole volume's maps by name, on the host; planes beyond the finished ones hold nothing of worth. */
  readonly maps: ReadonlyMap<string, Float32Array>;
  /** By head the sum of the tiles' numbers. */
  readonly numbers: ReadonlyMap<string, number>;
  /** Sums and weights by name of the slab of planes that tiles still go to. */
  readonly slab: ReadonlyMap<string, Float32Array>;
}

/** Settings of {@link SlidingWindow.predict}. */
export interface PredictOptions {
  /** Share of a tile that its neighbour covers again (default 0.5). */
  readonly overlap?: number | undefined;
  /**
   * Whether each tile is seen mirrored along every axis too, 8 times in all, and the mean is taken (default false); or
   * the axes along which it is, in every combination: 0 for depth, 1 for height, 2 for width.
   */
  readonly mirror?: boolean | readonly number[] | undefined;
  /** [D, H, W]; tiles without it are skipped, their voxels are background. */
  readonly brain?: Uint8Array | undefined;
  /** First voxels of the tiles, in the order of planes (default: by the overlap, see `tileCorners`). */
  readonly corners?: readonly Corner[] | undefined;
  /** Called after each tile. */
  readonly onTile?: (done: number, total: number) => void;
  /** Stops between tiles; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Kept up to date, and where the run starts: for going on after the device was lost. */
  readonly snapshot?: WindowSnapshot | undefined;
  /** Seconds between two updates of the snapshot, each a readback of the maps (default 2). */
  readonly snapshotSeconds?: number | undefined;
}

const ROWS = 8;
const WEIGHT = 'weight';

/**
 * Whole-volume inference: tiles are cut from the volume on the host, run through the network, and summed with Gaussian
 * weights into one map per foreground label on the GPU. Tiles come in the order of planes, so that the GPU
 * holds the sums of one tile's planes only: those that no later tile touches go to the host, and what the GPU needs
 * does not grow with the volume's depth. The same input gives the same bits.
 */
export class SlidingWindow {
  readonly #gpu: Gpu;
  readonly #model: TileModel;
  readonly #volume: Corner;
  /** Of the sums: planes of the slab, a ring. */
  readonly #slots: number;
  /** Sums by name, and the weights. */
  readonly #sums: ReadonlyMap<string, TensorStore>;
  readonly #fixed: TensorStore;
  readonly #tile: Plan;
  readonly #normalise: Plan;
  readonly #owned: Resources;

  private constructor(
    gpu: Gpu,
    model: TileModel,
    volume: Corner,
    stores: Stores,
    plans: { tile: Plan; normalise: Plan },
    owned: Resources,
  ) {
    this.#owned = owned;
    this.#gpu = gpu;
    this.#model = model;
    this.#volume = volume;
    this.#slots = stores.slots;
    this.#sums = stores.sums;
    this.#fixed = stores.fixed;
    this.#tile = plans.tile;
    this.#normalise = plans.normalise;
  }

  /**
   * Compiles the window for volumes of one shape.
   * @param volume [D, H, W]
   * @param weights of a tile's voxels along an axis of so many; their product over the axes weights a voxel
   * @throws OutOfMemoryError naming the tensor; GpuError.
   */
  static async create(
    gpu: Gpu,
    model: TileModel,
    volume: Corner,
    weights: (extent: number) => Float32Array = importance,
  ): Promise<SlidingWindow> {
    return await Resources.build((owned) => SlidingWindow.#build(gpu, model, volume, weights, owned));
  }

  static async #build(
    gpu: Gpu,
    model: TileModel,
    volume: Corner,
    weights: (extent: number) => Float32Array,
    owned: Resources,
  ): Promise<SlidingWindow> {
    const patch = patchOf(model);
    const slots = Math.min(volume[0], patch[0]);
    const sums = new Map<string, TensorStore>();
    // A buffer each: together they may pass the largest that a device allows.
    for (const name of [...foregroundOf(model), WEIGHT]) {
      const spec = { name, shape: [slots, volume[1], volume[2]] };
      sums.set(name, owned.add(await TensorStore.create(gpu, 'probability map', [spec])));
    }
    const fixed = owned.add(
      await TensorStore.create(gpu, 'window', [
        { name: 'corner', shape: [4] },
        { name: 'finished', shape: [2] },
        { name: 'importance', shape: [patch[0] + patch[1] + patch[2]] },
      ]),
    );
    fixed.write('importance', Float32Array.from(patch.flatMap((extent) => [...weights(extent)])));
    const stores: Stores = { slots, sums, fixed };
    const commands = [...model.commands, ...accumulateCommands(model, stores, volume, gpu.capabilities)];
    const keep = [...(model.numbers?.values() ?? [])];
    const tile = owned.add(await compilePlan(gpu, commands, { label: 'tile', keep }));
    const normalise = owned.add(
      await compilePlan(gpu, normaliseCommands(model, stores, volume), { label: 'normalise' }),
    );
    return new SlidingWindow(gpu, model, volume, stores, { tile, normalise }, owned);
  }

  /**
   * Probabilities of a volume.
   *
   * @param channels one [D, H, W] each, as the network was trained on
   * @returns by head, one map [D, H, W] per channel that counts, 0 where no tile came; an array of one for a number
   * @throws ShapeError for another number of values; GpuError, DeviceLostError, the signal's reason.
   */
  async predict(
    channels: readonly TileChannel[],
    options: PredictOptions = {},
  ): Promise<Map<string, Float32Array[]>> {
    const [, wanted] = this.#model.input.shape as [number, number];
    const voxels = sizeOf(this.#volume);
    if (channels.length !== wanted || channels.some((data) => data.length !== voxels))
      throw new ShapeError(
        'sliding window',
        `the scan holds ${wanted} channels of ${formatShape(this.#volume)}`,
        `${channels.length} of ${channels.map((data) => data.length).join(', ')} values`,
      );
    const { snapshot, snapshotSeconds = 2 } = options;
    const maps =
      snapshot?.sums?.maps ??
      new Map(foregroundOf(this.#model).map((name) => [name, new Float32Array(voxels)]));
    const numbers = new Map(snapshot?.sums?.numbers);
    let finished = snapshot?.sums?.finished ?? 0;
    for (const [name, store] of this.#sums) {
      const slab = snapshot?.sums?.slab.get(name);
      if (slab) store.write(name, slab);
      else store.clear(name);
    }
    const { overlap = 0.5, brain, mirror = false } = options;
    const corners = options.corners ?? tileCorners(this.#volume, patchOf(this.#model), overlap, brain);
    const mirrors = mirrorsOf(mirror === true ? [0, 1, 2] : mirror || []);
    const total = corners.length * mirrors.length;
    const tile = new Float32Array(sizeOf(this.#model.input.shape));
    const { buffer, offset } = regionOf(this.#model.input)!;
    let saved = performance.now();
    for (let i = snapshot?.tiles ?? 0; i < total; i++) {
      options.signal?.throwIfAborted();
      const corner = corners[Math.floor(i / mirrors.length)]!;
      const mirrored = mirrors[i % mirrors.length]!;
      await this.#finish(finished, corner[0], maps);
      finished = corner[0];
      cutTile(channels, this.#volume, corner, patchOf(this.#model), tile);
      const seen = mirrored === 0 ? tile : mirrorTile(tile, patchOf(this.#model), mirrored);
      this.#gpu.device.queue.writeBuffer(buffer, offset, seen);
      this.#fixed.write('corner', cornerWords(corner, mirrored));
      this.#tile.run();
      // One tile at a time on the queue: progress is true, and a cancelled run stops at once.
      await this.#gpu.idle();
      for (const [head, output] of this.#model.numbers ?? [])
        numbers.set(head, (numbers.get(head) ?? 0) + (await this.#tile.read(output))[0]!);
      options.onTile?.(i + 1, total);
      if (!snapshot || performance.now() - saved < snapshotSeconds * 1000) continue;
      Object.assign(snapshot, {
        sums: { finished, maps, numbers: new Map(numbers), slab: await this.#readSlab() },
        tiles: i + 1,
      });
      saved = performance.now();
    }
    await this.#finish(finished, this.#volume[0], maps);
    const out = new Map<string, Float32Array[]>();
    for (const [head, channels] of countedChannels(this.#model))
      out.set(
        head,
        channels.map((k) => maps.get(mapName(head, k))!),
      );
    for (const [head, sum] of numbers) out.set(head, [Float32Array.of(sum / total)]);
    return out;
  }

  /** Divides the sums of planes [from, to) by their weights, takes them to the host and empties their slots. */
  async #finish(from: number, to: number, maps: ReadonlyMap<string, Float32Array>): Promise<void> {
    // Where no tile came at all, planes pass that never had a slot: they are 0.
    const count = Math.min(to - from, this.#slots);
    if (count <= 0) return;
    const plane = this.#volume[1] * this.#volume[2];
    const slot = from % this.#slots;
    this.#fixed.write('finished', new Uint32Array([slot, count]));
    this.#normalise.run();
    for (const [name, store] of this.#sums) {
      const map = maps.get(name);
      const slab = map && (await store.read(name));
      for (let i = 0; i < count; i++) {
        const first = ((slot + i) % this.#slots) * plane;
        if (slab) map.set(slab.subarray(first, first + plane), (from + i) * plane);
        store.clear(name, first, plane);
      }
    }
  }

  async #readSlab(): Promise<Map<string, Float32Array>> {
    const slab = new Map<string, Float32Array>();
    for (const [name, store] of this.#sums) slab.set(name, await store.read(name));
    return slab;
  }

  /** What a tile costs. */
  get statistics(): PlanStatistics {
    return this.#tile.statistics;
  }

  /** Frees the buffers; the model's own stay. */
  destroy(): void {
    this.#owned.destroy();
  }
}

interface Stores {
  readonly slots: number;
  readonly sums: ReadonlyMap<string, TensorStore>;
  readonly fixed: TensorStore;
}

function patchOf({ input }: TileModel): Corner {
  return input.shape.slice(2) as [number, number, number];
}

/** By head the channels that are not the background. */
function countedChannels({ probabilities, plain }: TileModel): Map<string, readonly number[]> {
  const channels = [...probabilities].map(([head, { shape }]) => {
    const first = plain?.has(head) ? 0 : 1;
    return [head, Array.from({ length: shape[1]! - first }, (_, k) => first + k)] as const;
  });
  return new Map(channels);
}

function mapName(head: string, channel: number): string {
  return `${head} ${channel}`;
}

/** Names of the maps. */
function foregroundOf(model: TileModel): string[] {
  return [...countedChannels(model)].flatMap(([head, channels]) => channels.map((k) => mapName(head, k)));
}

function cornerWords([z, y, x]: Corner, mirrored: number): Uint32Array {
  return new Uint32Array([z, y, x, mirrored]);
}

/** Every combination of axes, none first: 1 for depth, 2 for height and 4 for width, added up. */
function mirrorsOf(axes: readonly number[]): number[] {
  const all = [0];
  for (const axis of axes) all.push(...all.map((bits) => bits | (1 << axis)));
  return all;
}

function accumulateCommands(
  model: TileModel,
  { slots, sums, fixed }: Stores,
  volume: Corner,
  capabilities: Capabilities,
): Command[] {
  const patch = patchOf(model);
  const sumOf = (name: string): Tensor => sums.get(name)!.get(name);
  const commands: Command[] = [];
  for (const [head, probabilities] of model.probabilities)
    for (const { tensor, first, channels } of channelGroups(probabilities, capabilities))
      for (let k = Math.max(model.plain?.has(head) ? 0 : 1, first); k < first + channels; k++)
        commands.push({
          label: 'sliding-window/accumulate',
          kernel: { file: 'sliding-window.wgsl', entry: 'accumulate' },
          bindings: [
            read(tensor, true),
            read(fixed.get('importance')),
            readWrite(sumOf(mapName(head, k))),
            readWrite(sumOf(WEIGHT)),
            read(fixed.get('corner')),
          ],
          // The weights are counted once a tile, with the first map.
          params: {
            depth: volume[0],
            height: volume[1],
            width: volume[2],
            patch_depth: patch[0],
            patch_height: patch[1],
            patch_width: patch[2],
            first: (k - first) * sizeOf(patch),
            count_weight: commands.length === 0 ? 1 : 0,
            slots,
          },
          workgroups: [ceilDiv(patch[1], ROWS), patch[0], 1],
          samples: 1,
        });
  return commands;
}

function normaliseCommands(model: TileModel, { slots, sums, fixed }: Stores, volume: Corner): Command[] {
  const [, height, width] = volume;
  return foregroundOf(model).map((name) => ({
    label: 'sliding-window/normalise',
    kernel: { file: 'sliding-window.wgsl', entry: 'normalise' },
    bindings: [
      readWrite(sums.get(name)!.get(name)),
      read(sums.get(WEIGHT)!.get(WEIGHT)),
      read(fixed.get('finished')),
    ],
    params: { slots, height, width },
    workgroups: [ceilDiv(height, ROWS), slots, 1],
  }));
}
