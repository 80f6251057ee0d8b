import { type LabelMap, repairMaps } from './label-maps.ts';

/** Probabilities of grey matter, white matter and cerebrospinal fluid; what is left of 1 is background. */
export interface TissueMaps {
  readonly GM: Float32Array;
  readonly WM: Float32Array;
  readonly CSF: Float32Array;
}

/**
 * Makes three maps a probability, in place: each clamped to [0, 1]; inside the brain, where their sum is above
 * 1e-3, divided by it; outside the brain divided by it only where it is above 1. What is left of 1 is
 * background. SPM's own maps need this: they are rounded to 1/255 and sum to less than 1 at the brain's rim.
 * @param brain 1 inside the brain.
 * @param scan what messages call the scan.
 * @throws DatasetError where a map reaches beyond 1.5 or below -0.5, so that it holds no probabilities (raw
 *   0..255 values, labels), or where all three are 0 in the whole brain.
 */
export function repairTissues(maps: TissueMaps, brain: Uint8Array, scan: string): void {
  repairMaps(tissueList(maps), brain, scan, true);
}

/** Tissues in the order of SPM's c1, c2, c3. */
export const TISSUES = ['GM', 'WM', 'CSF'] as const;

/** Tissue maps as labelled ones, in the order of {@link TISSUES}. */
export function tissueList({ GM, WM, CSF }: TissueMaps): LabelMap[] {
  return [
    { label: 'GM', data: GM },
    { label: 'WM', data: WM },
    { label: 'CSF', data: CSF },
  ];
}

/** Labelled maps in the order of {@link TISSUES} as tissue maps. */
export function tissuesOf(maps: readonly LabelMap[]): TissueMaps {
  const [GM, WM, CSF] = maps;
  return { GM: GM!.data, WM: WM!.data, CSF: CSF!.data };
}
