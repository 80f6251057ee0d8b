import { DatasetError } from '../../core/errors.ts';
import { type Extents, sizeOf, type Triple, toTriple } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Capabilities } from '../../engine/gpu/capabilities.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Network } from '../../engine/nn/network.ts';
import { recordPrediction } from '../../engine/nn/prediction.ts';
import type { Command } from '../../engine/tape/command.ts';
import { TensorStore } from '../../engine/tape/store.ts';
import { Tape } from '../../engine/tape/tape.ts';
import type { Element, Tensor } from '../../engine/tape/tensor.ts';
import { scanName } from '../../imaging/dataset/dataset.ts';
import { mapsName } from '../../imaging/dataset/label-maps.ts';
import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import { isScanValue, type Task } from '../task/task.ts';
import type { CutScan } from './cut-scan.ts';
import { type PredictOptions, SlidingWindow, type TileModel } from './sliding-window.ts';
import type { TileChannel } from './tiles.ts';

/** A scan's input channels for a task, [D, H, W] each: modalities, then the maps that it reads. */
export function networkInput(scan: PreparedScan, task: Task): Float32Array[] {
  const images = channelsOf(scan.input, scan.shape);
  return withMaps(scan, task, images, scan.maps && channelsOf(scan.maps.data, scan.shape));
}

/** The channels that a task reads. @throws DatasetError if it reads maps and there are none. */
function withMaps<T extends TileChannel>(
  scan: Pick<PreparedScan, 'subject' | 'session'>,
  { name, maps: wanted }: Task,
  images: readonly T[],
  maps: readonly T[] | undefined,
): T[] {
  if (!wanted) return [...images];
  if (maps) return [...images, ...maps];
  throw new DatasetError(
    `${scanName(scan)}: ${name} reads ${mapsName(wanted.labels)}, and the scan has none`,
    { hint: worded`Say with ${setting('maps')} where they are, or use a network that reads none.` },
  );
}

/** Views of the channels of [C, D, H, W]. */
export function channelsOf(data: Float32Array, shape: PreparedScan['shape']): Float32Array[] {
  const voxels = sizeOf(shape);
  return Array.from({ length: data.length / voxels }, (_, c) => data.subarray(c * voxels, (c + 1) * voxels));
}

/** A network in evaluation mode (running statistics) with the heads of a task, ready for whole volumes. */
export class Predictor {
  readonly task: Task;
  /** Extents of the tiles, [z, y, x]. */
  readonly tile: Triple;
  /** What activations are stored as. */
  readonly precision: Element;
  /** The kernel variant that each slot got. */
  readonly choices: ReadonlyMap<string, string>;
  readonly #gpu: Gpu;
  readonly #model: TileModel;
  readonly #input: TensorStore;

  private constructor(
    gpu: Gpu,
    task: Task,
    tile: Triple,
    model: TileModel,
    input: TensorStore,
    choices: ReadonlyMap<string, string>,
    precision: Element,
  ) {
    this.#gpu = gpu;
    this.precision = precision;
    this.choices = choices;
    this.task = task;
    this.tile = tile;
    this.#model = model;
    this.#input = input;
  }

  /**
   * Records a network's forward pass on one patch. The network stays the caller's, and its current weights count.
   * @param patch extents of the tiles, [z, y, x], or the edge of a cube
   * @param options `wanted`: kernel variants by slot; `precision`: what activations are stored as (default f32); `raw`:
   *   the network's outputs as they are, a map per channel
   * @throws ShapeError for a patch that the levels do not divide; OutOfMemoryError; GpuError where the device does not
   *   store that.
   */
  static async create(
    gpu: Gpu,
    net: Network,
    task: Task,
    patch: Extents,
    options: {
      readonly wanted?: ((slot: string) => string | undefined) | undefined;
      readonly precision?: Element | undefined;
      readonly raw?: boolean;
    } = {},
  ): Promise<Predictor> {
    const tile = toTriple(patch);
    const shape = [1, net.architecture.inChannels, ...tile];
    const store = await TensorStore.create(gpu, 'tile', [{ name: 'input', shape }]);
    const input = store.get('input');
    const { wanted, precision = 'f32', raw = false } = options;
    const tape = new Tape(gpu.capabilities, wanted);
    const activations = Object.fromEntries(
      task.heads.map((head) => [head.name, raw ? 'none' : head.activation]),
    );
    const outputs = recordPrediction(tape, net, input, { stored: precision, activations });
    const model = tileModel(input, tape.commands, outputs, task, raw);
    return new Predictor(gpu, task, tile, model, store, tape.choices, precision);
  }

  /** That it is on. */
  get gpu(): Gpu {
    return this.#gpu;
  }

  /** Of the GPU that it is on. */
  get capabilities(): Capabilities {
    return this.#gpu.capabilities;
  }

  /**
   * Compiles the sliding window for volumes of one shape, [D, H, W]; it is the caller's to destroy.
   * @param weights of a tile's voxels along an axis (default: `importance`)
   * @throws OutOfMemoryError naming the tensor; GpuError.
   */
  async window(volume: Triple, weights?: (extent: number) => Float32Array): Promise<SlidingWindow> {
    return await SlidingWindow.create(this.#gpu, this.#model, volume, weights);
  }

  /**
   * Probability maps of a scan: sliding window over the whole of it, tiles without brain skipped, 0 outside the brain.
   * @returns by head, one map [D, H, W] per label or for the values; of a number of the whole scan an array of one
   * @throws DatasetError if the task reads maps and the scan has none; GpuError, DeviceLostError.
   */
  async predict(
    scan: PreparedScan | CutScan,
    options: Omit<PredictOptions, 'brain'> = {},
  ): Promise<Map<string, Float32Array[]>> {
    const channels =
      'images' in scan ? withMaps(scan, this.task, scan.images, scan.maps) : networkInput(scan, this.task);
    const window = await this.window(scan.shape);
    try {
      const maps = await window.predict(channels, { ...options, brain: scan.brain });
      const voxels = sizeOf(scan.shape);
      for (const map of [...maps.values()].flat())
        for (let i = 0; map.length === voxels && i < voxels; i++) if (scan.brain[i] === 0) map[i] = 0;
      return maps;
    } finally {
      window.destroy();
    }
  }

  /** Frees the tile's buffer. */
  destroy(): void {
    this.#input.destroy();
  }
}

/** What the window does with each output. */
function tileModel(
  input: Tensor,
  commands: readonly Command[],
  outputs: ReadonlyMap<string, Tensor>,
  { heads }: Task,
  raw: boolean,
): TileModel {
  const maps = new Map<string, Tensor>();
  const numbers = new Map<string, Tensor>();
  const plain = new Set<string>();
  for (const head of heads) {
    const output = outputs.get(head.name)!;
    (isScanValue(head) ? numbers : maps).set(head.name, output);
    if (raw || head.activation !== 'softmax') plain.add(head.name);
  }
  return { input, commands, probabilities: maps, plain, numbers };
}
