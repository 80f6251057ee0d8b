import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../../src/core/errors.ts';
import { parseBidsName } from '../../../src/imaging/dataset/bids-name.ts';
import {
  commonModalities,
  findScans,
  findSubject,
  scanFolder,
  scanName,
} from '../../../src/imaging/dataset/dataset.ts';
import { canonicalModality, findModality } from '../../../src/imaging/dataset/modality.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { withTissues } from '../../../src/imaging/dataset/tissue-files.ts';
import { names, tree } from './make.ts';

async function failure(work: Promise<unknown>): Promise<DatasetError> {
  const error = await work.then(
    () => new Error('it was accepted'),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(DatasetError);
  return error as DatasetError;
}

function isbi(prefix = '', subject = 'training01', visits = ['01', '02']): string[] {
  return visits.flatMap((visit) => [
    ...['flair', 'mprage', 'pd', 't2'].map(
      (m) => `${prefix}${subject}/preprocessed/${subject}_${visit}_${m}_pp.nii`,
    ),
    ...[1, 2].map((r) => `${prefix}${subject}/masks/${subject}_${visit}_mask${r}.nii`),
  ]);
}

describe('ISBI 2015', () => {
  it('refuses a subject that is in training and in the test data', async () => {
    const files = names(...isbi('training/'), ...isbi('testdata_website/'));
    const error = await failure(openDataset(files));
    expect(error.message).toBe('subject training01 is in training and in testdata_website');
  });

  it.each(['training/', '', 'testdata_website/'])('is found under %j', async (prefix) => {
    const dataset = await openDataset(names(...isbi(prefix), ...isbi(prefix, 'training02', ['01'])));
    expect(dataset.layout).toBe('isbi2015');
    expect(dataset.subjects.map((s) => [s.id, s.scans.map((scan) => scan.session)])).toEqual([
      ['training01', ['01', '02']],
      ['training02', ['01']],
    ]);
    const scan = dataset.subjects[0]!.scans[1]!;
    expect([...scan.modalities]).toEqual([
      ['FLAIR', `${prefix}training01/preprocessed/training01_02_flair_pp.nii`],
      ['T1w', `${prefix}training01/preprocessed/training01_02_mprage_pp.nii`],
      ['T2w', `${prefix}training01/preprocessed/training01_02_t2_pp.nii`],
      ['PDw', `${prefix}training01/preprocessed/training01_02_pd_pp.nii`],
    ]);
    expect([...scan.lesionMasks]).toEqual([
      ['1', `${prefix}training01/masks/training01_02_mask1.nii`],
      ['2', `${prefix}training01/masks/training01_02_mask2.nii`],
    ]);
    expect([scanName(scan), scanFolder(scan)]).toEqual([
      'sub-training01_ses-02',
      'sub-training01/ses-02/anat',
    ]);
  });

  it('keeps training and test patients apart, and takes either file ending', async () => {
    const files = isbi('training/').map((path, i) => (i % 2 ? `${path}.gz` : path));
    const test = isbi('testdata_website/', 'test01', ['01']).filter((path) => !path.includes('mask'));
    const dataset = await openDataset(names(...files, ...test));
    expect(dataset.subjects.map((s) => s.id)).toEqual(['test01', 'training01']);
    expect(dataset.subjects[0]!.scans[0]!.lesionMasks.size).toBe(0);
    expect(dataset.subjects[1]!.scans[0]!.modalities.size).toBe(4);
    expect(() => findSubject(dataset, '01')).toThrow('may be test01 or training01');
    expect(findSubject(dataset, 'training01').id).toBe('training01');
  });

  it('finds brain masks and tissue maps in the subject or in derivatives', async () => {
    const dataset = await openDataset(
      names(
        ...isbi(),
        'training01/masks/training01_01_brainmask.nii.gz',
        ...[1, 2, 3].map((i) => `training01/spm/c${i}training01_01_mprage_pp.nii`),
        ...['GM', 'WM', 'CSF'].map(
          (t) => `derivatives/em/sub-training01/ses-02/anat/sub-training01_ses-02_label-${t}_probseg.nii.gz`,
        ),
      ),
    );
    const [first, second] = dataset.subjects[0]!.scans;
    expect(first!.brainMask).toBe('training01/masks/training01_01_brainmask.nii.gz');
    expect(first!.tissues.get('spm')?.CSF).toBe('training01/spm/c3training01_01_mprage_pp.nii');
    expect(second!.brainMask).toBeUndefined();
    expect(second!.tissues.get('em')?.GM).toContain('label-GM_probseg');
  });

  it('prefers .nii where both are there, and ignores files of other subjects', async () => {
    const dataset = await openDataset(
      names(
        'training01/preprocessed/training01_01_flair_pp.nii.gz',
        'training01/preprocessed/training01_01_flair_pp.nii',
        'training01/preprocessed/training02_01_flair_pp.nii',
        'training01/preprocessed/training01_01_flair_pp.nii.bak',
      ),
    );
    expect(findScans(dataset)).toHaveLength(1);
    expect(findScans(dataset)[0]!.modalities.get('FLAIR')).toMatch(/_pp\.nii$/);
  });
});

describe('BIDS', () => {
  const anat = 'sub-07/anat/sub-07';
  it('tells contrast agents apart and takes the plainest of several images', async () => {
    const dataset = await openDataset(
      names(
        'dataset_description.json',
        `${anat}_ce-gadolinium_T1w.nii.gz`,
        `${anat}_acq-highres_T1w.nii.gz`,
        `${anat}_T1w.nii.gz`,
        `${anat}_run-2_FLAIR.nii.gz`,
        `${anat}_run-1_FLAIR.nii.gz`,
        `${anat}_T1w.json`,
        `${anat}_defacemask.nii.gz`,
      ),
    );
    const [scan] = findScans(dataset);
    expect([...scan!.modalities]).toEqual([
      ['FLAIR', `${anat}_run-1_FLAIR.nii.gz`],
      ['T1w', `${anat}_T1w.nii.gz`],
      ['ce-gadolinium_T1w', `${anat}_ce-gadolinium_T1w.nii.gz`],
    ]);
    expect(dataset.warnings).toEqual([
      `${anat}_run-2_FLAIR.nii.gz: not used, sub-07_run-1_FLAIR.nii.gz is the FLAIR`,
      `${anat}_acq-highres_T1w.nii.gz: not used, sub-07_T1w.nii.gz is the T1w`,
    ]);
  });

  it('reads visits, masks, raters and maps of each', async () => {
    const at = (pipeline: string, visit: string, rest: string): string =>
      `derivatives/${pipeline}/sub-07/ses-${visit}/anat/sub-07_ses-${visit}_${rest}`;
    const dataset = await openDataset(
      names(
        'sub-07/ses-a/anat/sub-07_ses-a_FLAIR.nii.gz',
        'sub-07/ses-b/anat/sub-07_ses-b_FLAIR.nii.gz',
        'sub-07/ses-b/anat/sub-07_ses-a_T1w.nii.gz',
        at('manual', 'a', 'rater-2_label-lesion_mask.nii.gz'),
        at('manual', 'a', 'rater-1_label-lesion_mask.nii.gz'),
        at('manual', 'b', 'label-lesion_mask.nii.gz'),
        at('second', 'b', 'label-lesion_mask.nii.gz'),
        at('manual', 'b', 'desc-consensus_label-lesion_mask.nii.gz'),
        at('prep', 'b', 'space-MNI_desc-brain_mask.nii.gz'),
        at('prep', 'b', 'desc-brain_mask.nii.gz'),
        ...['GM', 'WM', 'CSF'].map((t) => at('atlas', 'b', `label-${t}_probseg.nii.gz`)),
        ...[1, 2, 3].map((i) => `derivatives/spm/sub-07/ses-b/anat/c${i}sub-07_ses-b_T1w.nii`),
        ...[1, 2].map((i) => `derivatives/half/sub-07/ses-b/anat/c${i}sub-07_ses-b_T1w.nii`),
      ),
    );
    const [a, b] = findScans(dataset);
    expect([...a!.lesionMasks.keys()]).toEqual(['1', '2']);
    expect([...b!.lesionMasks.keys()]).toEqual(['1', 'consensus', 'second']);
    expect(b!.modalities.size).toBe(1);
    expect(b!.brainMask).toBe(at('prep', 'b', 'desc-brain_mask.nii.gz'));
    expect([...b!.tissues.keys()]).toEqual(['spm', 'atlas']);
    expect(a!.tissues.size).toBe(0);
    expect(commonModalities([a!, b!])).toEqual(['FLAIR']);
  });

  it("does not take voxelgrad's own predictions for truth", async () => {
    const prediction = 'derivatives/vg/sub-07/anat/sub-07_label-lesion_mask.nii.gz';
    const dataset = await openDataset(
      tree({
        [`${anat}_FLAIR.nii.gz`]: '',
        [prediction]: '',
        'derivatives/vg/sub-07/anat/sub-07_label-lesion_probseg.nii.gz': '',
        'derivatives/vg/dataset_description.json': '{"GeneratedBy":[{"Name":"voxelgrad"}]}',
        'derivatives/odd/dataset_description.json': 'not json',
        'derivatives/odd/sub-07/anat/sub-07_desc-brain_mask.nii.gz': '',
      }),
    );
    const [scan] = findScans(dataset);
    expect(scan!.lesionMasks.size).toBe(0);
    expect(scan!.lesionProbability).toBeUndefined();
    expect(scan!.brainMask).toContain('odd');
    expect(dataset.warnings).toEqual([`${prediction}: a prediction by voxelgrad, not used as truth`]);
  });

  it('opens a folder of predictions', async () => {
    const dataset = await openDataset(
      tree({
        [`${anat}_label-lesion_mask.nii.gz`]: '',
        [`${anat}_label-lesion_probseg.nii.gz`]: '',
        'dataset_description.json': '{"GeneratedBy":[{"Name":"voxelgrad"}]}',
      }),
    );
    const [scan] = findScans(dataset);
    expect([...scan!.lesionMasks]).toEqual([['1', `${anat}_label-lesion_mask.nii.gz`]]);
    expect(scan!.lesionProbability).toBe(`${anat}_label-lesion_probseg.nii.gz`);
    expect(scan!.modalities.size).toBe(0);
  });

  it('never turns an odd name into a path', async () => {
    const dataset = await openDataset(
      names(
        `${anat}_FLAIR.nii.gz`,
        'sub-..\\evil/anat/sub-..\\evil_FLAIR.nii.gz',
        'sub-a\0b/anat/sub-a\0b_FLAIR.nii.gz',
        'sub-ü/anat/sub-ü_FLAIR.nii.gz',
        `sub-07/anat/sub-08_T1w.nii.gz`,
        `sub-07/anat/sub-07_acq-..x_T1w.nii.gz`,
        `derivatives/\u202e/sub-07/anat/sub-07_desc-brain_mask.nii.gz`,
      ),
    );
    expect(dataset.subjects.map((s) => s.id)).toEqual(['07']);
    expect([...findScans(dataset)[0]!.modalities.keys()]).toEqual(['FLAIR']);
    expect(findScans(dataset)[0]!.brainMask).toBeUndefined();
    for (const id of ['../07', '/etc', 'sub-../x', 'a\0b', ''])
      expect(() => findScans(dataset, [id])).toThrow(DatasetError);
  });
});

describe('a folder that is no data set', () => {
  it('is told with what was looked for and what is there', async () => {
    const error = await failure(openDataset(names('a/x.nii', 'b.txt')));
    expect(error.message).toContain('looked for BIDS (sub-*');
    expect(error.message).toContain('ISBI 2015');
    expect(error.message).toContain('it holds a/, b.txt');
    expect((await failure(openDataset(names()))).message).toContain('it is empty');
    expect((await failure(openDataset(names('sub-01/func/sub-01_bold.nii')))).message).toContain(
      'no data set',
    );
  });
});

describe('choosing scans', () => {
  const files = names(
    'sub-07/ses-01/anat/sub-07_ses-01_T1w.nii',
    'sub-07/ses-02/anat/sub-07_ses-02_T1w.nii',
    'sub-19/anat/sub-19_T1w.nii',
  );
  it.each([
    [undefined, ['sub-07_ses-01', 'sub-07_ses-02', 'sub-19']],
    [
      ['19', '07'],
      ['sub-07_ses-01', 'sub-07_ses-02', 'sub-19'],
    ],
    [['sub-19', ' 19 '], ['sub-19']],
    [['sub-07_ses-02'], ['sub-07_ses-02']],
  ])('%j', async (ids, expected) => {
    expect(findScans(await openDataset(files), ids).map(scanName)).toEqual(expected);
  });
  it('names those that exist when one does not', async () => {
    const dataset = await openDataset(files);
    expect(() => findScans(dataset, ['26'])).toThrow('set: there is no subject "26"; there are 07, 19');
    expect(() => findScans(dataset, ['07_ses-03'])).toThrow('has no visit "03"; it has 01, 02');
  });
  it('takes ISBI numbers, names and visits', async () => {
    const dataset = await openDataset(names(...isbi('training/')));
    for (const id of ['01', 'training01', 'sub-training01']) expect(findScans(dataset, [id])).toHaveLength(2);
    expect(findScans(dataset, ['training01_02']).map(scanName)).toEqual(['sub-training01_ses-02']);
    expect(() => findScans(dataset, ['03'])).toThrow('there are training01');
  });
});

describe('tissue maps from another folder', () => {
  const dataset = openDataset(names(...isbi('', 'training01', ['01'])));
  it.each([
    'sub-training01/ses-01/anat/c%sub-training01_ses-01_T1w.nii.gz',
    'training01/preprocessed/c%training01_01_mprage_pp.nii',
    'training01/c%training01_01_mprage_pp.nii',
    'c%training01_01_mprage_pp.nii',
  ])('as %s', async (pattern) => {
    const files = names(...[1, 2, 3].map((i) => pattern.replace('%', `${i}`)));
    const [scan] = findScans(await withTissues(await dataset, files));
    const [maps] = scan!.tissues.values();
    expect(maps).toEqual({
      GM: pattern.replace('%', '1'),
      WM: pattern.replace('%', '2'),
      CSF: pattern.replace('%', '3'),
      source: 'set',
      files,
    });
  });
  it('replace those of the data set, also by none', async () => {
    const own = await openDataset(
      names('sub-1/anat/sub-1_T1w.nii', ...[1, 2, 3].map((i) => `sub-1/anat/c${i}sub-1_T1w.nii`)),
    );
    expect(findScans(own)[0]!.tissues.size).toBe(1);
    expect(findScans(await withTissues(own, names('x')))[0]!.tissues.size).toBe(0);
    // Another patient whose id begins alike is another patient.
    const other = names(...[1, 2, 3].map((i) => `c${i}sub-10_T1w.nii`));
    expect(findScans(await withTissues(own, other))[0]!.tissues.size).toBe(0);
  });
});

describe('names', () => {
  it.each([
    ['mprage', 'T1w'],
    ['MPRAGE', 'T1w'],
    ['t1', 'T1w'],
    ['flair', 'FLAIR'],
    ['FLAIR', 'FLAIR'],
    ['PD', 'PDw'],
    ['t2w', 'T2w'],
    ['T2starw', 'T2starw'],
  ])('modality %s is %s', (name, canonical) => {
    expect(canonicalModality(name)).toBe(canonical);
  });
  it('modalities are found whatever the case', () => {
    expect(findModality(['FLAIR', 'ce-gadolinium_T1w'], 'CE-Gadolinium_t1w')).toBe('ce-gadolinium_T1w');
    expect(findModality(['FLAIR'], 'T1w')).toBeUndefined();
  });
  it('BIDS names are taken apart, others refused', () => {
    expect(parseBidsName('sub-07_ce-gadolinium_T1w.nii.gz')).toEqual({
      name: 'sub-07_ce-gadolinium_T1w.nii.gz',
      entities: new Map([
        ['sub', '07'],
        ['ce', 'gadolinium'],
      ]),
      suffix: 'T1w',
    });
    for (const name of [
      'T1w.nii',
      'sub-07_T1w.json',
      'sub-07_sub-08_T1w.nii',
      'sub-_T1w.nii',
      'c1sub-07_T1w.nii.x',
      '../sub-07_T1w.nii',
    ])
      expect(parseBidsName(name), name).toBeUndefined();
  });
});
