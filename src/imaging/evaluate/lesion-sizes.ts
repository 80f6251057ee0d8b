import type { Grid } from '../volume/volume.ts';
import { componentVolumes, connectedComponents, touchedComponents } from './lesions.ts';

/** True lesions of one class of volume. */
export interface LesionSizeCount {
  readonly fromMl: number;
  /** Null for the largest class. */
  readonly toMl: number | null;
  readonly lesions: number;
  /** Those that the prediction touches. */
  readonly found: number;
}

/**
 * Where the classes of lesion volume begin, in ml. The first two bounds are those of Nair et al. 2020 (Medical Image
 * Analysis 59), 10 and 50 mm³; the third parts what is large from what is confluent.
 */
const BOUNDS: readonly number[] = [0, 0.01, 0.05, 0.5];

/**
 * True lesions (26-connected) by class of volume, and how many of each the prediction touches.
 * @throws ShapeError where a mask does not fit the grid.
 */
export function countBySize(predicted: Uint8Array, truth: Uint8Array, grid: Grid): LesionSizeCount[] {
  const lesions = connectedComponents(truth, grid);
  const volumes = componentVolumes(lesions, grid);
  const touched = touchedComponents(lesions, predicted);
  return BOUNDS.map((fromMl, i) => {
    const toMl = BOUNDS[i + 1] ?? null;
    const members = volumes.flatMap((volume, at) =>
      volume >= fromMl && (toMl === null || volume < toMl) ? [touched[at]!] : [],
    );
    return { fromMl, toMl, lesions: members.length, found: members.filter(Boolean).length };
  });
}

/** Sums of several scans' or raters' counts, class by class. */
export function addSizes(counts: readonly (readonly LesionSizeCount[])[]): LesionSizeCount[] {
  return BOUNDS.map((fromMl, i) => {
    const sum = (key: 'lesions' | 'found'): number => counts.reduce((n, each) => n + each[i]![key], 0);
    return { fromMl, toMl: BOUNDS[i + 1] ?? null, lesions: sum('lesions'), found: sum('found') };
  });
}
