import type { Connectivity } from '../volume/components.ts';

/** Which voxels make one part: those that touch by a corner at least. */
export const CONNECTIVITY: Connectivity = 26;

/** The longest diameter in mm from which a lesion counts for McDonald's criteria (2017 and 2024). */
export const SMALL_MM = 3;

/** How one part, several and all of a label are called. */
export interface PartWords {
  readonly title: string;
  readonly one: string;
  readonly many: string;
  /** Of the table's file. */
  readonly suffix: string;
}

/** Words for the parts of a label: what is found as `lesion` consists of lesions, all else of parts. */
export function partWords(label: string): PartWords {
  return label === 'lesion'
    ? { title: 'Lesion', one: 'lesion', many: 'lesions', suffix: 'lesions' }
    : { title: 'Part', one: `part of ${label}`, many: `parts of ${label}`, suffix: 'parts' };
}

/** `34 lesions, 25.4 ml`; `3 parts of GM, 612.3 ml`. */
export function tellParts(label: string, count: number, ml: number): string {
  const { one, many } = partWords(label);
  return `${count} ${count === 1 ? one : many}, ${formatMl(ml)}`;
}

/** A region in a sentence. */
export function regionWords(region: string): string {
  return region === 'deep' ? 'deep white matter' : region;
}

/** Three digits that count, or one decimal from 10 ml on. */
export function formatMl(ml: number): string {
  return `${ml.toFixed(ml >= 10 || ml === 0 ? 1 : ml >= 1 ? 2 : 3)} ml`;
}
