import { OutOfMemoryError, UsageError } from '../../core/errors.ts';
import type { AbortSignal } from '../../core/globals.ts';
import { Resources } from '../../core/resources.ts';
import {
  type Extents,
  formatExtents,
  nearExtents,
  type Triple,
  toExtents,
  toTriple,
} from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Capabilities } from '../../engine/gpu/capabilities.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { Network } from '../../engine/nn/network.ts';
import { architectureOf } from '../../engine/nn/networks/index.ts';
import { describeShortage, requireBudget } from '../../engine/tape/memory.ts';
import type { Element } from '../../engine/tape/tensor.ts';
import type { LoadedScan } from '../../imaging/dataset/load-scan.ts';
import { type Box, fullBox, uncrop } from '../../imaging/volume/crop.ts';
import type { Voxels } from '../../imaging/volume/voxels.ts';
import { type HeadDecision, type Model, type ModelInfo, withThreshold } from '../models/model.ts';
import { channelPlaces } from '../models/optional-channels.ts';
import { isScanValue, isValueHead } from '../task/task.ts';
import { type CutScan, cutScan } from './cut-scan.ts';
import { decide, type HeadMaps, type HeadResult } from './head-result.ts';
import { memoryOfPrediction, type PredictedWindow } from './memory.ts';
import { Predictor } from './predictor.ts';
import type { WindowSnapshot } from './sliding-window.ts';
import type { RowChannel } from './tiles.ts';
import { type SpacingChange, spacingChange } from './voxel-size.ts';

/** Voxels kept around the brain, as in training. */
const MARGIN = 8;

/** Settings of {@link segment}. */
export interface SegmentOptions {
  /** A voxel is of the main head's labels where its probability is at or above this (default: what training chose). */
  readonly threshold?: number | undefined;
  /** Whether each tile is seen mirrored along every axis too, 8 times in all, and the mean is taken (default false). */
  readonly mirror?: boolean | undefined;
  /** Overlap of neighbouring windows, as a share of their edge; 0 to below 1 (default 0.5). */
  readonly overlap?: number | undefined;
  /**
   * Extents of the window in voxels, [z, y, x], or the edge of a cube: multiples of what the network's strides divide by
   * (default: the patch of training).
   */
  readonly tile?: Extents | undefined;
  /** Bytes that the network and its window may take on the GPU; checked before the first tile (default: no limit). */
  readonly memory?: number | undefined;
  /** Kernel variants by slot, such as those of the run that trained the network (default: the built-in table's). */
  readonly kernels?: Readonly<Record<string, string>> | undefined;
  /**
   * Resample a scan whose voxels are of another size than those the network learned at, and bring the maps back
   * (default true). Models that do not say what they learned at take every scan as it is.
   */
  readonly resample?: boolean | undefined;
  /** What activations are stored as, whatever training stored (default f32). */
  readonly precision?: Element | undefined;
  /** Called after each tile. */
  readonly onTile?: (done: number, total: number) => void;
  /** Stops between tiles; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Kept up to date, and where the run starts: for going on after the device was lost. */
  readonly snapshot?: WindowSnapshot | undefined;
  /** Seconds between two updates of the snapshot, each a readback (default 2). */
  readonly snapshotSeconds?: number | undefined;
}

/** What a network says of a scan, on the scan's own grid. */
export interface Segmentation {
  /** By head, in the task's order. */
  readonly heads: ReadonlyMap<string, HeadResult>;
  /** The voxel sizes, if the network saw the scan at another one than its own. */
  readonly resampled?: SpacingChange | undefined;
}

/**
 * Segments one scan with a trained network: brings it to the voxel size that the network learned at where that is
 * another one, standardises it, runs the sliding window over the whole of it, and brings the maps back to the scan's
 * grid. For many scans, {@link withPredictor} keeps the network on the GPU.
 *
 * @param scan with the model's modalities in its order, optional ones if they are there, and with the maps that the model reads
 * @throws DatasetError for an image that is one value, missing maps, or voxels too far from the model's size;
 *   ShapeError for other channels than the
 *   model's; OutOfMemoryError, GpuError, DeviceLostError, the signal's reason.
 */
export async function segment(
  gpu: Gpu,
  model: Model,
  scan: LoadedScan<Voxels>,
  options: SegmentOptions = {},
): Promise<Segmentation> {
  const found = await withPredictor(
    gpu,
    model,
    (predictor) => segmentBox(predictor, model, scan, options),
    options,
  );
  const heads = new Map<string, HeadResult>();
  for (const [name, { maps, ...rest }] of found.heads) {
    if (rest.decided) {
      heads.set(name, decide({ ...rest, maps }, scan.brain));
      continue;
    }
    const whole = new Map([...maps].map(([key, map]) => [key, uncrop(map, found.box, scan.grid).data]));
    heads.set(name, decide({ ...rest, maps: whole }, scan.brain));
  }
  return { heads, resampled: found.resampled };
}

/**
 * Puts a network on the GPU for as long as `work` takes.
 * @param options the window's edge, the kernel variants and what activations are stored as
 * @throws UsageError for a tile that the levels do not divide; OutOfMemoryError, GpuError, and what `work` throws.
 */
export async function withPredictor<T>(
  gpu: Gpu,
  { info, weights }: Model,
  work: (predictor: Predictor) => Promise<T>,
  options: Pick<SegmentOptions, 'tile' | 'kernels' | 'precision'> = {},
): Promise<T> {
  const { kernels = {}, precision } = options;
  const tile = toTriple(options.tile ?? info.patch);
  const how = {
    wanted: (slot: string): string | undefined => kernels[slot],
    precision,
    raw: readsRaw(info),
  };
  requireTile(info, tile);
  return await Resources.build(async (owned) => {
    const predictor = await explained(gpu.capabilities, info, tile, { tile, ...how }, async () => {
      const net = owned.add(await Network.create(gpu, architectureOf(info.network), { training: false }));
      net.load(weights);
      return owned.add(await Predictor.create(gpu, net, info.task, tile, how));
    });
    const result = await work(predictor);
    owned.destroy();
    return result;
  });
}

/** Whether a network's outputs are taken as they are, and become probabilities in the steps around it. */
function readsRaw({ steps }: ModelInfo): boolean {
  return steps !== undefined && steps.kind !== 'whole-head';
}

/** @throws UsageError for a tile that the network's levels do not divide. */
export function requireTile({ network }: ModelInfo, tile: Extents): void {
  const { patchMultiple } = architectureOf(network);
  const near = formatExtents(nearExtents(tile, patchMultiple));
  const given = formatExtents(toExtents(toTriple(tile)));
  if (given === near) return;
  throw new UsageError(
    worded`${setting('tile')} must be a multiple of ${formatExtents(toExtents(patchMultiple))} for this network, not ${given}`,
    { hint: `Choose ${near}.` },
  );
}

/** Adds to an error about memory what is needed, and what would need less. */
async function explained<T>(
  capabilities: Capabilities,
  info: ModelInfo,
  volume: readonly [number, number, number],
  window: PredictedWindow,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof OutOfMemoryError)) throw error;
    throw await describeShortage(memoryOfPrediction(capabilities, info, volume, window), error);
  }
}

/** What a network says of a scan, in the box around its brain; of a scan that was resampled, in its whole grid. */
export interface BoxSegmentation {
  readonly box: Box;
  /** By head, in the task's order. */
  readonly heads: ReadonlyMap<string, HeadMaps>;
  /** The voxel sizes, if the network saw the scan at another one than its own. */
  readonly resampled?: SpacingChange | undefined;
}

/**
 * {@link segment} with a network that is on the GPU already, `model`'s, and without maps of the scan's whole grid. The
 * images are neither copied nor changed: they are standardised as tiles are cut.
 */
export async function segmentBox(
  predictor: Predictor,
  model: Model,
  scan: LoadedScan<Voxels>,
  options: SegmentOptions = {},
): Promise<BoxSegmentation> {
  const { info } = model;
  const {
    threshold,
    tile: _edge,
    kernels: _kernels,
    precision: _stored,
    memory,
    resample = true,
    ...how
  } = options;
  const { tile, precision, capabilities, choices } = predictor;
  const window: PredictedWindow = {
    tile,
    precision,
    wanted: (slot) => choices.get(slot),
    raw: readsRaw(info),
  };
  if (info.steps?.kind === 'brainchop') {
    const { labelByBrainchop, LabelMaps } = await import('./brainchop-steps.ts');
    const labels = await labelByBrainchop(predictor.gpu, model, info.steps, scan, {
      // 16 bits unless something else was asked for: a whole volume of 32 takes twice the memory.
      stored: options.precision,
      kernels: Object.fromEntries(choices),
      memory,
      onProgress: options.onTile,
      signal: options.signal,
    });
    const [head] = info.task.heads;
    const decision = info.decisions[head!.name]!;
    const maps = new LabelMaps(head!.labels, labels);
    return {
      box: fullBox(scan.grid),
      heads: new Map([[head!.name, { head: head!, decision, maps, decided: labels }]]),
      resampled: undefined,
    };
  }
  if (info.steps) {
    const beforeTiles = async (shape: Triple): Promise<void> => {
      if (memory !== undefined)
        await requireBudget(memoryOfPrediction(capabilities, info, shape, window), memory);
    };
    // In the browser loaded when a network needs it.
    const found =
      info.steps.kind === 'whole-head'
        ? await (await import('./head-steps.ts')).predictHead(predictor, info.steps, scan, {
            ...how,
            beforeTiles,
          })
        : await (await import('./nnunet-steps.ts')).predictBySteps(predictor, info.steps, scan, {
            ...how,
            beforeTiles,
          });
    const asked = threshold === undefined ? info : withThreshold(info, threshold);
    const heads = info.task.heads.map((head): [string, HeadMaps] => {
      const maps = found.maps.get(head.name)!;
      const named = head.labels.map((label, k): [string, Float32Array] => [label, maps[k]!]);
      return [head.name, { head, decision: asked.decisions[head.name]!, maps: new Map(named) }];
    });
    return { box: found.box, heads: new Map(heads), resampled: undefined };
  }
  // Without the truth: it would move the cut, and the windows with it, if it reaches out of the brain.
  const { targets: _targets, ...blind } = scan;
  const change = resample ? spacingChange(info, scan.grid) : undefined;
  // What few scans need is loaded when one does, in the browser.
  const { resampleScan } = change ? await import('../../imaging/dataset/resample-scan.ts') : {};
  const other = change && resampleScan?.(blind, change.to);
  const seen = other?.scan ?? blind;
  const brainBox = cutScan(seen, { margin: MARGIN, minimum: [tile[2], tile[1], tile[0]] });
  const places = channelPlaces(
    info,
    seen.channels.map(({ name }) => name),
  );
  const cut = {
    ...brainBox,
    images: places.map((at) => (at === undefined ? zeros(brainBox) : brainBox.images[at]!)),
  };
  const { shape } = cut;
  if (memory !== undefined)
    await requireBudget(memoryOfPrediction(capabilities, info, shape, window), memory);
  const maps = await explained(capabilities, info, shape, window, () => predictor.predict(cut, how));
  const back = (map: Float32Array, middle?: number | null): Float32Array =>
    other ? other.back(uncrop(map, cut.box, seen.grid).data, middle) : map;
  const asked = threshold === undefined ? info : withThreshold(info, threshold);
  const heads = new Map<string, HeadMaps>();
  for (const head of info.task.heads) {
    const found = maps.get(head.name)!;
    // By the model's own threshold: the probabilities must not depend on the one that is asked for.
    const own = info.decisions[head.name]!;
    const decision = asked.decisions[head.name]!;
    if (isScanValue(head)) {
      heads.set(head.name, { head, decision, maps: new Map(), value: inUnits(found[0]![0]!, own) });
      continue;
    }
    const names = isValueHead(head) ? [head.name] : head.labels;
    const whole = names.map((name, k): [string, Float32Array] => {
      const map = own.kind === 'value' ? found[k]!.map((v) => inUnits(v, own)) : found[k]!;
      return [
        name,
        back(map, own.kind === 'value' ? null : own.kind === 'threshold' ? own.thresholds[k] : undefined),
      ];
    });
    heads.set(head.name, { head, decision, maps: new Map(whole) });
  }
  return { box: other ? fullBox(scan.grid) : cut.box, heads, resampled: change };
}

/** An image that is missing, as training leaves it out. */
function zeros({ shape }: Pick<CutScan, 'shape'>): RowChannel {
  return {
    length: shape[0] * shape[1] * shape[2],
    copyRow(_z, _y, _x, count, target, at): void {
      target.fill(0, at, at + count);
    },
  };
}

/** An output in the units of the training scans' values. */
function inUnits(output: number, decision: HeadDecision): number {
  return decision.kind === 'value' ? output * decision.deviation + decision.mean : output;
}
