import { DatasetError } from '../../core/errors.ts';
import { type Box, boundingBox, cropData, cropGrid, eachRow, fullBox } from '../volume/crop.ts';
import type { Grid } from '../volume/volume.ts';
import { copyVoxels, type Voxels } from '../volume/voxels.ts';
import { scanName } from './dataset.ts';
import { type LoadedScan, samplingMask } from './load-scan.ts';
import type { ScanVoxels } from './resample-scan.ts';
import { SortedValues } from './sorted-values.ts';
import type { Target } from './targets.ts';

/** Settings of {@link preprocess}. */
export interface PreprocessOptions {
  /**
   * Percentiles of the brain's values to clip at before standardising, for bright dura after contrast and the
   * negatives of spline ringing; null clips nothing. Default [0.1, 99.9].
   */
  readonly clip?: readonly [low: number, high: number] | null;
  /**
   * Cut to the bounding box of the brain and of what masks mark; `minimum` [nx, ny, nz] keeps room for a patch.
   * Default: no cut.
   */
  readonly crop?: { readonly margin: number; readonly minimum?: readonly [number, number, number] } | null;
}

/** What standardised one channel: `(clamp(v, low, high) - mean) / deviation`. */
export interface ChannelStatistics {
  readonly name: string;
  readonly mean: number;
  readonly deviation: number;
  readonly low: number;
  readonly high: number;
}

/** A scan ready for upload. Depth is z, height y, width x: the last axis is fastest. */
export interface PreparedScan {
  readonly subject: string;
  readonly session: string | null;
  /** [D, H, W] of the cut volume. */
  readonly shape: readonly [number, number, number];
  /** Where the cut lies in the whole grid, for `uncrop`. */
  readonly box: Box;
  readonly grid: Grid;
  readonly fullGrid: Grid;
  /** [C, D, H, W]: standardised inside the brain, 0 (the brain's mean) outside. */
  readonly input: Float32Array;
  readonly channels: readonly ChannelStatistics[];
  /** [D, H, W], 1 inside the brain. */
  readonly brain: Uint8Array;
  /** What a task learns, by name. */
  readonly targets?: ReadonlyMap<string, PreparedTarget> | undefined;
  /** Maps that a network reads beside the images, [M, D, H, W], and what they are called together. */
  readonly maps?: { readonly name: string; readonly data: Float32Array } | undefined;
}

/** A target in the cut volume. */
export interface PreparedTarget extends Pick<Target, 'value' | 'marks' | 'found'> {
  /** [K, D, H, W]: one channel per label, or one of values; empty for a number of the whole scan. */
  readonly data: Uint8Array | Float32Array;
}

/**
 * Standardises every modality inside the brain (z-score, after clipping at percentiles), sets the outside to 0,
 * and cuts to the brain where asked. Marked voxels outside the brain stay in the target, but their input is 0
 * in training as in prediction, where nobody knows them.
 * @throws DatasetError where an image has one value only in the whole brain.
 */
export function preprocess(scan: ScanVoxels<Voxels>, options: PreprocessOptions = {}): PreparedScan {
  const { grid, brain, targets, maps } = scan;
  const box = cutBox(scan, options.crop);
  const cut = <T extends Float32Array | Uint8Array>(data: T): T => cropData(data, grid.shape, box);
  const count = box.shape[0] * box.shape[1] * box.shape[2];
  const input = new Float32Array(scan.channels.length * count);
  const channels = standardisedChannels(scan, options.clip);
  channels.forEach((channel, c) => {
    eachRow(box, grid.shape, (from, length, at) => {
      standardise(channel, brain, from, length, input, c * count + at);
    });
  });
  const together = (list: readonly (Uint8Array | Float32Array)[]): Uint8Array | Float32Array => {
    const [only] = list;
    if (only && list.length === 1) return cut(only);
    const masks = list.length > 0 && list.every((channel) => channel instanceof Uint8Array);
    const all = masks ? new Uint8Array(list.length * count) : new Float32Array(list.length * count);
    list.forEach((channel, i) => {
      all.set(cut(channel), i * count);
    });
    return all;
  };
  return {
    subject: scan.subject,
    session: scan.session,
    shape: [box.shape[2], box.shape[1], box.shape[0]],
    box,
    grid: cropGrid(grid, box),
    fullGrid: grid,
    input,
    channels: channels.map(({ statistics }) => statistics),
    brain: cut(brain),
    targets:
      targets &&
      new Map(
        [...targets].map(([name, { channels: own, value, marks, found }]) => [
          name,
          { data: together(own), value, marks, found },
        ]),
      ),
    maps: maps && {
      name: maps.name,
      data: together(maps.list.map(({ data }) => data)) as Float32Array,
    },
  };
}

/** The part of a scan that a network sees: the bounding box of the brain and of what masks mark, or all of it. */
export function cutBox(
  scan: Pick<LoadedScan, 'grid' | 'brain' | 'targets'>,
  crop: PreprocessOptions['crop'],
): Box {
  const { grid } = scan;
  const box = crop ? boundingBox(samplingMask(scan), grid.shape, crop.margin, crop.minimum) : undefined;
  return box ?? fullBox(grid);
}

/** A channel, and what standardises it. */
export interface StandardisedChannel {
  readonly data: Voxels;
  readonly statistics: ChannelStatistics;
}

/** Finds what standardises a scan's channels. @throws DatasetError where an image has one value only in the brain. */
export function standardisedChannels(
  scan: ScanVoxels<Voxels>,
  clip: PreprocessOptions['clip'] = [0.1, 99.9],
): StandardisedChannel[] {
  return scan.channels.map(({ name, data }) => ({
    data,
    statistics: channelStatistics(name, data, scan.brain, clip, scanName(scan)),
  }));
}

/**
 * Clipping bounds, mean and (population) standard deviation of an image's values inside a mask, summed in float64.
 * @param clip percentiles, linearly interpolated as NumPy's are; null for the smallest and largest value.
 * @throws DatasetError where all values are the same.
 */
export function channelStatistics(
  name: string,
  data: Voxels,
  mask: Uint8Array,
  clip: readonly [low: number, high: number] | null,
  scan: string,
): ChannelStatistics {
  const values = new SortedValues(data, mask);
  const low = percentile(values, clip ? clip[0] : 0);
  const high = percentile(values, clip ? clip[1] : 100);
  let sum = 0;
  for (const piece of values.ascending())
    for (let i = 0; i < piece.length; i++) sum += Math.min(high, Math.max(low, piece[i]!));
  const mean = sum / values.length;
  let squares = 0;
  for (const piece of values.ascending())
    for (let i = 0; i < piece.length; i++) squares += (Math.min(high, Math.max(low, piece[i]!)) - mean) ** 2;
  const deviation = Math.sqrt(squares / values.length);
  if (!(deviation > 1e-6 * Math.max(Math.abs(low), Math.abs(high)))) {
    throw new DatasetError(`${scan}: ${name} has the same value ${mean} in the whole brain`, {
      hint: 'Check the image in a viewer; leave this subject out if it is empty.',
    });
  }
  return { name, mean, deviation, low, high };
}

/** A percentile, with linear interpolation between neighbours. */
function percentile(values: SortedValues, p: number): number {
  const at = (p / 100) * (values.length - 1);
  const i = Math.floor(at);
  const a = values.at(i);
  const b = values.at(Math.min(i + 1, values.length - 1));
  return a + (b - a) * (at - i);
}

/** Writes standardised voxels, `count` from `from` on, into `target` from `at` on: 0 outside the brain. */
export function standardise(
  { data, statistics }: StandardisedChannel,
  brain: Uint8Array,
  from: number,
  count: number,
  target: Float32Array,
  at: number,
): void {
  const { mean, deviation, low, high } = statistics;
  copyVoxels(data, from, count, target, at);
  for (let i = 0; i < count; i++)
    target[at + i] =
      brain[from + i] === 0 ? 0 : (Math.min(high, Math.max(low, target[at + i]!)) - mean) / deviation;
}
