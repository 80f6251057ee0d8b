import { DatasetError } from '../../core/errors.ts';
import { sizeOf, type Triple } from '../../core/shape.ts';
import { scanName } from '../../imaging/dataset/dataset.ts';
import type { LoadedScan } from '../../imaging/dataset/load-scan.ts';
import { fillHoles } from '../../imaging/volume/components.ts';
import { type Box, boundingBox, cropData } from '../../imaging/volume/crop.ts';
import {
  type AxisOrder,
  canonicalOrder,
  inverseOrder,
  reorient,
  reorientGrid,
} from '../../imaging/volume/orientation.ts';
import { splineResize } from '../../imaging/volume/spline-resize.ts';
import type { Grid } from '../../imaging/volume/volume.ts';
import { toFloat32, type Voxels } from '../../imaging/volume/voxels.ts';
import type { NnUNetSteps, Normalisation, Resampling } from '../models/steps.ts';
import type { Predictor } from './predictor.ts';
import type { PredictOptions } from './sliding-window.ts';
import type { Corner } from './tiles.ts';

/** Voxels are called anisotropic where the longest edge is more than this many times the shortest. */
const ANISOTROPY = 3;
/** nnU-Net's least divisor of a normalisation. */
const LEAST = 1e-8;

/** What a network of nnU-Net says of a scan: maps of the box around what is not 0, on the scan's own grid. */
export interface StepsResult {
  readonly box: Box;
  /** By head one map per label: probabilities. */
  readonly maps: ReadonlyMap<string, readonly Float32Array[]>;
}

/** How {@link predictBySteps} runs. */
export interface StepsOptions extends Omit<PredictOptions, 'brain' | 'corners' | 'mirror'> {
  /** Told what the window slides over, [D, H, W], before the first tile. */
  beforeTiles?(shape: Triple): Promise<void>;
}

/**
 * Predicts a scan as nnU-Net v2 does around its network: axes in the network's order, cut to what is not 0, normalised,
 * resampled, tiled with Gaussian weights and mirrored; the averaged outputs are resampled back, and become probabilities
 * there. Sources: nnunetv2 2.5, `DefaultPreprocessor.run_case_npy`, `default_resampling.py`,
 * `nnUNetPredictor.predict_sliding_window_return_logits`, `export_prediction.py`.
 *
 * @param predictor whose outputs are taken as they are; its tile is the window
 * @throws DatasetError for images that are 0 everywhere; GpuError, DeviceLostError, the signal's reason.
 */
export async function predictBySteps(
  predictor: Predictor,
  steps: NnUNetSteps,
  scan: Pick<LoadedScan<Voxels>, 'subject' | 'session' | 'grid' | 'channels'>,
  { beforeTiles, overlap = 0.5, ...options }: StepsOptions = {},
): Promise<StepsResult> {
  const order = orderFor(steps, scan.grid);
  const image = cutImage(scan, order, steps.normalisation);
  const resample = steps.spacing;
  const shape = image.shape.map((extent, axis) =>
    roundHalfToEven((image.spacing[axis]! / resample[axis]!) * extent),
  ) as [number, number, number];
  const resized = image.channels.map((channel) =>
    resampled(channel, image.shape, shape, steps.images, image.spacing, resample),
  );
  const { padded, extents, start } = padSymmetrically(resized, shape, predictor.tile);
  await beforeTiles?.(extents);
  const window = await predictor.window(extents, nnUNetImportance);
  let outputs: Map<string, Float32Array[]>;
  try {
    outputs = await window.predict(padded, {
      ...options,
      corners: nnUNetCorners(extents, predictor.tile, overlap),
      mirror: steps.mirror,
    });
  } finally {
    window.destroy();
  }
  const back = inverseOrder(order);
  const maps = new Map<string, readonly Float32Array[]>();
  for (const { name, activation } of predictor.task.heads) {
    const logits = outputs
      .get(name)!
      .map((output) => unpad(output, extents, start, shape))
      .map((output) => resampled(output, shape, image.shape, steps.outputs, resample, image.spacing));
    activate(logits, activation === 'softmax');
    const labels = activation === 'softmax' ? logits.slice(1) : logits;
    maps.set(
      name,
      labels.map((map) => reorient({ grid: boxGrid(image.shape), data: map }, back).data),
    );
  }
  return { box: boxBack(image.box, image.whole, back), maps };
}

/** From the scan's voxels to the network's: [x, y, z] of the one by [x, y, z] of the other. */
function orderFor({ reorient: canonical, transpose }: NnUNetSteps, grid: Grid): AxisOrder {
  const first: AxisOrder = canonical
    ? canonicalOrder(grid)
    : { axes: [0, 1, 2], flips: [false, false, false] };
  // The transposition is of [z, y, x].
  const axisOf = (a: number): 0 | 1 | 2 => first.axes[2 - transpose[2 - a]!]!;
  const flipOf = (a: number): boolean => first.flips[2 - transpose[2 - a]!]!;
  return { axes: [axisOf(0), axisOf(1), axisOf(2)], flips: [flipOf(0), flipOf(1), flipOf(2)] };
}

/** A scan in the network's order of axes, cut and normalised. */
interface CutImage {
  readonly channels: readonly Float32Array[];
  /** [D, H, W] of the cut. */
  readonly shape: Triple;
  /** Edges of a voxel in mm along these axes. */
  readonly spacing: Triple;
  /** The cut in the whole image, [x, y, z] of the network's axes. */
  readonly box: Box;
  /** Extents of the whole image, [x, y, z] of the network's axes. */
  readonly whole: Triple;
}

function cutImage(
  scan: Pick<LoadedScan<Voxels>, 'subject' | 'session' | 'grid' | 'channels'>,
  order: AxisOrder,
  normalisation: readonly Normalisation[],
): CutImage {
  const grid = reorientGrid(scan.grid, order);
  const turned = scan.channels.map(
    ({ data }) => reorient({ grid: scan.grid, data: toFloat32(data) }, order).data,
  );
  const any = new Uint8Array(sizeOf(grid.shape));
  for (const data of turned) for (let i = 0; i < any.length; i++) if (data[i] !== 0) any[i] = 1;
  const filled = fillHoles(any, grid.shape);
  const box = boundingBox(filled, grid.shape);
  if (!box)
    throw new DatasetError(`${scanName(scan)}: all images are 0 everywhere`, {
      hint: 'Check the images in a viewer.',
    });
  const inside = cropData(filled, grid.shape, box);
  return {
    channels: turned.map((data, c) => normalised(cropData(data, grid.shape, box), inside, normalisation[c]!)),
    shape: [box.shape[2], box.shape[1], box.shape[0]],
    spacing: [grid.spacing[2], grid.spacing[1], grid.spacing[0]],
    box,
    whole: grid.shape,
  };
}

/** In place. @param inside 1 where any image is not 0, holes filled */
function normalised(data: Float32Array, inside: Uint8Array, how: Normalisation): Float32Array {
  switch (how.scheme) {
    case 'none':
      return data;
    case 'rgb':
      return data.map((v) => v / 255);
    case 'rescale': {
      let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
      for (const v of data) {
        low = Math.min(low, v);
        high = Math.max(high, v);
      }
      return data.map((v) => (v - low) / Math.max(high - low, LEAST));
    }
    case 'ct': {
      const { mean, deviation, low, high } = how;
      return data.map((v) => (Math.min(high, Math.max(low, v)) - mean) / Math.max(deviation, LEAST));
    }
    case 'zscore': {
      const counts = (i: number): boolean => !how.mask || inside[i] !== 0;
      let [count, sum] = [0, 0];
      for (let i = 0; i < data.length; i++)
        if (counts(i)) {
          count++;
          sum += data[i]!;
        }
      const mean = sum / count;
      let squares = 0;
      for (let i = 0; i < data.length; i++) if (counts(i)) squares += (data[i]! - mean) ** 2;
      const deviation = Math.max(Math.sqrt(squares / count), LEAST);
      return data.map((v, i) => (counts(i) ? (v - mean) / deviation : v));
    }
  }
}

/** As Python rounds. */
function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  if (value - below !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

/** nnU-Net's `resample_data_or_seg_to_shape`. */
function resampled(
  data: Float32Array,
  from: Triple,
  to: Triple,
  { order, orderZ, separateZ }: Resampling,
  current: Triple,
  wanted: Triple,
): Float32Array {
  const axis = thickAxis(separateZ, current, wanted);
  return splineResize(data, from, to, order, axis === undefined ? undefined : { axis, order: orderZ });
}

/** The axis of thick slices, where it is to be resampled on its own; undefined where there is none, or two. */
function thickAxis(separateZ: boolean | null, current: Triple, wanted: Triple): number | undefined {
  const anisotropic = (spacing: Triple): boolean => Math.max(...spacing) / Math.min(...spacing) > ANISOTROPY;
  const spacing =
    separateZ === true ? current : separateZ === false ? undefined : [current, wanted].find(anisotropic);
  if (!spacing) return undefined;
  const longest = [0, 1, 2].filter((axis) => spacing[axis] === Math.max(...spacing));
  return longest.length === 1 ? longest[0] : undefined;
}

/** Zeros on both sides, of an odd number one more behind, until a tile fits: `pad_nd_image`. */
function padSymmetrically(
  channels: readonly Float32Array[],
  shape: Triple,
  patch: Triple,
): { readonly padded: readonly Float32Array[]; readonly extents: Triple; readonly start: Triple } {
  const extents = shape.map((extent, axis) => Math.max(extent, patch[axis]!)) as [number, number, number];
  const start = shape.map((extent, axis) => Math.floor((extents[axis]! - extent) / 2)) as [
    number,
    number,
    number,
  ];
  if (sizeOf(extents) === sizeOf(shape)) return { padded: channels, extents, start };
  const padded = channels.map((channel) => {
    const out = new Float32Array(sizeOf(extents));
    eachRow(shape, extents, start, (at, from) => {
      out.set(channel.subarray(from, from + shape[2]), at);
    });
    return out;
  });
  return { padded, extents, start };
}

function unpad(data: Float32Array, extents: Triple, start: Triple, shape: Triple): Float32Array {
  if (sizeOf(extents) === sizeOf(shape)) return data;
  const out = new Float32Array(sizeOf(shape));
  eachRow(shape, extents, start, (at, from) => {
    out.set(data.subarray(at, at + shape[2]), from);
  });
  return out;
}

/** Rows of a volume in a larger one. @param visit gets a row's place in the larger one, then in the smaller one */
function eachRow(
  shape: Triple,
  extents: Triple,
  start: Triple,
  visit: (larger: number, smaller: number) => void,
): void {
  for (let z = 0; z < shape[0]; z++)
    for (let y = 0; y < shape[1]; y++)
      visit(
        ((z + start[0]) * extents[1] + y + start[1]) * extents[2] + start[2],
        (z * shape[1] + y) * shape[2],
      );
}

/** Tiles with equal distances along each axis, which are at most a share of the tile: `compute_steps_for_sliding_window`. */
export function nnUNetCorners(shape: Triple, patch: Triple, overlap: number): Corner[] {
  const [zs, ys, xs] = [0, 1, 2].map((axis) => {
    const room = shape[axis]! - patch[axis]!;
    const count = Math.ceil(room / (patch[axis]! * (1 - overlap))) + 1;
    return Array.from({ length: count }, (_, i) => roundHalfToEven(count > 1 ? (room / (count - 1)) * i : 0));
  }) as [number[], number[], number[]];
  return zs.flatMap((z) => ys.flatMap((y) => xs.map((x): Corner => [z, y, x])));
}

/** A Gaussian around the voxel at half the extent, with an eighth of it as its deviation: `compute_gaussian`. */
export function nnUNetImportance(extent: number): Float32Array {
  const sigma = extent / 8;
  return Float32Array.from({ length: extent }, (_, i) =>
    Math.exp(-0.5 * ((i - Math.floor(extent / 2)) / sigma) ** 2),
  );
}

/** Outputs become probabilities, in place: over the channels (softmax), or each alone (sigmoid). */
function activate(channels: readonly Float32Array[], softmax: boolean): void {
  const [first] = channels;
  if (!softmax) {
    for (const channel of channels)
      for (let i = 0; i < channel.length; i++) channel[i] = 1 / (1 + Math.exp(-channel[i]!));
    return;
  }
  for (let i = 0; i < first!.length; i++) {
    let most = Number.NEGATIVE_INFINITY;
    for (const channel of channels) most = Math.max(most, channel[i]!);
    let sum = 0;
    for (const channel of channels) sum += Math.exp(channel[i]! - most);
    for (const channel of channels) channel[i] = Math.exp(channel[i]! - most) / sum;
  }
}

/** Just extents: nothing of where it lies. */
function boxGrid([depth, height, width]: Triple): Grid {
  const affine = new Float64Array(16);
  for (const i of [0, 5, 10, 15]) affine[i] = 1;
  return { shape: [width, height, depth], spacing: [1, 1, 1], affine };
}

/** A box of the network's axes in those of the scan, [x, y, z] both. */
function boxBack(box: Box, whole: Triple, back: AxisOrder): Box {
  const along = (a: 0 | 1 | 2): number => {
    const axis = back.axes[a];
    return back.flips[a] ? whole[axis] - box.start[axis] - box.shape[axis] : box.start[axis];
  };
  return {
    start: [along(0), along(1), along(2)],
    shape: [box.shape[back.axes[0]], box.shape[back.axes[1]], box.shape[back.axes[2]]],
  };
}
