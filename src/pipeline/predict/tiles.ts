import { UsageError } from '../../core/errors.ts';

/** First voxel of a tile, [z, y, x]. */
export type Corner = readonly [number, number, number];

/**
 * Corners of the tiles of a sliding window: steps of `patch * (1 - overlap)` voxels, the last tile flush with the
 * border. Where the volume is smaller than the patch, one tile starts at 0 and reaches beyond it.
 *
 * @param shape [D, H, W] of the volume
 * @param overlap share of a tile that its neighbour covers again, in [0, 1)
 * @param brain [D, H, W]; tiles in which it is 0 everywhere are left out
 * @throws UsageError for an overlap out of range.
 */
export function tileCorners(
  shape: readonly [number, number, number],
  patch: readonly [number, number, number],
  overlap: number,
  brain?: Uint8Array,
): Corner[] {
  if (!(overlap >= 0 && overlap < 1))
    throw new UsageError(`the sliding window's overlap must be at least 0 and below 1; got ${overlap}`);
  const [zs, ys, xs] = [0, 1, 2].map((axis) => starts(shape[axis]!, patch[axis]!, overlap)) as [
    number[],
    number[],
    number[],
  ];
  const corners: Corner[] = [];
  for (const z of zs)
    for (const y of ys)
      for (const x of xs) if (!brain || touches(brain, shape, [z, y, x], patch)) corners.push([z, y, x]);
  return corners;
}

/** First voxels along one axis. */
function starts(extent: number, patch: number, overlap: number): number[] {
  if (extent <= patch) return [0];
  const stride = Math.max(1, Math.round(patch * (1 - overlap)));
  const out: number[] = [];
  for (let at = 0; at < extent - patch; at += stride) out.push(at);
  return [...out, extent - patch];
}

function touches(mask: Uint8Array, shape: Corner, corner: Corner, patch: Corner): boolean {
  const [z1, y1, x1] = [0, 1, 2].map((axis) => Math.min(shape[axis]!, corner[axis]! + patch[axis]!)) as [
    number,
    number,
    number,
  ];
  for (let z = corner[0]; z < z1; z++)
    for (let y = corner[1]; y < y1; y++) {
      const row = (z * shape[1] + y) * shape[2];
      for (let x = corner[2]; x < x1; x++) if (mask[row + x] !== 0) return true;
    }
  return false;
}

/**
 * Gaussian importance of a tile's voxels along one axis, largest in the middle: predictions near a tile's border
 * have seen less context (Isensee et al. 2021). sigma = extent / 8; the product over the axes weights a voxel.
 * Never 0, so that a voxel that only a border covers has a prediction too.
 */
export function importance(extent: number): Float32Array {
  const centre = (extent - 1) / 2;
  const sigma = extent / 8;
  return Float32Array.from({ length: extent }, (_, i) =>
    Math.max(1e-4, Math.exp(-0.5 * ((i - centre) / sigma) ** 2)),
  );
}

/** A channel that tiles are cut from: [D, H, W], or what makes its rows when they are asked for. */
export type TileChannel = Float32Array | RowChannel;

/** A channel that is never held as a whole. */
export interface RowChannel {
  /** Number of voxels. */
  readonly length: number;
  /** Writes `count` voxels of row (z, y), from x on, into `target` from `at` on. */
  copyRow(z: number, y: number, x: number, count: number, target: Float32Array, at: number): void;
}

/**
 * Cuts a tile out of a volume's channels; what lies beyond the volume is 0.
 *
 * @param channels one [D, H, W] each
 * @param shape [D, H, W]
 * @param tile [C, D, H, W] of the patch, overwritten
 */
export function cutTile(
  channels: readonly TileChannel[],
  [depth, height, width]: Corner,
  [z0, y0, x0]: Corner,
  patch: Corner,
  tile: Float32Array,
): void {
  const [planes, rows, length] = [
    Math.min(patch[0], depth - z0),
    Math.min(patch[1], height - y0),
    Math.min(patch[2], width - x0),
  ];
  if (planes < patch[0] || rows < patch[1] || length < patch[2]) tile.fill(0);
  channels.forEach((channel, c) => {
    for (let z = 0; z < planes; z++)
      for (let y = 0; y < rows; y++) {
        const at = ((c * patch[0] + z) * patch[1] + y) * patch[2];
        if (channel instanceof Float32Array) {
          const from = ((z0 + z) * height + y0 + y) * width + x0;
          tile.set(channel.subarray(from, from + length), at);
        } else channel.copyRow(z0 + z, y0 + y, x0, length, tile, at);
      }
  });
}

/**
 * A tile mirrored along some axes.
 * @param tile [C, D, H, W] of the patch; stays as it is
 * @param mirrored bits 0, 1 and 2 for z, y and x
 */
export function mirrorTile(
  tile: Float32Array<ArrayBuffer>,
  [depth, height, width]: Corner,
  mirrored: number,
): Float32Array<ArrayBuffer> {
  const out = new Float32Array(tile.length);
  for (let plane = 0; plane < tile.length / (height * width); plane++) {
    const [channel, z] = [Math.floor(plane / depth), plane % depth];
    const fromZ = mirrored & 1 ? depth - 1 - z : z;
    for (let y = 0; y < height; y++) {
      const fromY = mirrored & 2 ? height - 1 - y : y;
      const from = ((channel * depth + fromZ) * height + fromY) * width;
      const row = out.subarray((plane * height + y) * width, (plane * height + y + 1) * width);
      row.set(tile.subarray(from, from + width));
      if (mirrored & 4) row.reverse();
    }
  }
  return out;
}
