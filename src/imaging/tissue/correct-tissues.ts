import { ShapeError } from '../../core/errors.ts';
import { requireProbabilities } from '../dataset/label-maps.ts';
import { type TissueMaps, tissueList } from '../dataset/tissue-maps.ts';

/**
 * Tissue maps in the presence of lesions (Abolvardi et al., Fig. 9): lesion voxels become white matter, which
 * lesions of multiple sclerosis are part of and tissue segmentation takes for grey matter or fluid. With p the share
 * of lesion in a voxel, WM' = p + (1 - p) WM, GM' = (1 - p) GM, CSF' = (1 - p) CSF. The three stay a probability:
 * values are clamped to [0, 1] first, and divided by their sum where it is above 1.
 *
 * @param lesions one value a voxel: a mask (not 0 = lesion), or probabilities from 0 to 1 in a Float32Array
 * @param scan what messages call the scan
 * @returns new maps; the given ones stay as they are
 * @throws ShapeError where the arrays differ in length; DatasetError where a map holds no probabilities.
 */
export function correctTissues(
  maps: TissueMaps,
  lesions: Uint8Array | Float32Array,
  scan: string,
): TissueMaps {
  const lengths = [maps.GM.length, maps.WM.length, maps.CSF.length, lesions.length];
  if (lengths.some((length) => length !== lengths[0]))
    throw new ShapeError(
      'correctTissues',
      'GM, WM, CSF and lesions have one value for each voxel of one grid',
      lengths.join(', '),
    );
  requireProbabilities(tissueList(maps), scan);
  const [GM, WM, CSF] = [maps.GM.slice(), maps.WM.slice(), maps.CSF.slice()];
  const mask = lesions instanceof Uint8Array;
  for (let i = 0; i < lesions.length; i++) {
    const g = unit(GM[i]!);
    const w = unit(WM[i]!);
    const c = unit(CSF[i]!);
    const sum = Math.max(1, g + w + c);
    const p = mask ? Number(lesions[i] !== 0) : unit(lesions[i]!);
    const rest = (1 - p) / sum;
    GM[i] = g * rest;
    WM[i] = p + w * rest;
    CSF[i] = c * rest;
  }
  return { GM, WM, CSF };
}

function unit(value: number): number {
  return Math.min(1, Math.max(0, value));
}
