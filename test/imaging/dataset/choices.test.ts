import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { VoxelgradError } from '../../../src/core/errors.ts';
import { choicesOfRecord, parseNameFilter, recordedChoices } from '../../../src/imaging/dataset/choices.ts';
import { brainMaskOf, type Dataset, findScans, scanName } from '../../../src/imaging/dataset/dataset.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { NodeFolder } from '../../../src/platform/node-files.ts';
import { bidsPatient, inBrain, lesion, maskFile, names, tree } from './make.ts';

const ANAT = 'sub-07/anat/sub-07';
const only = (dataset: Dataset) => findScans(dataset)[0]!;

async function failure(work: Promise<unknown>): Promise<VoxelgradError> {
  return (await work.then(
    () => new Error('it was accepted'),
    (e: unknown) => e,
  )) as VoxelgradError;
}

describe('several images of a kind', () => {
  const files = names(
    `${ANAT}_acq-2D_FLAIR.nii.gz`,
    `${ANAT}_acq-3D_FLAIR.nii.gz`,
    `${ANAT}_run-1_T1w.nii.gz`,
    `${ANAT}_run-2_T1w.nii.gz`,
  );
  it('one is taken, and a warning names the others', async () => {
    const dataset = await openDataset(files);
    expect(only(dataset).modalities.get('FLAIR')).toBe(`${ANAT}_acq-2D_FLAIR.nii.gz`);
    expect(dataset.warnings).toEqual([
      `${ANAT}_acq-3D_FLAIR.nii.gz: not used, sub-07_acq-2D_FLAIR.nii.gz is the FLAIR`,
      `${ANAT}_run-2_T1w.nii.gz: not used, sub-07_run-1_T1w.nii.gz is the T1w`,
    ]);
  });
  it('a filter chooses, for one kind or for all, and leaves alone what does not have the entity', async () => {
    const filter = ['FLAIR:acq-3D', 'run-2'].map(parseNameFilter);
    const { modalities } = only(await openDataset(files, { filter }));
    expect([...modalities]).toEqual([
      ['FLAIR', `${ANAT}_acq-3D_FLAIR.nii.gz`],
      ['T1w', `${ANAT}_run-2_T1w.nii.gz`],
    ]);
    const none = await openDataset(files, { filter: [parseNameFilter('acq-4D')] });
    expect([...only(none).modalities.keys()]).toEqual(['T1w']);
    expect(none.warnings[0]).toBe(`${ANAT}_acq-2D_FLAIR.nii.gz: not used, the filter leaves it out`);
  });
  it('a filter that is none is refused', () => {
    expect(() => parseNameFilter('3D')).toThrow('a filter is an entity and its value');
  });
});

describe('masks of several sources', () => {
  const twice = {
    ...bidsPatient('07'),
    [`derivatives/a-samseg/${ANAT}_label-lesion_mask.nii.gz`]: maskFile(inBrain),
    [`derivatives/hd-bet/${ANAT}_desc-brain_mask.nii.gz`]: maskFile(inBrain),
  };
  it('are refused until one is chosen, with those that exist', async () => {
    const dataset = await openDataset(tree(twice));
    const brain = await failure(loadScan(dataset, only(dataset)));
    expect(brain.message).toContain('brain masks from several sources: brainmask, hd-bet');
    expect(brain.setting).toBe('brainmask');
    const chosen = await openDataset(tree(twice), { brainmask: 'hd-bet' });
    const lesions = await failure(loadScan(chosen, only(chosen)));
    expect(lesions.message).toContain('lesion masks from several sources: a-samseg, lesions');
    expect(lesions.setting).toBe('lesions');
    const both = await openDataset(tree(twice), { brainmask: 'hd-bet', lesions: 'lesions' });
    const scan = await loadScan(both, only(both));
    expect([...scan.lesions!].reduce((sum, v) => sum + v, 0)).toBe(9);
    const all = await openDataset(tree(twice), { brainmask: 'hd-bet', lesions: 'all' });
    expect([...only(all).lesionMasks.keys()]).toEqual(['1', 'lesions']);
  });
  it('a source that is not there is refused with those that are', async () => {
    const error = await failure(openDataset(tree(twice), { lesions: 'samseg' }));
    expect(error.message).toContain('no lesion masks from "samseg"; the sources are: a-samseg, lesions');
  });
  it('raters with names do not compete wherever they are', async () => {
    const dataset = await openDataset(
      names(
        `${ANAT}_FLAIR.nii.gz`,
        `derivatives/a/${ANAT}_rater-ann_label-L_mask.nii.gz`,
        `derivatives/b/${ANAT}_rater-bob_label-L_mask.nii.gz`,
      ),
    );
    expect(only(dataset).contested).toBeUndefined();
    expect([...only(dataset).lesionMasks.keys()]).toEqual(['ann', 'bob']);
  });
  it('choices go into records and come back', () => {
    const choices = { filter: [parseNameFilter('FLAIR:run-2')], lesions: 'all', trustBrain: true };
    expect(choicesOfRecord(recordedChoices(choices))).toEqual(choices);
    expect(recordedChoices({})).toBeUndefined();
  });
});

describe('brain masks in another space', () => {
  const mask = (source: string, space: string): string =>
    `derivatives/${source}/${ANAT}_space-${space}_desc-brain_mask.nii.gz`;
  it('are left for the one that lies where the images do, and compete with nobody', async () => {
    for (const space of ['T1w', 'orig', 'individual']) {
      const dataset = await openDataset(
        names(
          `${ANAT}_FLAIR.nii.gz`,
          `${ANAT}_T1w.nii.gz`,
          mask('a', 'MNI152NLin2009cAsym'),
          mask('b', space),
        ),
      );
      expect(only(dataset).brainMask).toBe(mask('b', space));
      expect(only(dataset).contested).toBeUndefined();
      expect(dataset.warnings).toEqual([
        `${mask('a', 'MNI152NLin2009cAsym')}: not used, it lies in space-MNI152NLin2009cAsym, not in that of the images`,
      ]);
    }
  });
  it('of images that lie apart each serve their own image', async () => {
    const dataset = await openDataset(
      names(
        `${ANAT}_FLAIR.nii.gz`,
        `${ANAT}_T1w.nii.gz`,
        `${ANAT}_T2w.nii.gz`,
        mask('a', 'T1w'),
        mask('a', 'FLAIR'),
      ),
    );
    const scan = only(dataset);
    expect(['FLAIR', 'T1w', 'T2w', undefined].map((first) => brainMaskOf(scan, first))).toEqual([
      mask('a', 'FLAIR'),
      mask('a', 'T1w'),
      mask('a', 'FLAIR'),
      mask('a', 'FLAIR'),
    ]);
    expect(brainMaskOf({ ...scan, brainMask: undefined }, 'T1w')).toBeUndefined();
    expect(dataset.warnings).toEqual([]);
  });
  it('serve if there is no other, which is said', async () => {
    const dataset = await openDataset(names(`${ANAT}_FLAIR.nii.gz`, mask('a', 'MNI152Lin')));
    expect(only(dataset).brainMask).toBe(mask('a', 'MNI152Lin'));
    expect(dataset.warnings).toEqual([
      `${mask('a', 'MNI152Lin')}: the only brain mask, though its name says space-MNI152Lin; its grid must be that of the images`,
    ]);
  });
});

describe('what is found and not used is said', () => {
  it.each([
    ['sub-MS_03/anat/sub-MS_03_FLAIR.nii.gz', /^sub-MS_03: not used, a label after sub-/],
    ['sub-02-1/anat/sub-02-1_FLAIR.nii.gz', /^sub-02-1: not used/],
    [`${ANAT}_flair image.nii.gz`, /its name is not one of BIDS \(sub-07_FLAIR/],
    ['sub-07/anat/sub-08_FLAIR.nii.gz', /does not begin with sub-07_/],
    ['sub-07/ses-1-b/anat/x.nii', /^sub-07\/ses-1-b: not used/],
    [`${ANAT}_rater-ann_run-2_label-lesion_mask.nii.gz`, /not used, .*rater ann/],
    [`${ANAT}_FLAIR.nii`, /FLAIR\.nii\.gz: not used, sub-07_FLAIR\.nii is the FLAIR/],
  ])('%s', async (path, says) => {
    const { warnings } = await openDataset(
      names(`${ANAT}_FLAIR.nii.gz`, `${ANAT}_rater-ann_run-1_label-lesion_mask.nii.gz`, path),
    );
    expect(warnings.filter((warning) => says.test(warning))).toHaveLength(1);
  });
  it('images in anat stay beside folders of visits', async () => {
    const dataset = await openDataset(
      names(`${ANAT}_FLAIR.nii.gz`, 'sub-07/ses-2/anat/sub-07_ses-2_FLAIR.nii.gz'),
    );
    expect(findScans(dataset).map(scanName)).toEqual(['sub-07', 'sub-07_ses-2']);
    expect(dataset.warnings[0]).toContain('has images in anat and in ses-2');
  });
  it('extensions in capitals are images', async () => {
    const dataset = await openDataset(names(`${ANAT}_FLAIR.NII.gz`));
    expect(only(dataset).modalities.get('FLAIR')).toBe(`${ANAT}_FLAIR.NII.gz`);
  });
  it('links that lead nowhere', async () => {
    const root = mkdtempSync(join(tmpdir(), 'voxelgrad-links-'));
    try {
      mkdirSync(join(root, 'sub-07/anat'), { recursive: true });
      writeFileSync(join(root, `${ANAT}_T1w.nii.gz`), '');
      symlinkSync(join(root, 'gone.nii.gz'), join(root, `${ANAT}_FLAIR.nii.gz`));
      const { warnings } = await openDataset(new NodeFolder(root));
      expect(warnings).toEqual([`${ANAT}_FLAIR.nii.gz: a link that leads nowhere, not used`]);
    } finally {
      rmSync(root, { recursive: true });
    }
  });
  it('a mask of several labels, and an empty one', async () => {
    const files = { ...bidsPatient('07') };
    const path = `derivatives/lesions/${ANAT}_label-lesion_mask.nii.gz`;
    files[path] = maskFile((x, y, z) => lesion(x, y, z) * (x > 5 ? 2 : 1));
    const two = await openDataset(tree(files));
    expect((await loadScan(two, only(two))).warnings).toEqual([
      `${path} holds the values 1, 2, and all of them count as lesion`,
    ]);
    files[path] = maskFile(() => 0);
    const none = await openDataset(tree(files));
    expect((await loadScan(none, only(none))).warnings).toEqual([`${path} is empty: it marks no lesion`]);
  });
  it('a folder of DICOM files is called that, whatever the files are called', async () => {
    const dicom = new Uint8Array(200);
    dicom.set(new TextEncoder().encode('DICM'), 128);
    const error = await failure(openDataset(tree({ 'PATIENT1/STUDY/IM0001': dicom })));
    expect(error.message).toContain('holds DICOM files (PATIENT1/STUDY/IM0001)');
    expect(error.hint).toContain('dcm2niix');
  });
});
