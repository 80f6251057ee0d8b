/** More than this in ml, or this share of the brain, is rarely lesion: of 29 patients the most has 52 ml. */
export const MOST_LESION_ML = 150;
export const MOST_LESION_SHARE = 0.1;

/**
 * What is implausible about how much of a label was found, in a clause; null if nothing is, and for other labels than
 * lesion.
 * @param lesionMl volume of the mask
 * @param brainMl volume of the brain mask
 */
export function implausibleVolume(label: string, lesionMl: number, brainMl: number): string | null {
  if (label !== 'lesion') return null;
  const share = brainMl > 0 ? lesionMl / brainMl : 0;
  if (lesionMl <= MOST_LESION_ML && share <= MOST_LESION_SHARE) return null;
  return `${lesionMl.toFixed(1)} ml were found, ${(100 * share).toFixed(0)} % of the brain: hardly all of that is lesion; check the brain mask, the images and whether the model fits them`;
}

/** Of two masks on one grid, voxels in the second that are not in the first, and the other way round. */
export function changedVoxels(
  before: Uint8Array,
  after: Uint8Array,
): { readonly added: number; readonly removed: number } {
  let added = 0;
  let removed = 0;
  for (let i = 0; i < after.length; i++) {
    if (after[i] !== 0 && before[i] === 0) added++;
    else if (after[i] === 0 && before[i] !== 0) removed++;
  }
  return { added, removed };
}
