import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { judgeBrain } from '../../../src/imaging/dataset/brain-check.ts';
import { findScans, type Scan, scanName } from '../../../src/imaging/dataset/dataset.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { axisAlignedGrid, type Grid, voxelCount, voxelVolume } from '../../../src/imaging/volume/volume.ts';
import { NodeFolder } from '../../../src/platform/node-files.ts';
import { sharedData } from '../../data.ts';
import { image, maskFile, tree } from './make.ts';

const GRID: Grid = axisAlignedGrid([64, 64, 64], [3, 3, 3]);
/** Depth in mm below the surface of a ball, by its radius in mm. */
const depth =
  (radius: number) =>
  (x: number, y: number, z: number): number =>
    radius - 3 * Math.hypot(x - 31.5, y - 31.5, z - 31.5);

function ball(radius: number, value: (mm: number) => number = () => 1): Float32Array {
  const at = depth(radius);
  return Float32Array.from({ length: voxelCount(GRID) }, (_, i) => {
    const mm = at(i % 64, Math.floor(i / 64) % 64, Math.floor(i / 4096));
    return mm > 0 ? value(mm) : 0;
  });
}

const mask = (data: Float32Array): Uint8Array => Uint8Array.from(data, Number);

describe('a region', () => {
  it('is a brain at 1.4 l, a head at 3 l, and oddly small at 0.2 l', () => {
    expect(judgeBrain([], mask(ball(69)), GRID)).toMatchObject({ head: null, odd: null });
    expect(judgeBrain([], mask(ball(90)), GRID).head).toMatch(/it holds 3\.05 l/);
    expect(judgeBrain([], mask(ball(36)), GRID).odd).toMatch(/it holds 195 ml only/);
  });
  it('is a head at any volume if it has a bright scalp, or air around it', () => {
    const judge = (name: string, value: (mm: number) => number) =>
      judgeBrain([{ name, data: ball(69, value) }], mask(ball(69)), GRID).head;
    const scalp = (mm: number): number => (mm < 6.5 ? 200 : 100);
    expect(judge('T1w', scalp)).toMatch(/T1w is bright just below the surface/);
    expect(judge('T2w', scalp)).toBeNull();
    expect(judge('FLAIR', (mm) => (mm < 8 ? 5 : 100))).toMatch(/FLAIR is dark just below the surface/);
    expect(judge('FLAIR', () => 100)).toBeNull();
  });
});

describe('loading a scan', () => {
  const files = {
    'sub-07/anat/sub-07_FLAIR.nii.gz': image((x, y, z) => (depth(90)(x, y, z) > 0 ? 100 + x : 0), GRID),
  };
  it('refuses a head until it is said to be a brain, and says so then', async () => {
    const dataset = await openDataset(tree(files));
    await expect(loadScan(dataset, findScans(dataset)[0]!)).rejects.toThrow(
      'sub-07: what is not 0 in its images looks like a whole head and not like a brain: it holds 3.05 l',
    );
    const trusting = await openDataset(tree(files), { trustBrain: true });
    const { warnings } = await loadScan(trusting, findScans(trusting)[0]!);
    expect(warnings).toHaveLength(1);
    expect(warnings![0]).toMatch(/was taken for the brain, as asked, but looks like a whole head/);
  });
  it('refuses a brain mask that holds a head', async () => {
    const dataset = await openDataset(
      tree({
        ...files,
        'sub-07/anat/sub-07_desc-brain_mask.nii.gz': maskFile(
          (x, y, z) => Number(depth(90)(x, y, z) > 0),
          GRID,
        ),
      }),
    );
    await expect(loadScan(dataset, findScans(dataset)[0]!)).rejects.toThrow(
      'the brain mask sub-07/anat/sub-07_desc-brain_mask.nii.gz looks like a whole head',
    );
  });
});

const data = sharedData();

describe.skipIf(data === undefined)('real scans', { timeout: 300_000 }, () => {
  it('every raw head is refused, image by image', async () => {
    const folder = new NodeFolder(`${data}/open-ms-longitudinal_raw`);
    const dataset = await openDataset(folder);
    let heads = 0;
    for (const scan of findScans(dataset)) {
      const raw: Scan = { ...scan, brainMask: undefined };
      for (const name of scan.modalities.keys()) {
        await expect(
          loadScan(dataset, raw, { modalities: [name] }),
          `${scanName(scan)} ${name}`,
        ).rejects.toThrow(/looks like a whole head|is not skull-stripped/);
        heads++;
      }
    }
    expect(heads).toBeGreaterThanOrEqual(16);
    const [brainchop] = findScans(await openDataset(loose(`${data}/head-t1_brainchop`)));
    await expect(loadScan(await openDataset(loose(`${data}/head-t1_brainchop`)), brainchop!)).rejects.toThrow(
      'looks like a whole head',
    );
  });
  it('raw images that lie apart are each read with the brain mask of their own space', async () => {
    const dataset = await openDataset(new NodeFolder(`${data}/open-ms-longitudinal_raw`));
    const scan = findScans(dataset, ['L01'])[0]!;
    for (const name of ['FLAIR', 'T1w']) {
      const loaded = await loadScan(dataset, { ...scan, lesionMasks: new Map() }, { modalities: [name] });
      const ml = (loaded.brain.reduce((sum, v) => sum + v, 0) * voxelVolume(loaded.grid)) / 1000;
      expect(ml, name).toBeGreaterThan(1000);
      expect(ml, name).toBeLessThan(2000);
    }
  });
  it('every skull-stripped scan passes without its brain mask, without a warning', async () => {
    for (const name of ['open-ms-lesjak2017_2mm', 'isbi2015-layout_2mm']) {
      const dataset = await openDataset(new NodeFolder(`${data}/${name}`));
      for (const scan of findScans(dataset)) {
        const bare: Scan = { ...scan, brainMask: undefined, lesionMasks: new Map() };
        expect((await loadScan(dataset, bare)).warnings, scanName(scan)).toBeUndefined();
      }
    }
  });
});

/** Files of one folder as those of a patient. */
function loose(folder: string): ReturnType<typeof tree> & NodeFolder {
  const source = new NodeFolder(folder);
  const [file] = readdirSync(folder).filter((name) => name.endsWith('.nii.gz'));
  const inside = (path: string): string => (path.endsWith(file!) ? file! : path);
  return Object.assign(Object.create(source) as NodeFolder, {
    list: async (path: string) =>
      await Promise.resolve(
        path === ''
          ? [{ name: 'sub-01', kind: 'folder' as const }]
          : path === 'sub-01'
            ? [{ name: 'anat', kind: 'folder' as const }]
            : path === 'sub-01/anat'
              ? [{ name: file!, kind: 'file' as const }]
              : [],
      ),
    open: async (path: string) => await source.open(inside(path)),
    read: async (path: string) => await source.read(inside(path)),
  }) as never;
}
