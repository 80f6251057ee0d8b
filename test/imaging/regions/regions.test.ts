import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { contentOf } from '../../../src/core/files.ts';
import { connectedComponents } from '../../../src/imaging/evaluate/lesions.ts';
import { readMask } from '../../../src/imaging/nifti/read.ts';
import { atlasMaps, type RegionMaps } from '../../../src/imaging/regions/atlas-maps.ts';
import { classifyRegions, REGIONS, regionImage, regionTable } from '../../../src/imaging/regions/classify.ts';
import { groupVoxels } from '../../../src/imaging/results/parts.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { sharedData } from '../../data.ts';

const grid = axisAlignedGrid([20, 8, 8], [1, 1, 1]);
const at = (x: number, y = 4, z = 4): number => (z * 8 + y) * 20 + x;
const slab = (inside: (x: number) => boolean): Uint8Array =>
  Uint8Array.from({ length: 20 * 64 }, (_, i) => (inside(i % 20) ? 1 : 0));
/** Ventricle at x of 0 to 2, cortex at 8 to 10, infratentorial from 10 on. */
const maps: RegionMaps = {
  ventricle: slab((x) => x < 3),
  cortex: slab((x) => x >= 8 && x <= 10),
  infratentorial: slab((x) => x >= 10),
};

describe('the rule of regions on planted lesions', () => {
  it.each([
    ['in a ventricle', [at(1)], 'periventricular'],
    ['beside a ventricle', [at(3)], 'periventricular'],
    ['one voxel off a ventricle', [at(4)], 'deep'],
    ['by an edge only', [at(3, 7, 7)], 'periventricular'],
    ['from a ventricle to the cortex', [3, 4, 5, 6, 7].map((x) => at(x)), 'periventricular'],
    ['beside the cortex', [at(7)], 'juxtacortical'],
    ['in the cortex', [at(9)], 'juxtacortical'],
    ['where cortex and infratentorial meet', [at(10)], 'juxtacortical'],
    ['beside them', [at(11)], 'juxtacortical'],
    ['infratentorial', [at(12)], 'infratentorial'],
    ['at the border of the volume', [at(19, 0, 0)], 'infratentorial'],
    ['in between', [at(5), at(6, 4, 4)], 'deep'],
  ] as const)('%s', (_, voxels, region) => {
    expect(classifyRegions([voxels], grid, maps)).toEqual([region]);
  });

  it('dilates by faces: a diagonal neighbour is not met', () => {
    const corner = { ...maps, ventricle: new Uint8Array(20 * 64), cortex: new Uint8Array(20 * 64) };
    corner.ventricle[at(5, 5, 4)] = 1;
    expect(classifyRegions([[at(4, 4, 4)]], grid, corner)).toEqual(['deep']);
    expect(classifyRegions([[at(5, 4, 4)]], grid, corner)).toEqual(['periventricular']);
  });

  it('makes a label image and its table', () => {
    const lesions = [[at(1)], [at(5), at(6)]];
    const image = regionImage(lesions, classifyRegions(lesions, grid, maps), 20 * 64);
    expect([image[at(1)], image[at(5)], image[at(6)], image[at(7)]]).toEqual([1, 4, 4, 0]);
    expect(new TextDecoder().decode(regionTable())).toBe(
      'index\tname\n0\tbackground\n1\tperiventricular\n2\tjuxtacortical\n3\tinfratentorial\n4\tdeep\n',
    );
    expect(classifyRegions([], grid, maps)).toEqual([]);
  });
});

describe('the atlas', () => {
  const identity = Float64Array.of(1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1);
  const template = axisAlignedGrid([98, 116, 94], [2, 2, 2], [-97.5, -133.5, -71.5]);
  const voxel = (x: number, y: number, z: number): number => {
    const [i, j, k] = [(x + 97.5) / 2, (y + 133.5) / 2, (z + 71.5) / 2].map(Math.round);
    return (k! * 116 + j!) * 98 + i!;
  };

  it('knows places of the template', () => {
    const { ventricle, cortex, infratentorial } = atlasMaps(template, identity);
    for (const side of [-1, 1]) {
      expect(ventricle[voxel(side * 14, -30, 22)]).toBe(1);
      expect(infratentorial[voxel(side * 30, -60, -40)]).toBe(1);
      expect(cortex[voxel(side * 40, -20, 55)]).toBe(1);
    }
    // Pons.
    expect(infratentorial[voxel(0, -25, -35)]).toBe(1);
    // White matter of the corona radiata.
    const white = voxel(26, -15, 32);
    expect([ventricle[white], cortex[white], infratentorial[white]]).toEqual([0, 0, 0]);
  });

  it('takes ventricles and cortex from own tissues near the template’s, and never where a lesion is', () => {
    const voxels = 98 * 116 * 94;
    const own = {
      gm: new Float32Array(voxels).fill(0.6),
      csf: new Float32Array(voxels),
      lesions: new Uint8Array(voxels),
    };
    const beside = voxel(20, -15, 22);
    own.csf[beside] = 0.9;
    const rim = voxel(40, -20, 55);
    own.lesions[rim] = 1;
    const wide = atlasMaps(template, identity, own);
    expect(atlasMaps(template, identity).ventricle[beside]).toBe(0);
    expect(wide.ventricle[beside]).toBe(1);
    expect(wide.ventricle[voxel(14, -30, 22)]).toBe(0);
    expect(wide.cortex[rim]).toBe(0);
    expect(wide.cortex[voxel(-40, -20, 55)]).toBe(1);
    const { infratentorial } = atlasMaps(template, identity);
    expect(wide.infratentorial.every((v, i) => v === infratentorial[i])).toBe(true);
  });
});

const data = sharedData();
interface Golden {
  readonly toTemplate: readonly number[];
  readonly scans: Readonly<Record<string, { readonly regions: string }>>;
}
const golden = JSON.parse(
  readFileSync(new URL('../../golden/regions/regions.json', import.meta.url), 'utf8'),
) as Golden;

describe.skipIf(data === undefined)('on real masks, lesion by lesion as SciPy', () => {
  it.each(Object.keys(golden.scans))('sub-%s', async (subject) => {
    const path = `sub-${subject}_label-lesion_mask.nii.gz`;
    const file = readFileSync(join(data!, 'open-ms-lesjak2017_lesion-masks_1mm', path));
    const { volume } = await readMask(contentOf(file), path);
    const { labels, sizes } = connectedComponents(volume.data, volume.grid);
    const found = classifyRegions(
      groupVoxels(labels, sizes),
      volume.grid,
      atlasMaps(volume.grid, Float64Array.from(golden.toTemplate)),
    );
    expect(found.map((region) => REGIONS.indexOf(region)).join('')).toBe(golden.scans[subject]!.regions);
  });
});
