import { describe, expect, it } from 'vitest';
import { DatasetError, GridMismatchError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { correctScan, findCorrections } from '../../../src/imaging/tissue/correct-files.ts';
import { axisAlignedGrid, type Grid, gridFromAffine } from '../../../src/imaging/volume/volume.ts';

/** Two slices; the tests write values of the first, and the second is 0. */
const GRID = axisAlignedGrid([3, 2, 2], [1, 2, 3]);

const SECOND = [0, 0, 0, 0, 0, 0];

function image(values: number[], grid: Grid = GRID): Uint8Array {
  return writeNifti({ grid, data: Float32Array.from([...values, ...SECOND]) }, { datatype: 'float32' });
}

function mask(values: number[], grid: Grid = GRID): Uint8Array {
  return writeNifti({ grid, data: Uint8Array.from([...values, ...SECOND]) }, { datatype: 'uint8' });
}

function tree(name: string, files: Readonly<Record<string, Uint8Array>>): MemoryFiles {
  const out = new MemoryFiles(name);
  for (const [path, bytes] of Object.entries(files)) out.files.set(path, bytes);
  return out;
}

const GM = [0.5, 0.5, 0.5, 0.5, 0.5, 0.5];
const WM = [0.5, 0.25, 0, 0, 0, 0];
const CSF = [0, 0.25, 0.5, 0, 0.5, 0.25];

async function values(files: MemoryFiles, path: string): Promise<number[]> {
  return [...(await readNifti(await files.read(path), path)).volume.data.subarray(0, 6)];
}

describe('findCorrections', () => {
  it('pairs maps of every naming with masks of every naming', async () => {
    const tissue = tree('tissue', {
      'sub-07/anat/sub-07_label-GM_probseg.nii.gz': image(GM),
      'sub-07/anat/sub-07_label-WM_probseg.nii.gz': image(WM),
      'sub-07/anat/sub-07_label-CSF_probseg.nii.gz': image(CSF),
      'sub-07/anat/c1sub-07_T1w.nii.gz': image(GM),
      'sub-07/anat/c2sub-07_T1w.nii.gz': image(WM),
      'sub-07/anat/c3sub-07_T1w.nii.gz': image(CSF),
      'training/training01/preprocessed/c1training01_02_mprage_pp.nii': image(GM),
      'training/training01/preprocessed/c2training01_02_mprage_pp.nii': image(WM),
      'training/training01/preprocessed/c3training01_02_mprage_pp.nii': image(CSF),
      'sub-08/anat/c1sub-08_T1w.nii.gz': image(GM),
    });
    const lesions = tree('lesions', {
      'sub-07/anat/sub-07_label-lesion_mask.nii.gz': mask([0, 0, 0, 0, 0, 1]),
      'sub-07/anat/sub-07_desc-brain_mask.nii.gz': mask([1, 1, 1, 1, 1, 1]),
      'sub-training01/ses-02/anat/sub-training01_ses-02_label-lesion_mask.nii.gz': mask([1, 0, 0, 0, 0, 0]),
    });
    const found = await findCorrections(tissue, lesions);
    expect(
      found.map(({ scan, paths, lesions: path }) => [scan.subject, scan.session, paths.GM, path]),
    ).toEqual([
      [
        '07',
        null,
        'sub-07/anat/sub-07_label-GM_probseg.nii.gz',
        'sub-07/anat/sub-07_label-lesion_mask.nii.gz',
      ],
      ['07', null, 'sub-07/anat/c1sub-07_T1w.nii.gz', 'sub-07/anat/sub-07_label-lesion_mask.nii.gz'],
      [
        'training01',
        '02',
        'training/training01/preprocessed/c1training01_02_mprage_pp.nii',
        'sub-training01/ses-02/anat/sub-training01_ses-02_label-lesion_mask.nii.gz',
      ],
    ]);
  });

  it('takes masks of a submission and of raters, and no images for masks', async () => {
    const three = (stem: string): Record<string, Uint8Array> => ({
      [`c1${stem}_mprage_pp.nii`]: image(GM),
      [`c2${stem}_mprage_pp.nii`]: image(WM),
      [`c3${stem}_mprage_pp.nii`]: image(CSF),
    });
    const tissue = tree('tissue', { ...three('test01_01'), ...three('training02_01') });
    const found = await findCorrections(
      tissue,
      tree('lesions', {
        'test01_01_us.nii': mask([1, 0, 0, 0, 0, 0]),
        'masks/training02_01_mask1.nii': mask([1, 0, 0, 0, 0, 0]),
        'masks/training02_01_mask2.nii': mask([1, 1, 0, 0, 0, 0]),
        'preprocessed/training02_01_flair_pp.nii': image(GM),
      }),
    );
    expect(found.map(({ lesions }) => lesions)).toEqual([
      'test01_01_us.nii',
      'masks/training02_01_mask1.nii',
    ]);
  });

  it('names scans that have no mask, and a tree without maps', async () => {
    const tissue = tree('tissue', {
      'c1sub-07_T1w.nii': image(GM),
      'c2sub-07_T1w.nii': image(WM),
      'c3sub-07_T1w.nii': image(CSF),
    });
    await expect(findCorrections(tissue, tree('lesions', {}))).rejects.toThrow(
      'lesions: there is no lesion mask for sub-07',
    );
    await expect(findCorrections(tree('nothing', {}), tissue)).rejects.toThrow(DatasetError);
  });
});

describe('correctScan', () => {
  const tissue = tree('tissue', {
    'a/c1sub-07_T1w.nii': image(GM),
    'a/c2sub-07_T1w.nii': image(WM),
    'a/c3sub-07_T1w.nii': image(CSF),
  });

  it('writes the maps under their names, on their grid', async () => {
    const lesions = tree('lesions', { 'sub-07_label-lesion_mask.nii.gz': mask([1, 0, 0, 0, 0, 1]) });
    const [correction] = await findCorrections(tissue, lesions);
    const out = new MemoryFiles('out');
    const done = await correctScan(tissue, lesions, correction!, out, '0.0.0');
    expect(done).toMatchObject({ subject: '07', session: null, lesionMl: 0.012 });
    const sidecars = [1, 2, 3].map((c) => `a/c${c}sub-07_T1w.json`);
    expect([...out.files.keys()].sort()).toEqual([...tissue.files.keys(), ...sidecars].sort());
    expect(JSON.parse(new TextDecoder().decode(out.files.get(sidecars[0]!)))).toMatchObject({
      Manual: false,
      GeneratedBy: [{ Name: 'voxelgrad', Version: '0.0.0' }],
      Sources: [
        'bids:maps:a/c1sub-07_T1w.nii',
        'bids:maps:a/c2sub-07_T1w.nii',
        'bids:maps:a/c3sub-07_T1w.nii',
        'bids:lesions:sub-07_label-lesion_mask.nii.gz',
      ],
      SpatialReference: 'bids:maps:a/c1sub-07_T1w.nii',
      Inputs: Array(4).fill(expect.objectContaining({ SHA256: expect.stringMatching(/^[0-9a-f]{64}$/) })),
      Method: { Method: 'lesion voxels made white matter', LesionMl: 0.012 },
    });
    expect(await values(out, 'a/c1sub-07_T1w.nii')).toEqual([0, 0.5, 0.5, 0.5, 0.5, 0]);
    expect(await values(out, 'a/c2sub-07_T1w.nii')).toEqual([1, 0.25, 0, 0, 0, 1]);
    expect(await values(out, 'a/c3sub-07_T1w.nii')).toEqual([0, 0.25, 0.5, 0, 0.5, 0]);
  });

  it('turns a mask whose x axis runs the other way', async () => {
    const affine = Float64Array.from(GRID.affine);
    affine[0] = -1;
    affine[12] = 2;
    const flipped = gridFromAffine([3, 2, 2], affine);
    const lesions = tree('lesions', { 'sub-07_label-lesion_mask.nii': mask([1, 0, 0, 0, 0, 0], flipped) });
    const [correction] = await findCorrections(tissue, lesions);
    const out = new MemoryFiles('out');
    await correctScan(tissue, lesions, correction!, out, '0.0.0');
    expect(await values(out, 'a/c2sub-07_T1w.nii')).toEqual([0.5, 0.25, 1, 0, 0, 0]);
  });

  it('refuses a mask of another grid, naming both, and writes nothing', async () => {
    const other = axisAlignedGrid([3, 2, 2], [1, 2, 4], [5, 0, 0]);
    const lesions = tree('lesions', { 'sub-07_label-lesion_mask.nii': mask([1, 0, 0, 0, 0, 0], other) });
    const [correction] = await findCorrections(tissue, lesions);
    const out = new MemoryFiles('out');
    await expect(correctScan(tissue, lesions, correction!, out, '0.0.0')).rejects.toThrow(GridMismatchError);
    expect(out.files.size).toBe(0);
  });
});
