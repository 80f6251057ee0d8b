import type { LoadedScan } from '../../imaging/dataset/load-scan.ts';
import type { LabelParts } from '../../imaging/results/part-files.ts';
import { dropSmallParts, listParts, type PartsOptions } from '../../imaging/results/parts.ts';
import { type Box, cropData, cropGrid } from '../../imaging/volume/crop.ts';
import type { Grid } from '../../imaging/volume/volume.ts';
import { type Voxels, voxelAt } from '../../imaging/volume/voxels.ts';
import { decide, type HeadResult, maskOf } from './head-result.ts';
import type { BoxSegmentation } from './segment.ts';

/** What is decided about a scan in a box of it: outside there is nothing. */
export interface DecidedBox {
  readonly box: Box;
  /** Of the box. */
  readonly grid: Grid;
  /** By head, in the task's order; arrays have the box's voxels. */
  readonly heads: ReadonlyMap<string, HeadResult>;
  /** The parts of each label that is decided about, in the order of the heads. */
  readonly found: readonly LabelParts[];
}

/**
 * Decides where labels are, in the box that was segmented.
 * @param minDiameter in mm: parts whose longest diameter is smaller are not of the label
 */
export function decideBox(
  { box, heads }: BoxSegmentation,
  scan: Pick<LoadedScan<Voxels>, 'grid' | 'brain' | 'channels'>,
  minDiameter?: number,
): DecidedBox {
  const grid = cropGrid(scan.grid, box);
  const brain = cropData(scan.brain, scan.grid.shape, box);
  const images = imagesIn(scan, box, brain);
  const decided = new Map<string, HeadResult>();
  const found: LabelParts[] = [];
  for (const [name, maps] of heads) {
    const result = decide(maps, brain);
    decided.set(name, result);
    if (result.decision.kind !== 'threshold' && result.decision.kind !== 'argmax') continue;
    for (const label of result.head.labels) {
      const mask = maskOf(result, label);
      let dropped: LabelParts['dropped'] = null;
      if (minDiameter !== undefined) {
        dropped = { belowMm: minDiameter, ...dropSmallParts(mask, grid, minDiameter) };
        clearDropped(result, label, mask);
      }
      found.push({ label, parts: listParts(mask, result.maps.get(label)!, grid, { images }), dropped });
    }
  }
  return { box, grid, heads: decided, found };
}

/** Makes background of a label's voxels that its mask does not hold any more. */
function clearDropped({ labels, head }: HeadResult, label: string, mask: Uint8Array): void {
  const own = head.labels.indexOf(label) + 1;
  if (labels) for (let i = 0; i < labels.length; i++) if (labels[i] === own && mask[i] === 0) labels[i] = 0;
}

/** A scan's images by the voxels of a box. */
function imagesIn(
  { grid, channels }: Pick<LoadedScan<Voxels>, 'grid' | 'channels'>,
  { start, shape }: Box,
  brain: Uint8Array,
): NonNullable<PartsOptions['images']> {
  const inScan = (i: number): number => {
    const x = (i % shape[0]) + start[0];
    const y = (Math.floor(i / shape[0]) % shape[1]) + start[1];
    const z = Math.floor(i / (shape[0] * shape[1])) + start[2];
    return (z * grid.shape[1] + y) * grid.shape[0] + x;
  };
  const list = channels.map(({ name, data }) => ({ name, at: (i: number) => voxelAt(data, inScan(i)) }));
  return { list, brain };
}
