import type { ModelCard } from '../src/pipeline/models/steps.ts';

/** What `ms-lesions` is, for the model file. */
export const MS_LESIONS_CARD: ModelCard = {
  source:
    'voxelgrad, bench/ms-lesions.ts: synthetic scans from eight label maps, and two real patients (Lesjak et al. 2017)',
  licence: 'Apache-2.0; trained on CC-BY data, to be cited: doi:10.1007/s12021-017-9348-7',
  about:
    'Finds multiple-sclerosis lesions in a skull-stripped FLAIR, better with a T1w on the same grid. Scans of other voxel sizes are resampled to 2 mm for it. Learned from 62 synthetic scans and two real patients of one hospital; figures in bench/results/ms-lesions.md. Not for clinical decisions: check every result.',
  files: {},
};
