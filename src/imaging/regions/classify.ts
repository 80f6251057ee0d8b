import type { Grid } from '../volume/volume.ts';
import type { RegionMaps } from './atlas-maps.ts';

/** The regions of McDonald's criteria (2017, 2024), in the order of their values in label images, from 1. */
export const REGIONS = ['periventricular', 'juxtacortical', 'infratentorial', 'deep'] as const;

/** Where in the brain a lesion is; `juxtacortical` is cortical too, `deep` the white matter that is left. */
export type Region = (typeof REGIONS)[number];

/**
 * The region of each lesion by LST-AI's rule: the lesion is dilated by a voxel (by faces); if it then meets a ventricle
 * it is periventricular, else if it meets the cortex juxtacortical, else if it meets the infratentorial brain
 * infratentorial, else deep.
 * @param lesions the voxels of each
 */
export function classifyRegions(
  lesions: readonly ArrayLike<number>[],
  { shape: [nx, ny, nz] }: Grid,
  maps: RegionMaps,
): Region[] {
  return lesions.map((voxels) => {
    const met = { ventricle: false, cortex: false, infratentorial: false };
    const meet = (i: number): void => {
      met.ventricle ||= maps.ventricle[i] !== 0;
      met.cortex ||= maps.cortex[i] !== 0;
      met.infratentorial ||= maps.infratentorial[i] !== 0;
    };
    for (let k = 0; k < voxels.length; k++) {
      const i = voxels[k]!;
      const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
      meet(i);
      if (x > 0) meet(i - 1);
      if (x < nx - 1) meet(i + 1);
      if (y > 0) meet(i - nx);
      if (y < ny - 1) meet(i + nx);
      if (z > 0) meet(i - nx * ny);
      if (z < nz - 1) meet(i + nx * ny);
    }
    if (met.ventricle) return 'periventricular';
    if (met.cortex) return 'juxtacortical';
    return met.infratentorial ? 'infratentorial' : 'deep';
  });
}

/** A label image of lesions by their region: 0 for none, else its place in {@link REGIONS} from 1. */
export function regionImage(
  lesions: readonly ArrayLike<number>[],
  regions: readonly Region[],
  voxels: number,
): Uint8Array {
  const image = new Uint8Array(voxels);
  for (const [n, lesion] of lesions.entries()) {
    const value = REGIONS.indexOf(regions[n]!) + 1;
    for (let k = 0; k < lesion.length; k++) image[lesion[k]!] = value;
  }
  return image;
}

/** BIDS's table of the values of {@link regionImage}. */
export function regionTable(): Uint8Array {
  const lines = REGIONS.map((name, i) => `${i + 1}\t${name}`);
  return new TextEncoder().encode(['index\tname', '0\tbackground', ...lines, ''].join('\n'));
}
