import { DatasetError } from '../../core/errors.ts';

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
  requireProbabilities(maps, scan);
  const { GM, WM, CSF } = maps;
  let present = 0;
  for (let i = 0; i < brain.length; i++) {
    const g = Math.min(1, Math.max(0, GM[i]!));
    const w = Math.min(1, Math.max(0, WM[i]!));
    const c = Math.min(1, Math.max(0, CSF[i]!));
    const sum = g + w + c;
    const inside = brain[i] !== 0;
    if (inside && sum > 1e-3) present++;
    const scale = (inside && sum > 1e-3) || sum > 1 ? 1 / sum : 1;
    GM[i] = g * scale;
    WM[i] = w * scale;
    CSF[i] = c * scale;
  }
  if (present === 0) {
    throw new DatasetError(`${scan}: the tissue maps are 0 everywhere in the brain`, {
      hint: 'Check that they belong to this scan.',
    });
  }
}

/**
 * @param scan what messages call the scan.
 * @throws DatasetError where a map reaches beyond 1.5 or below -0.5, so that it holds no probabilities.
 */
export function requireProbabilities(maps: TissueMaps, scan: string): void {
  for (const [name, map] of Object.entries(maps) as [string, Float32Array][]) {
    let low = 0;
    let high = 0;
    for (let i = 0; i < map.length; i++) {
      const v = map[i]!;
      if (v < low) low = v;
      else if (v > high) high = v;
    }
    if (low < -0.5 || high > 1.5) {
      throw new DatasetError(
        `${scan}: the ${name} map holds values from ${low} to ${high}, no probabilities`,
        {
          hint: 'Give probability maps from 0 to 1 (as SPM writes them, with their scl_slope).',
        },
      );
    }
  }
}
