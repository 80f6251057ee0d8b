import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import type { FileRole } from '../../../src/imaging/dataset/file-role.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { type LooseScan, scanOfFiles } from '../../../src/imaging/dataset/loose-files.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { readItkTransform } from '../../../src/imaging/register/itk-transform.ts';
import { gpuComparison } from '../../../src/imaging/register/joint-histogram.ts';
import { poseMatrix } from '../../../src/imaging/register/pose.ts';
import { movedGrid } from '../../../src/imaging/volume/resample-spline.ts';
import { axisAlignedGrid, type Grid, type Volume } from '../../../src/imaging/volume/volume.ts';
import { prepare, preparedDataset } from '../../../src/pipeline/prepare/prepare.ts';
import type { FindBrain } from '../../../src/pipeline/prepare/prepare-scan.ts';
import { writePreparedPage } from '../../../src/pipeline/prepare/prepared-page.ts';
import { makePhantom } from '../../../src/study/phantom/index.ts';
import { useGpu } from '../../support/gpu.ts';

const device = useGpu();
const phantom = makePhantom({
  seed: 3,
  subjectIndex: 2,
  shape: [30, 36, 30],
  spacing: 6,
  noise: 0.02,
  biasField: 0.2,
});
const { grid } = phantom;
const planted = poseMatrix([5, -4, 3, 6, -5, 4], [0, 0, 0]);
const t1Grid = movedGrid(
  grid,
  movedGrid(axisAlignedGrid([1, 1, 1], [1, 1, 1]), planted).affine as Float64Array,
);

/** A scan of files: the FLAIR on its grid, the T1w on another, a brain mask on the FLAIR's. */
async function scanOf(
  change: { flair?: Volume; t1w?: Volume; brain?: Volume<Uint8Array> | null } = {},
): Promise<LooseScan> {
  const files = new MemoryFiles('raw');
  const roles = new Map<string, FileRole>();
  const add = async (role: FileRole, volume: Volume<Float32Array | Uint8Array>): Promise<void> => {
    await files.write(`${role}.nii.gz`, writeNifti(volume, { datatype: 'float32' }));
    roles.set(`${role}.nii.gz`, role);
  };
  await add('FLAIR', change.flair ?? { grid, data: phantom.modalities.FLAIR });
  await add('T1w', change.t1w ?? { grid: t1Grid, data: phantom.modalities.T1w });
  if (change.brain !== null) await add('brain', change.brain ?? { grid, data: phantom.brain });
  return scanOfFiles(files, roles, 'P1');
}

async function run(
  scan: LooseScan,
  out: MemoryFiles = new MemoryFiles('out'),
  findBrain?: FindBrain,
): ReturnType<typeof prepare> {
  return await prepare({
    findBrain,
    brainModel: findBrain && { name: 'finder', sha256: 'a hash', threshold: 0.5 },
    dataset: scan.dataset,
    scans: [scan.scan],
    out,
    version: '0.0.1',
    compare: gpuComparison(device.gpu),
  });
}

const slab = (shape: Grid['shape']): Volume => ({
  grid: axisAlignedGrid(shape, [6, 6, 6]),
  data: Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, i) => i % 97),
});

/** Left and right swapped, as a wrong header does. */
function mirrored(data: Float32Array, width: number): Float32Array {
  return data.map((_, i) => data[i - (i % width) + width - 1 - (i % width)]!);
}

describe('prepare', () => {
  it('brings a scan to one grid, as derivatives that load, and keeps what is done', async () => {
    const out = new MemoryFiles('out');
    const scan = await scanOf();
    const { scans: done } = await run(scan, out);
    expect([...out.files.keys()].sort()).toEqual(
      [
        'sub-P1_from-T1w_to-FLAIR_mode-image_xfm.json',
        'sub-P1_from-T1w_to-FLAIR_mode-image_xfm.txt',
        'sub-P1_space-FLAIR_desc-preproc_T1w.json',
        'sub-P1_space-FLAIR_desc-preproc_T1w.nii.gz',
        'sub-P1_space-orig_desc-brain_mask.json',
        'sub-P1_space-orig_desc-brain_mask.nii.gz',
        'sub-P1_space-orig_desc-preproc_FLAIR.json',
        'sub-P1_space-orig_desc-preproc_FLAIR.nii.gz',
      ]
        .map((name) => `sub-P1/anat/${name}`)
        .concat('sub-P1/figures/sub-P1_space-orig_desc-brain_outline.png'),
    );
    const xfm = new TextDecoder().decode(await out.read(done[0]!.transform!));
    const found = readItkTransform(xfm, 'xfm');
    for (const i of [12, 13, 14]) expect(Math.abs(found[i]! - planted[i]!)).toBeLessThan(1.5);
    const [prepared] = findScans(preparedDataset(out, done));
    const loaded = await loadScan(preparedDataset(out, done), prepared!);
    expect(loaded.channels.map(({ name }) => name)).toEqual(['FLAIR', 'T1w']);
    expect(loaded.brainSource).toBe('mask');
    // Somebody who opens the folder finds the same.
    const opened = await openDataset(out);
    const [listed] = findScans(opened);
    expect([...listed!.modalities.keys()]).toEqual(['FLAIR', 'T1w']);
    expect(listed!.brainMask).toBe(done[0]!.brainMask);
    const before = new Map(out.files);
    const {
      scans: [again],
    } = await run(scan, out);
    expect(again!.kept).toBe(true);
    expect(out.files).toEqual(before);
  });

  it('finds the brain if there is no mask, and says by what', async () => {
    const out = new MemoryFiles('out');
    const asked: string[] = [];
    const scan = await scanOf({ brain: null });
    const find: FindBrain = (_, modality) => {
      asked.push(modality);
      return Promise.resolve(phantom.brain);
    };
    const {
      scans: [done],
    } = await run(scan, out, find);
    expect(asked).toEqual(['FLAIR']);
    const said = new TextDecoder().decode(await out.read(done!.brainMask.replace('.nii.gz', '.json')));
    expect(JSON.parse(said)).toMatchObject({
      Method: {
        Brain: 'found by a network',
        BrainModel: 'a hash',
        BrainModelName: 'finder',
        BrainThreshold: 0.5,
      },
    });
    expect((await run(scan, out, find)).scans[0]!.kept).toBe(true);
  });

  it('refuses what cannot be right, and writes nothing', async () => {
    const out = new MemoryFiles('out');
    const refused = async (scan: LooseScan, find?: FindBrain): Promise<string> =>
      (await run(scan, out, find)).failed.map(({ error }) => error.message).join() || 'prepared';
    expect(await refused(await scanOf({ brain: null }))).toContain('there is no brain mask');
    expect(await refused(await scanOf({ flair: slab([30, 36, 5]) }))).toContain('has 5 slices');
    expect(
      await refused(await scanOf({ t1w: { grid: t1Grid, data: new Float32Array(phantom.brain.length) } })),
    ).toContain('has the value 0 everywhere');
    expect(await refused(await scanOf({ t1w: slab([30, 36, 30]) }))).toContain('T1w');
    expect(
      await refused(await scanOf({ brain: { grid, data: new Uint8Array(phantom.brain.length) } })),
    ).toContain('the brain mask is empty');
    const other = axisAlignedGrid([8, 8, 8], [6, 6, 6]);
    expect(
      await refused(await scanOf({ brain: { grid: other, data: new Uint8Array(512).fill(1) } })),
    ).toContain('has the grid of no image');
    const part = (): Promise<Uint8Array> =>
      Promise.resolve(phantom.brain.map((v, i) => (i < 0.4 * phantom.brain.length ? v : 0)));
    expect(await refused(await scanOf({ brain: null }), part)).toContain('no brain was found');
    const ct = phantom.modalities.FLAIR.map((v) => (v === 0 ? -1000 : v));
    expect(await refused(await scanOf({ flair: { grid, data: ct } }))).toContain('as those of a CT are');
    const zero = new Float32Array(ct.length);
    expect(await refused(await scanOf({ flair: { grid, data: zero } }))).toContain('has the value 0');
    const swapped = { grid: t1Grid, data: mirrored(phantom.modalities.T1w, grid.shape[0]) };
    expect(await refused(await scanOf({ t1w: swapped }))).toContain('T1w');
    const tilted = Float64Array.from(grid.affine);
    tilted[8] = 1;
    expect(
      await refused(
        await scanOf({ flair: { grid: { ...grid, affine: tilted }, data: phantom.modalities.FLAIR } }),
      ),
    ).toContain('right angles');
    expect(out.files.size).toBe(0);
  });

  it('goes on after a scan that cannot be prepared, and shows it first on the page', async () => {
    const good = await scanOf();
    const files = new MemoryFiles('raw');
    for (const [name, bytes] of (good.dataset.files as MemoryFiles).files) await files.write(name, bytes);
    await files.write(
      'empty.nii.gz',
      writeNifti({ grid, data: new Float32Array(phantom.brain.length) }, { datatype: 'float32' }),
    );
    const bad = { ...good.scan, subject: 'P0', modalities: new Map([['FLAIR', 'empty.nii.gz']]) };
    const out = new MemoryFiles('out');
    const told: string[] = [];
    const done = await prepare({
      dataset: { ...good.dataset, files },
      scans: [bad, good.scan],
      out,
      version: '0.0.1',
      compare: gpuComparison(device.gpu),
      onFailed: ({ subject }) => told.push(subject),
    });
    expect(done.scans.map(({ subject }) => subject)).toEqual(['P1']);
    expect(told).toEqual(['P0']);
    expect([...out.files.keys()].some((name) => name.includes('P0'))).toBe(false);
    await writePreparedPage(out, done, '0.0.1', 'qc.html');
    const page = new TextDecoder().decode(await out.read('qc.html'));
    expect(page).toContain('not prepared: empty.nii.gz: has the value 0 everywhere');
    expect(page.indexOf('id="sub-P0"')).toBeLessThan(page.indexOf('id="sub-P1"'));
    expect(page).toContain('Axial slices of sub-P1');
  });
});
