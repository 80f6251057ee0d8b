import { DatasetError } from '../../core/errors.ts';
import { sizeOf } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Capabilities } from '../../engine/gpu/capabilities.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Network } from '../../engine/nn/network.ts';
import { recordPrediction } from '../../engine/nn/prediction.ts';
import { takesTissues, type Variant } from '../../engine/nn/variants.ts';
import { TensorStore } from '../../engine/tape/store.ts';
import { Tape } from '../../engine/tape/tape.ts';
import type { Element } from '../../engine/tape/tensor.ts';
import { scanName } from '../../imaging/dataset/dataset.ts';
import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import type { CutScan } from './cut-scan.ts';
import { type PredictOptions, SlidingWindow, type TileModel } from './sliding-window.ts';
import type { TileChannel } from './tiles.ts';

/** A scan's input channels for a variant, [D, H, W] each: modalities, then the tissue maps where it reads them. */
export function networkInput(scan: PreparedScan, variant: Variant): Float32Array[] {
  const images = channelsOf(scan.input, scan.shape);
  const { maps } = scan;
  return withTissues(scan, variant, images, maps && channelsOf(maps.data, scan.shape));
}

/** The channels that a variant reads. @throws DatasetError where it reads tissue maps and there are none. */
function withTissues<T extends TileChannel>(
  scan: Pick<PreparedScan, 'subject' | 'session'>,
  variant: Variant,
  images: readonly T[],
  tissues: readonly T[] | undefined,
): T[] {
  if (!takesTissues(variant)) return [...images];
  if (tissues) return [...images, ...tissues];
  throw new DatasetError(`${scanName(scan)}: ${variant} reads tissue maps, and the scan has none`, {
    hint: worded`Point ${setting('maps')} at a folder with c1, c2 and c3 maps (SPM), or use the single variant.`,
  });
}

/** Views of the channels of [C, D, H, W]. */
export function channelsOf(data: Float32Array, shape: PreparedScan['shape']): Float32Array[] {
  const voxels = sizeOf(shape);
  return Array.from({ length: data.length / voxels }, (_, c) => data.subarray(c * voxels, (c + 1) * voxels));
}

/** A network in evaluation mode (running statistics) with softmax heads, ready for whole volumes. */
export class Predictor {
  readonly variant: Variant;
  /** Edge of the tiles. */
  readonly tile: number;
  /** What activations are stored as. */
  readonly precision: Element;
  /** The kernel variant that each slot got. */
  readonly choices: ReadonlyMap<string, string>;
  readonly #gpu: Gpu;
  readonly #model: TileModel;
  readonly #input: TensorStore;

  private constructor(
    gpu: Gpu,
    variant: Variant,
    tile: number,
    model: TileModel,
    input: TensorStore,
    choices: ReadonlyMap<string, string>,
    precision: Element,
  ) {
    this.#gpu = gpu;
    this.precision = precision;
    this.choices = choices;
    this.variant = variant;
    this.tile = tile;
    this.#model = model;
    this.#input = input;
  }

  /**
   * Records a network's forward pass on one patch. The network stays the caller's, and its current weights count.
   * @param patch edge of the cubic tile
   * @param options `wanted`: kernel variants by slot; `precision`: what activations are stored as (default f32)
   * @throws ShapeError for a patch that the levels do not divide; OutOfMemoryError; GpuError where the device does not
   *   store that.
   */
  static async create(
    gpu: Gpu,
    net: Network,
    variant: Variant,
    patch: number,
    options: {
      readonly wanted?: (slot: string) => string | undefined;
      readonly precision?: Element | undefined;
    } = {},
  ): Promise<Predictor> {
    const shape = [1, net.architecture.inChannels, patch, patch, patch];
    const store = await TensorStore.create(gpu, 'tile', [{ name: 'input', shape }]);
    const input = store.get('input');
    const { wanted, precision = 'f32' } = options;
    const tape = new Tape(gpu.capabilities, wanted);
    const probabilities = recordPrediction(tape, net, input, { stored: precision });
    const model = { input, commands: tape.commands, probabilities };
    return new Predictor(gpu, variant, patch, model, store, tape.choices, precision);
  }

  /** Of the GPU that it is on. */
  get capabilities(): Capabilities {
    return this.#gpu.capabilities;
  }

  /**
   * Compiles the sliding window for volumes of one shape, [D, H, W]; it is the caller's to destroy.
   * @throws OutOfMemoryError naming the tensor; GpuError.
   */
  async window(volume: readonly [number, number, number]): Promise<SlidingWindow> {
    return await SlidingWindow.create(this.#gpu, this.#model, volume);
  }

  /**
   * Probability maps of a scan: sliding window over the whole of it, tiles without brain skipped, 0 outside the brain.
   * @returns by head, one map [D, H, W] a foreground class
   * @throws DatasetError where the variant needs tissue maps and the scan has none; GpuError, DeviceLostError.
   */
  async predict(
    scan: PreparedScan | CutScan,
    options: Omit<PredictOptions, 'brain'> = {},
  ): Promise<Map<string, Float32Array[]>> {
    const channels =
      'images' in scan
        ? withTissues(scan, this.variant, scan.images, scan.maps)
        : networkInput(scan, this.variant);
    const window = await this.window(scan.shape);
    try {
      const maps = await window.predict(channels, { ...options, brain: scan.brain });
      for (const map of [...maps.values()].flat())
        for (let i = 0; i < sizeOf(scan.shape); i++) if (scan.brain[i] === 0) map[i] = 0;
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
