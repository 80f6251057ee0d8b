import { ShapeError } from '../../core/errors.ts';
import type { TissueMaps } from '../dataset/tissue-maps.ts';
import { diceOfCounts } from './metrics.ts';

/** How well two sets of tissue maps agree, by tissue. */
export interface TissueDice {
  readonly GM: number;
  readonly WM: number;
  readonly CSF: number;
}

/**
 * Dice of each tissue between the most probable labels of two sets of maps, inside the brain. Of equal probabilities
 * CSF goes before GM before WM, so that a voxel in which all are 0 is CSF.
 * @throws ShapeError where the arrays differ in length.
 */
export function tissueDice(a: TissueMaps, b: TissueMaps, brain: Uint8Array): TissueDice {
  const lengths = [...Object.values(a), ...Object.values(b), brain].map((array) => array.length);
  if (lengths.some((length) => length !== brain.length))
    throw new ShapeError('tissueDice', 'maps and brain have one value for each voxel', lengths.join(', '));
  const both = { GM: 0, WM: 0, CSF: 0 };
  const ofA = { GM: 0, WM: 0, CSF: 0 };
  const ofB = { GM: 0, WM: 0, CSF: 0 };
  for (let i = 0; i < brain.length; i++) {
    if (brain[i] === 0) continue;
    const [labelA, labelB] = [labelOf(a, i), labelOf(b, i)];
    ofA[labelA]++;
    ofB[labelB]++;
    if (labelA === labelB) both[labelA]++;
  }
  return {
    GM: diceOfCounts(both.GM, ofA.GM, ofB.GM),
    WM: diceOfCounts(both.WM, ofA.WM, ofB.WM),
    CSF: diceOfCounts(both.CSF, ofA.CSF, ofB.CSF),
  };
}

function labelOf({ GM, WM, CSF }: TissueMaps, i: number): keyof TissueDice {
  const [g, w, c] = [GM[i]!, WM[i]!, CSF[i]!];
  if (c >= g && c >= w) return 'CSF';
  return g >= w ? 'GM' : 'WM';
}
