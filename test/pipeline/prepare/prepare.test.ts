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
    brainModel: findBrain && 'a hash',
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

describe('prepare', () => {
  it('brings a scan to one grid, as derivatives that load, and keeps what is done', async () => {
    const out = new MemoryFiles('out');
    const scan = await scanOf();
    const done = await run(scan, out);
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
      ].map((name) => `sub-P1/anat/${name}`),
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
    const [again] = await run(scan, out);
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
    const [done] = await run(scan, out, find);
    expect(asked).toEqual(['FLAIR']);
    const said = new TextDecoder().decode(await out.read(done!.brainMask.replace('.nii.gz', '.json')));
    expect(JSON.parse(said)).toMatchObject({ Method: { Brain: 'found by a network', BrainModel: 'a hash' } });
    expect((await run(scan, out, find))[0]!.kept).toBe(true);
    await expect(run(scan, out)).rejects.toThrow('there is no brain mask');
  });

  it('refuses what cannot be right, and writes nothing', async () => {
    const out = new MemoryFiles('out');
    const refused = async (scan: LooseScan): Promise<string> =>
      await run(scan, out).then(
        () => 'prepared',
        (error: Error) => error.message,
      );
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
    const tilted = Float64Array.from(grid.affine);
    tilted[8] = 1;
    expect(
      await refused(
        await scanOf({ flair: { grid: { ...grid, affine: tilted }, data: phantom.modalities.FLAIR } }),
      ),
    ).toContain('right angles');
    expect(out.files.size).toBe(0);
  });
});
