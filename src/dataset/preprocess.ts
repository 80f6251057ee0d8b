import { DatasetError } from '../core/errors.ts';
import { type Box, boundingBox, cropData, cropGrid, fullBox } from '../volume/crop.ts';
import type { Grid } from '../volume/volume.ts';
import { scanName } from './dataset.ts';
import { type LoadedScan, samplingMask } from './load-scan.ts';

export interface PreprocessOptions {
  /**
   * Percentiles of the brain's values to clip at before standardising, for bright dura after contrast and the
   * negatives of spline ringing; null clips nothing. Default [0.1, 99.9].
   */
  readonly clip?: readonly [low: number, high: number] | null;
  /** Cut to the brain's (and lesions') bounding box; `minimum` [nx, ny, nz] keeps room for a patch. Default: no cut. */
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
  /** [D, H, W], as in the loaded scan. */
  readonly lesions?: Uint8Array | Float32Array;
  /** [3, D, H, W]: GM, WM, CSF. */
  readonly tissues?: Float32Array;
}

/**
 * Standardises every modality inside the brain (z-score, after clipping at percentiles), sets the outside to 0,
 * and cuts to the brain where asked. Lesion voxels outside the brain stay in the target, but their input is 0
 * in training as in prediction, where nobody knows them.
 * @throws DatasetError where an image has one value only in the whole brain.
 */
export function preprocess(scan: LoadedScan, options: PreprocessOptions = {}): PreparedScan {
  const clip = options.clip === undefined ? ([0.1, 99.9] as const) : options.clip;
  const { grid, brain, lesions, tissues } = scan;
  const kept = samplingMask(scan);
  const box = options.crop
    ? (boundingBox(kept, grid.shape, options.crop.margin, options.crop.minimum) ?? fullBox(grid))
    : fullBox(grid);
  const cut = <T extends Float32Array | Uint8Array>(data: T): T => cropData(data, grid.shape, box);
  const count = box.shape[0] * box.shape[1] * box.shape[2];
  const input = new Float32Array(scan.channels.length * count);
  const channels = scan.channels.map((channel, c) => {
    const statistics = channelStatistics(channel.name, channel.data, brain, clip, scanName(scan));
    input.set(cut(standardise(channel.data, brain, statistics)), c * count);
    return statistics;
  });
  const maps = tissues && new Float32Array(3 * count);
  if (tissues && maps)
    [tissues.GM, tissues.WM, tissues.CSF].forEach((map, i) => {
      maps.set(cut(map), i * count);
    });
  return {
    subject: scan.subject,
    session: scan.session,
    shape: [box.shape[2], box.shape[1], box.shape[0]],
    box,
    grid: cropGrid(grid, box),
    fullGrid: grid,
    input,
    channels,
    brain: cut(brain),
    ...(lesions ? { lesions: cut(lesions) } : {}),
    ...(maps ? { tissues: maps } : {}),
  };
}

/**
 * Clipping bounds, mean and (population) standard deviation of an image's values inside a mask, summed in float64.
 * @param clip percentiles, linearly interpolated as NumPy's are; null for the smallest and largest value.
 * @throws DatasetError where all values are the same.
 */
export function channelStatistics(
  name: string,
  data: Float32Array,
  mask: Uint8Array,
  clip: readonly [low: number, high: number] | null,
  scan: string,
): ChannelStatistics {
  const values = data.filter((_, i) => mask[i] !== 0).sort();
  const low = percentile(values, clip ? clip[0] : 0);
  const high = percentile(values, clip ? clip[1] : 100);
  let sum = 0;
  for (const v of values) sum += Math.min(high, Math.max(low, v));
  const mean = sum / values.length;
  let squares = 0;
  for (const v of values) squares += (Math.min(high, Math.max(low, v)) - mean) ** 2;
  const deviation = Math.sqrt(squares / values.length);
  if (!(deviation > 1e-6 * Math.max(Math.abs(low), Math.abs(high)))) {
    throw new DatasetError(`${scan}: ${name} has the same value ${mean} in the whole brain`, {
      hint: 'Check the image in a viewer; leave this subject out if it is empty.',
    });
  }
  return { name, mean, deviation, low, high };
}

/** A percentile of sorted values, with linear interpolation between neighbours. */
function percentile(sorted: Float32Array, p: number): number {
  const at = (p / 100) * (sorted.length - 1);
  const i = Math.floor(at);
  const a = sorted[i] ?? Number.NaN;
  const b = sorted[Math.min(i + 1, sorted.length - 1)] ?? Number.NaN;
  return a + (b - a) * (at - i);
}

function standardise(data: Float32Array, mask: Uint8Array, statistics: ChannelStatistics): Float32Array {
  const { mean, deviation, low, high } = statistics;
  const out = new Float32Array(data.length);
  for (let i = 0; i < data.length; i++)
    if (mask[i] !== 0) out[i] = (Math.min(high, Math.max(low, data[i]!)) - mean) / deviation;
  return out;
}
