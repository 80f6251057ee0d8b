import {
  cutBox,
  type PreprocessOptions,
  standardise,
  standardisedChannels,
} from '../../imaging/dataset/preprocess.ts';
import type { ScanVoxels } from '../../imaging/dataset/resample-scan.ts';
import { type Box, cropData } from '../../imaging/volume/crop.ts';
import { copyVoxels, type Voxels } from '../../imaging/volume/voxels.ts';
import type { RowChannel } from './tiles.ts';

/** A scan cut to its brain, as `preprocess` makes it, but with channels whose rows are made as tiles are cut. */
export interface CutScan {
  readonly subject: string;
  readonly session: string | null;
  /** [D, H, W] of the cut volume. */
  readonly shape: readonly [number, number, number];
  /** Where the cut lies in the whole grid. */
  readonly box: Box;
  /** Standardised inside the brain, 0 (the brain's mean) outside. */
  readonly images: readonly RowChannel[];
  /** [D, H, W], 1 inside the brain. */
  readonly brain: Uint8Array;
  /** Maps that a network reads beside the images. */
  readonly maps?: readonly RowChannel[] | undefined;
}

/**
 * Cuts a scan to its brain for prediction. Nothing but the brain mask is copied: the images stay as they were loaded.
 * @throws DatasetError where an image has one value only in the whole brain.
 */
export function cutScan(scan: ScanVoxels<Voxels>, crop: PreprocessOptions['crop']): CutScan {
  const { subject, session, grid, brain, maps } = scan;
  const box = cutBox(scan, crop);
  const { shape, start } = box;
  const isWhole = shape.every((n, a) => n === grid.shape[a]);
  const rows = (copy: CopyVoxels): RowChannel => ({
    length: shape[0] * shape[1] * shape[2],
    copyRow(z, y, x, count, target, at): void {
      const from = ((z + start[2]) * grid.shape[1] + y + start[1]) * grid.shape[0] + x + start[0];
      copy(from, count, target, at);
    },
  });
  return {
    subject,
    session,
    shape: [shape[2], shape[1], shape[0]],
    box,
    images: standardisedChannels(scan).map((channel) =>
      rows((from, count, target, at) => standardise(channel, brain, from, count, target, at)),
    ),
    brain: isWhole ? brain : cropData(brain, grid.shape, box),
    maps: maps?.list.map(({ data }) =>
      rows((from, count, target, at) => copyVoxels(data, from, count, target, at)),
    ),
  };
}

/** Writes voxels of the whole grid. */
type CopyVoxels = (from: number, count: number, target: Float32Array, at: number) => void;
