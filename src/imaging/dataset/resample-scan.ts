import { DatasetError } from '../../core/errors.ts';
import { setting, worded } from '../../core/wording.ts';
import { resize, resizedGrid } from '../volume/resize.ts';
import { describeGrid, voxelCount } from '../volume/volume.ts';
import { toFloat32, type Voxels } from '../volume/voxels.ts';
import { scanName } from './dataset.ts';
import { repairMaps } from './label-maps.ts';
import type { LoadedScan } from './load-scan.ts';
import { firstOnly, type Target } from './targets.ts';

/** What of a scan is resampled: all that a network reads or learns from. */
export type ScanVoxels<T extends Voxels = Float32Array> = Pick<
  LoadedScan<T>,
  'subject' | 'session' | 'grid' | 'channels' | 'brain' | 'targets' | 'maps'
>;

/** A scan with voxels of another size, and the way back. */
export interface ResampledScan {
  readonly scan: ScanVoxels;
  /**
   * Brings a map of probabilities from the new grid to the scan's own: interpolated between the new brain's voxels
   * alone.
   * @param map one value a voxel of the new grid; what lies outside its brain is not looked at
   * @param middle what lies half way between a sure no and a sure yes. With a threshold the border between voxels above
   *   and below it comes to lie half way too: plain interpolation would make what is found smaller for a threshold above 0.5.
   *   Default 0.5, plain interpolation. Null: the map holds values of any size.
   * @returns one value a voxel of the scan's own grid; 0 outside its brain
   */
  back(map: Float32Array, middle?: number | null): Float32Array;
}

/** A voxel may become this many times as large or small along an axis. */
const MOST = 10;
/** Voxels of a grid that are one gigabyte a channel. */
const LARGEST = 2 ** 28;

/**
 * Resamples a scan to voxels of another size over the same field of view; its axes stay as they are, oblique ones too.
 * Images are averaged and interpolated between brain voxels alone, so that neither the skull nor the zeros around a
 * skull-stripped image reach into the brain's rim. A voxel is brain, or of a mask's label, if half of it was.
 *
 * @param spacing edges of the new voxels in mm, along the axes as they are stored
 * @throws DatasetError where the sizes are too far apart, or nothing is left of the brain.
 */
export function resampleScan(
  scan: ScanVoxels<Voxels>,
  spacing: readonly [number, number, number],
): ResampledScan {
  const { grid, brain, targets } = scan;
  const name = scanName(scan);
  const to = resizedGrid(grid, spacing);
  const apart = grid.spacing.some((mm, axis) => Math.max(mm / spacing[axis]!, spacing[axis]! / mm) > MOST);
  if (apart || voxelCount(to) > LARGEST)
    throw new DatasetError(
      `${name}: it is ${describeGrid(grid)}; voxels of ${spacing.join('x')} mm are too far from that to resample it`,
      {
        hint: worded`Check the voxel size in the header; or predict the scan as it is (${setting('resample', false)}).`,
      },
    );
  const share = resize(brain, grid, to);
  const inside = share.map((v) => Number(v >= 0.5));
  if (!inside.includes(1))
    throw new DatasetError(`${name}: nothing is left of the brain at voxels of ${spacing.join('x')} mm`, {
      hint: 'Check the voxel size in the header and the brain mask.',
    });
  const majority = (mask: Uint8Array): Uint8Array =>
    Uint8Array.from(resize(mask, grid, to), (v) => (v >= 0.5 ? 1 : 0));
  const channels = scan.channels.map((channel) => {
    const sums = resize(
      toFloat32(channel.data).map((v, i) => (brain[i] !== 0 ? v : 0)),
      grid,
      to,
    );
    return { ...channel, data: sums.map((v, i) => (inside[i] !== 0 ? v / share[i]! : 0)) };
  });
  const maps = scan.maps && {
    ...scan.maps,
    list: scan.maps.list.map(({ label, data }) => ({ label, data: resize(data, grid, to) })),
  };
  const there = Uint8Array.from(inside);
  if (maps) repairMaps(maps.list, there, name, maps.complete);
  const learned = (target: Target): Target => {
    const resized = target.channels.map((channel) =>
      channel instanceof Uint8Array ? majority(channel) : resize(channel, grid, to),
    );
    return { ...target, channels: target.exclusive ? firstOnly(resized) : resized };
  };
  let weights: Float32Array | undefined;
  return {
    scan: {
      ...scan,
      grid: to,
      channels,
      brain: there,
      targets: targets && new Map([...targets].map(([key, target]) => [key, learned(target)])),
      maps,
    },
    back(map, middle = 0.5) {
      // 0 and 1 would leave one side without a scale.
      const half = middle === null ? null : Math.min(0.99, Math.max(0.01, middle));
      const there = (v: number): number => (half === null ? v : bend(v, half, 0.5));
      const own = (v: number): number => (half === null ? v : bend(Math.min(1, v), 0.5, half));
      weights ??= resize(inside, to, grid);
      const sums = resize(
        map.map((v, i) => (inside[i] !== 0 ? there(v) : 0)),
        to,
        grid,
      );
      for (let i = 0; i < sums.length; i++) {
        const weight = brain[i] === 0 ? 0 : weights[i]!;
        sums[i] = weight > 0 ? own(sums[i]! / weight) : 0;
      }
      return sums;
    },
  };
}

/** From 0 to 1 along two straight lines that meet where `from` becomes `to`. */
function bend(value: number, from: number, to: number): number {
  return value < from ? (value / from) * to : 1 - ((1 - value) / (1 - from)) * (1 - to);
}
