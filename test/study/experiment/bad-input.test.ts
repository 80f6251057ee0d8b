import { describe, expect, it } from 'vitest';
import { DatasetError, GridMismatchError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { reorient } from '../../../src/imaging/volume/orientation.ts';
import { axisAlignedGrid, gridFromAffine } from '../../../src/imaging/volume/volume.ts';
import { trainSettings } from '../../../src/pipeline/train/settings.ts';
import { inspectScans } from '../../../src/study/experiment/inspect.ts';
import { judgePatients } from '../../../src/study/experiment/judge.ts';
import { type ExperimentOptions, experimentOptions } from '../../../src/study/experiment/options.ts';
import { planExperiment } from '../../../src/study/experiment/plan.ts';
import { sharedSettings } from '../../../src/study/experiment/unit-settings.ts';
import {
  bidsPatient,
  GRID,
  image,
  inBrain,
  lesion,
  maskFile,
  names,
  OTHER_GRID,
  tree,
  values,
} from '../../imaging/dataset/make.ts';

type Files = Readonly<Record<string, Uint8Array | undefined>>;

const anat = (id: string, suffix: string): string => `sub-${id}/anat/sub-${id}_${suffix}.nii.gz`;
const mask = (id: string, rater = ''): string =>
  `derivatives/lesions/${anat(id, `${rater}label-lesion_mask`)}`;
const map = (id: string, tissue: number): string =>
  `derivatives/spm/sub-${id}/anat/c${tissue}sub-${id}_T1w.nii.gz`;

/** Three patients with SPM's maps, changed: undefined takes a file away. */
function files(changes: Files = {}): MemoryFiles {
  const all = { ...bidsPatient('01'), ...bidsPatient('02'), ...bidsPatient('03'), ...changes };
  const there = Object.entries(all).filter((entry): entry is [string, Uint8Array] => entry[1] !== undefined);
  return tree(Object.fromEntries(there));
}

/** Everything that `voxelgrad experiment` does before the first unit starts. */
async function begin(data: MemoryFiles, some: Partial<ExperimentOptions> = {}) {
  const dataset = await openDataset(data);
  const options = experimentOptions({ variants: ['single', 'multi-input'], tissue: 'spm', ...some });
  const record = planExperiment(dataset, options, { version: '1.2.3', path: './data' });
  return { dataset, record, notes: [...record.notes, ...(await inspectScans(dataset, record))] };
}

describe('an experiment on a data set with a fault', () => {
  it('a patient without masks (a test set): predicted, never trained on, not judged', async () => {
    const { dataset, record } = await begin(files({ ...bidsPatient('04'), [mask('04')]: undefined }));
    expect(record.unjudged).toEqual(['04']);
    for (const fold of record.folds) expect([...fold.training, ...fold.heldOut]).not.toContain('04');
    for (const unit of record.units) {
      if (unit.kind === 'stage-1') expect(unit.training).not.toContain('04');
      if (unit.kind === 'correction') expect(Object.keys(unit.by)).toContain('04');
    }
    expect(await judgePatients(new MemoryFiles(), dataset, ['04'], '1')).toEqual([]);
  });

  it('a visit without a mask: the patient’s others count, and a note says so', async () => {
    const visit = 'sub-01/ses-2/anat/sub-01_ses-2';
    const more = Object.fromEntries(
      ['FLAIR', 'T1w', 'T2w'].map((m) => [`${visit}_${m}.nii.gz`, new Uint8Array()]),
    );
    const first = Object.fromEntries(
      Object.entries(bidsPatient('01')).map(([path, bytes]) => [
        path.replaceAll('sub-01/anat/', 'sub-01/ses-1/anat/').replaceAll('sub-01_', 'sub-01_ses-1_'),
        bytes,
      ]),
    );
    const dataset = await openDataset(tree({ ...first, ...more, ...bidsPatient('02') }));
    const record = planExperiment(dataset, experimentOptions({ variants: ['single'] }), {
      version: '1',
      path: '.',
    });
    expect(record.notes).toEqual([
      'sub-01_ses-2 has no lesion mask: predicted, neither trained on nor judged',
    ]);
    expect(record.folds.map(({ heldOut }) => heldOut)).toEqual([['01'], ['02']]);
  });

  it('a missing modality: an error that names who lacks it, asked for or not; it is left out if the others are named', async () => {
    const without = files({ [anat('02', 'T2w')]: undefined });
    await expect(begin(without)).rejects.toThrow(
      'the scans do not have the same images: T2w (not there for sub-02)',
    );
    const fewer = sharedSettings(trainSettings({ variant: 'single', modalities: ['FLAIR', 'T1w'] }));
    const { record } = await begin(without, { shared: fewer });
    expect(record.settings.modalities).toEqual(['FLAIR', 'T1w']);
    const shared = sharedSettings(trainSettings({ variant: 'single', modalities: ['FLAIR', 'T2w'] }));
    await expect(begin(without, { shared })).rejects.toThrow(
      'sub-02: there is no T2w image; there are FLAIR, T1w',
    );
  });

  it('mixed grids within a patient: an error that names both files', async () => {
    const mixed = begin(files({ [anat('03', 'T1w')]: image(inBrain, OTHER_GRID) }));
    await expect(mixed).rejects.toThrow(GridMismatchError);
    await expect(mixed).rejects.toThrow(
      /sub-03_T1w.nii.gz is 12x14x10 at 2x2x2.5 mm.*but .*sub-03_FLAIR.nii.gz is/,
    );
  });

  it('mixed voxel sizes between patients: a note', async () => {
    const grid = axisAlignedGrid([12, 14, 10], [1, 1, 3]);
    const other = Object.fromEntries(
      Object.keys(bidsPatient('02')).map((path) => [
        path,
        /mask/.test(path) ? maskFile(lesion, grid) : image((x, y, z) => inBrain(x, y, z) / 2, grid),
      ]),
    );
    const brain = Object.keys(other).find((path) => /desc-brain/.test(path))!;
    const { notes } = await begin(files({ ...other, [brain]: maskFile(inBrain, grid) }));
    expect(notes).toEqual([
      'the scans have different voxel sizes, 2x2x2 mm (sub-01, sub-03); 1x1x3 mm (sub-02): a patch of so many voxels does not hold as much brain in each',
    ]);
  });

  it('one patient only: an error, since no folds are possible', async () => {
    const one = begin(tree(bidsPatient('01')));
    await expect(one).rejects.toThrow(DatasetError);
    await expect(one).rejects.toThrow('only patient 01 has a lesion mask; no folds are possible');
  });

  it('a subject in both training and test folders: an error that names it', async () => {
    const image = (folder: string): string => `${folder}/training01/preprocessed/training01_01_flair_pp.nii`;
    await expect(begin(names(image('training'), image('testdata_website')))).rejects.toThrow(
      'subject training01 is in training and in testdata_website',
    );
  });

  it('raters that disagree in grid: an error that names the mask', async () => {
    const two = files({
      [mask('02')]: undefined,
      [mask('02', 'rater-A_')]: maskFile(lesion),
      [mask('02', 'rater-B_')]: maskFile(lesion, OTHER_GRID),
    });
    await expect(begin(two)).rejects.toThrow(GridMismatchError);
    await expect(begin(two)).rejects.toThrow(mask('02', 'rater-B_'));
  });

  it('tissue maps that do not sum to 1: made a probability; what is none is an error', async () => {
    // .5 + .3 + .1 as they come, and .9 + .3 + .1.
    const { dataset } = await begin(files({ [map('02', 1)]: image((x, y, z) => 0.9 * inBrain(x, y, z)) }));
    for (const scan of findScans(dataset)) {
      const { tissues, brain } = await loadScan(dataset, scan, { tissue: 'spm' });
      const { GM, WM, CSF } = tissues!;
      let worst = 0;
      for (let i = 0; i < brain.length; i++)
        if (brain[i]) worst = Math.max(worst, Math.abs(GM[i]! + WM[i]! + CSF[i]! - 1));
      expect(worst).toBeLessThan(1e-6);
    }
    const raw = begin(files({ [map('02', 1)]: image((x, y, z) => 255 * inBrain(x, y, z)) }));
    await expect(raw).rejects.toThrow('sub-02: the GM map holds values from 0 to 255, no probabilities');
  });

  it('SPM’s maps in another orientation: turned to the scan’s voxels; on other voxels an error', async () => {
    const data = values((x, y, z) => inBrain(x, y, z) * (0.3 + 0.02 * x + 0.01 * z));
    const turned = reorient({ grid: GRID, data }, { axes: [1, 2, 0], flips: [true, false, true] });
    const gm = async (volume: Parameters<typeof writeNifti>[0]): Promise<Float32Array> => {
      const { dataset } = await begin(files({ [map('02', 1)]: writeNifti(volume, { datatype: 'float32' }) }));
      const [scan] = findScans(dataset, ['02']);
      return (await loadScan(dataset, scan!, { tissue: 'spm' })).tissues!.GM;
    };
    expect([...(await gm(turned))]).toEqual([...(await gm({ grid: GRID, data }))]);
    const shifted = gridFromAffine(
      [...GRID.shape],
      GRID.affine.map((v, i) => (i === 12 ? v + 1 : v)),
    );
    await expect(gm({ grid: shifted, data })).rejects.toThrow(/c1sub-02_T1w.nii.gz/);
  });
});
