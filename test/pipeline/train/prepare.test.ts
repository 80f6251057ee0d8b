import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { chooseTraining, prepareTraining } from '../../../src/pipeline/train/prepare.ts';
import { trainSettings } from '../../../src/pipeline/train/settings.ts';
import { bidsPatient, maskFile, names, tree } from '../../imaging/dataset/make.ts';

const settings = (more: object = {}) => trainSettings({ variant: 'single', patch: 8, levels: 2, ...more });

describe('chooseTraining', () => {
  it('takes everybody with a mask if nothing is asked for, and never drops a modality by itself', async () => {
    const dataset = await openDataset(
      names(
        'sub-01/anat/sub-01_T2w.nii.gz',
        'sub-01/anat/sub-01_FLAIR.nii.gz',
        'sub-01/anat/sub-01_T1w.nii.gz',
        'sub-01/anat/sub-01_label-lesion_mask.nii.gz',
        'sub-02/anat/sub-02_T1w.nii.gz',
        'sub-02/anat/sub-02_FLAIR.nii.gz',
        'sub-02/anat/sub-02_label-lesion_mask.nii.gz',
        'sub-03/anat/sub-03_FLAIR.nii.gz',
      ),
    );
    expect(() => chooseTraining(dataset, settings())).toThrow(
      'the scans do not have the same images: T2w (not there for sub-02)',
    );
    const chosen = chooseTraining(dataset, settings({ modalities: ['FLAIR', 'T1w'] }));
    expect(chosen.notes).toEqual(['without a lesion mask, so not trained on: sub-03']);
    expect(chosen.scans.map((scan) => scan.subject)).toEqual(['01', '02']);
    expect(chosen.settings.subjects).toEqual(['01', '02']);
    expect(chosen.settings.modalities).toEqual(['FLAIR', 'T1w']);
    const aliases = chooseTraining(dataset, settings({ subjects: ['01'], modalities: ['t2', 'flair'] }));
    expect(aliases.settings.modalities).toEqual(['T2w', 'FLAIR']);
    expect(() => chooseTraining(dataset, settings({ subjects: ['03'] }))).toThrow(
      'sub-03: there is no lesion mask to train on',
    );
    expect(() => chooseTraining(dataset, settings({ modalities: ['T2w'] }))).toThrow(
      'sub-02: there is no T2w image; there are FLAIR, T1w',
    );
  });

  it('leaves images after a contrast agent out unless they are named, and says so', async () => {
    const dataset = await openDataset(
      names(
        'sub-01/anat/sub-01_FLAIR.nii.gz',
        'sub-01/anat/sub-01_ce-gadolinium_T1w.nii.gz',
        'sub-01/anat/sub-01_label-L_mask.nii.gz',
      ),
    );
    const { settings: chosen, notes } = chooseTraining(dataset, settings());
    expect(chosen.modalities).toEqual(['FLAIR']);
    expect(notes[0]).toMatch(/^ce-gadolinium_T1w left out: images after a contrast agent/);
    const named = chooseTraining(dataset, settings({ modalities: ['ce-gadolinium_T1w'] }));
    expect(named.settings.modalities).toEqual(['ce-gadolinium_T1w']);
    expect(named.notes).toEqual([]);
  });

  it('refuses masks that are all empty, and keeps the files it read with their hashes', async () => {
    const files = { ...bidsPatient('01') };
    const { inputs } = await prepareTraining(await openDataset(tree(files)), settings());
    expect(inputs!['sub-01']!.map(({ role }) => role)).toEqual([
      'FLAIR',
      'T1w',
      'T2w',
      'brain mask',
      'lesion mask, rater 1',
    ]);
    const flair = files['sub-01/anat/sub-01_FLAIR.nii.gz']!;
    expect(inputs!['sub-01']![0]!.sha256).toBe(createHash('sha256').update(flair).digest('hex'));
    files['derivatives/lesions/sub-01/anat/sub-01_label-lesion_mask.nii.gz'] = maskFile(() => 0);
    await expect(prepareTraining(await openDataset(tree(files)), settings())).rejects.toThrow(
      'the masks of lesion of all 1 scans are empty',
    );
  });

  it('refuses a data set without masks, and scans that share nothing', async () => {
    const bare = await openDataset(names('sub-01/anat/sub-01_FLAIR.nii.gz'));
    expect(() => chooseTraining(bare, settings())).toThrow('no scan has a lesion mask to train on');
    const apart = await openDataset(
      names(
        'sub-01/anat/sub-01_T1w.nii.gz',
        'sub-01/anat/sub-01_label-lesion_mask.nii.gz',
        'sub-02/anat/sub-02_FLAIR.nii.gz',
        'sub-02/anat/sub-02_label-lesion_mask.nii.gz',
      ),
    );
    expect(() => chooseTraining(apart, settings())).toThrow(
      'the scans do not have the same images: FLAIR (not there for sub-01); T1w (not there for sub-02)',
    );
  });
});

describe('prepareTraining', () => {
  it('reads the channels in order, and tissue maps only where the variant needs them', async () => {
    const dataset = await openDataset(tree({ ...bidsPatient('01'), ...bidsPatient('02') }));
    const seen: string[] = [];
    const single = await prepareTraining(
      dataset,
      settings({ modalities: ['T1w', 'FLAIR'] }),
      (done, total, name) => seen.push(`${done}/${total} ${name}`),
    );
    expect(seen).toEqual(['1/2 sub-01', '2/2 sub-02']);
    expect(single.scans[0]!.channels.map((channel) => channel.name)).toEqual(['T1w', 'FLAIR']);
    expect(single.scans[0]!.maps).toBeUndefined();
    for (const extent of single.scans[0]!.shape) expect(extent).toBeGreaterThanOrEqual(8);
    for (const variant of ['multi-input', 'multi-output']) {
      const { scans } = await prepareTraining(dataset, settings({ variant, subjects: ['02'] }));
      expect(scans[0]!.maps ?? scans[0]!.targets!.get('tissue')).toBeDefined();
    }
    await expect(
      prepareTraining(dataset, settings({ variant: 'multi-input', tissue: 'fsl' })),
    ).rejects.toThrow('there are no tissue maps from fsl; there are spm');
  });

  it('refuses a patch that no volume holds', async () => {
    const dataset = await openDataset(tree(bidsPatient('01')));
    await expect(prepareTraining(dataset, settings({ patch: 12 }))).rejects.toThrow(
      'sub-01: a patch of 12x12x12 voxels is larger than the volume, 12x14x10',
    );
  });
});
