import { describe, expect, it } from 'vitest';
import { type FileRole, guessRole } from '../../../src/imaging/dataset/file-role.ts';
import { sharedData } from '../../data.ts';
import { filesOf } from '../../support/files-of.ts';

describe('guessRole', () => {
  it.each<[string, FileRole | undefined]>([
    // BIDS
    ['sub-07/anat/sub-07_FLAIR.nii.gz', 'FLAIR'],
    ['sub-07_acq-3d_T1w.nii', 'T1w'],
    ['sub-07_ce-gadolinium_T1w.nii.gz', 'ce-gadolinium_T1w'],
    ['sub-07_label-lesion_mask.nii.gz', 'lesions'],
    ['sub-07_desc-brain_mask.nii.gz', 'brain'],
    ['sub-07_label-GM_probseg.nii.gz', 'GM'],
    ['sub-07_label-lesion_probseg.nii.gz', undefined],
    // ISBI 2015
    ['training01_02_flair_pp.nii', 'FLAIR'],
    ['training01_02_mprage_pp.nii', 'T1w'],
    ['training01_02_t2_pp.nii', 'T2w'],
    ['training01_02_pd_pp.nii', 'PDw'],
    ['training01_02_mask1.nii', 'lesions'],
    ['training01_02_brainmask.nii', 'brain'],
    // SPM
    ['c1training01_02_mprage_pp.nii.gz', 'GM'],
    ['c2sub-07_T1w.nii', 'WM'],
    ['c3anat.nii', 'CSF'],
    ['c10.nii', undefined],
    // Whatever people call their files
    ['patient05_FLAIR.nii.gz', 'FLAIR'],
    ['patient05_T1WKS.nii.gz', 'ce-gadolinium_T1w'],
    ['patient05_consensus_gt.nii.gz', 'lesions'],
    ['t1_gd.nii.gz', 'ce-gadolinium_T1w'],
    ['T1.nii', 'T1w'],
    ['MPRAGE.nii.gz', 'T1w'],
    ['Brain Mask.nii.gz', 'brain'],
    ['FLAIR_lesion_mask.nii.gz', 'lesions'],
    ['series_004.nii.gz', undefined],
    ['at2x.nii', undefined],
  ])('%s is %s', (path, role) => {
    expect(guessRole(path)).toBe(role);
  });
});

const data = sharedData();
describe.skipIf(data === undefined)('guessRole on real names', () => {
  it('knows every image, mask and tissue map of the BIDS and ISBI folders', () => {
    const unknown = ['open-ms-lesjak2017_2mm', 'isbi2015-layout_2mm']
      .flatMap((folder) => filesOf(`${data}/${folder}`))
      .filter((path) => /\.nii(\.gz)?$/.test(path) && guessRole(path) === undefined);
    expect(unknown).toEqual([]);
  });
});
