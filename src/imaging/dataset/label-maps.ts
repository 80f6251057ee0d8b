import { DatasetError } from '../../core/errors.ts';

/** A probability map of one label. */
export interface LabelMap {
  readonly label: string;
  readonly data: Float32Array;
}

/** How messages call maps of some labels: `tissue maps`, `maps of stroke, oedema`. */
export function mapsName(labels: readonly string[]): string {
  return labels.join() === 'GM,WM,CSF' ? 'tissue maps' : `maps of ${labels.join(', ')}`;
}

/**
 * Makes maps of some labels a probability, in place: each clamped to [0, 1], and divided by their sum if that is above
 * 1. What is left of 1 is background.
 * @param brain 1 inside the brain
 * @param scan what messages call the scan
 * @param complete whether the labels make up the whole brain: inside it the maps are divided by their sum wherever that
 *   is above 1e-3
 * @throws DatasetError if a map reaches beyond 1.5 or below -0.5, or if complete maps are all 0 in the whole brain.
 */
export function repairMaps(
  maps: readonly LabelMap[],
  brain: Uint8Array,
  scan: string,
  complete: boolean,
): void {
  requireProbabilities(maps, scan);
  let present = 0;
  for (let i = 0; i < brain.length; i++) {
    let sum = 0;
    for (const { data } of maps) {
      data[i] = Math.min(1, Math.max(0, data[i]!));
      sum += data[i]!;
    }
    const inside = complete && brain[i] !== 0 && sum > 1e-3;
    if (inside) present++;
    const scale = inside || sum > 1 ? 1 / sum : 1;
    for (const { data } of maps) data[i]! *= scale;
  }
  if (complete && present === 0)
    throw new DatasetError(
      `${scan}: the ${mapsName(maps.map(({ label }) => label))} are 0 everywhere in the brain`,
      { hint: 'Check that they belong to this scan.' },
    );
}

/**
 * @param scan what messages call the scan.
 * @throws DatasetError where a map reaches beyond 1.5 or below -0.5, so that it holds no probabilities.
 */
export function requireProbabilities(maps: readonly LabelMap[], scan: string): void {
  for (const { label: name, data: map } of maps) {
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
