import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import {
  DatasetError,
  FileFormatError,
  GridMismatchError,
  type VoxelgradError,
} from '../../../src/core/errors.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import {
  type LoadedScan,
  type LoadScanOptions,
  loadScan,
  samplingMask,
} from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { reorient } from '../../../src/imaging/volume/orientation.ts';
import { voxelCount } from '../../../src/imaging/volume/volume.ts';
import {
  bidsPatient,
  brainImage,
  GRID,
  image,
  inBrain,
  lesion,
  maskFile,
  OTHER_GRID,
  tree,
  values,
} from './make.ts';

type Files = Record<string, Uint8Array>;

async function load(files: Files, options: LoadScanOptions = {}): Promise<LoadedScan> {
  const dataset = await openDataset(tree(files));
  return loadScan(dataset, findScans(dataset)[0]!, options);
}

async function failure<E extends VoxelgradError>(
  kind: abstract new (...args: never[]) => E,
  files: Files,
  options: LoadScanOptions = {},
): Promise<E> {
  const error = await load(files, options).then(
    () => new Error('it was accepted'),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(kind);
  return error as E;
}

const ANAT = 'sub-07/anat/sub-07';
const BRAIN = 'derivatives/brainmask/sub-07/anat/sub-07_desc-brain_mask.nii.gz';
const LESIONS = 'derivatives/lesions/sub-07/anat/sub-07_label-lesion_mask.nii.gz';
const C1 = 'derivatives/spm/sub-07/anat/c1sub-07_T1w.nii.gz';

function patient(change: Record<string, Uint8Array | undefined> = {}): Files {
  const files = { ...bidsPatient('07'), ...change };
  return Object.fromEntries(
    Object.entries(files).filter((pair): pair is [string, Uint8Array] => pair[1] !== undefined),
  );
}

describe('a whole scan', () => {
  it('is read as it is stored', async () => {
    const scan = await load(patient(), { tissue: true });
    expect([scan.subject, scan.session, scan.brainSource]).toEqual(['07', null, 'mask']);
    expect(scan.grid.shape).toEqual([12, 14, 10]);
    expect(scan.channels.map((c) => c.name)).toEqual(['FLAIR', 'T1w', 'T2w']);
    expect([...scan.channels[0]!.data]).toEqual([...values(brainImage(80))]);
    expect([...scan.brain]).toEqual([...values(inBrain)]);
    expect([...scan.lesions!]).toEqual([...values(lesion)]);
    expect([...scan.raters.keys()]).toEqual(['1']);
  });
  it('has the modalities asked for, in that order, by alias', async () => {
    const scan = await load(patient(), { modalities: ['t2', 'mprage'] });
    expect(scan.channels.map((c) => c.name)).toEqual(['T2w', 'T1w']);
    expect(scan.tissues).toBeUndefined();
  });
  it('has a header that a prediction can be written with', async () => {
    const scan = await load(patient());
    const bytes = writeNifti({ grid: scan.grid, data: scan.brain }, { datatype: 'uint8', like: scan.header });
    expect([...(await readNifti(bytes, 'x')).volume.grid.affine]).toEqual([...GRID.affine]);
  });
  it('keeps lesion voxels outside the brain, in the target and where patches are taken', async () => {
    const scan = await load(patient());
    expect([scan.brain[0], scan.lesions![0]]).toEqual([0, 1]);
    const { brain, lesions } = scan;
    const targets = new Map([['lesion', { channels: [lesions!], marks: true, exclusive: true }]]);
    const mask = samplingMask({ brain, targets });
    expect(mask[0]).toBe(1);
    expect(mask.filter((v) => v !== 0)).toHaveLength(scan.brain.filter((v) => v !== 0).length + 1);
  });
});

describe('missing things', () => {
  it('a modality is named, with those that are there', async () => {
    const error = await failure(DatasetError, patient(), { modalities: ['FLAIR', 'PD'] });
    expect(error.message).toBe('sub-07: there is no PD image; there are FLAIR, T1w, T2w');
    expect(error.hint).toBeTruthy();
    expect((await failure(DatasetError, patient(), { modalities: ['T1w', 'mprage'] })).message).toContain(
      'twice',
    );
  });
  it('lesion masks only where they are needed', async () => {
    const files = patient({ [LESIONS]: undefined });
    expect((await load(files)).lesions).toBeUndefined();
    expect((await failure(DatasetError, files, { requireLesions: true })).message).toBe(
      'sub-07: there is no lesion mask',
    );
  });
  it('tissue maps, and those of another source', async () => {
    const error = await failure(DatasetError, patient({ [C1]: undefined }), { tissue: true });
    expect(error.message).toBe('sub-07: there are no tissue maps');
    expect((await failure(DatasetError, patient(), { tissue: 'dipy' })).message).toContain(
      'from dipy; there are spm',
    );
  });
});

describe('raters', () => {
  const at = (rater: string): string =>
    `derivatives/lesions/sub-07/anat/sub-07_rater-${rater}_label-lesion_mask.nii.gz`;
  const files = patient({
    [LESIONS]: undefined,
    [at('A')]: maskFile((x, y, z) => Number(y === 5 && z === 5 && x < 6)),
    [at('B')]: maskFile((x, y, z) => Number(y === 5 && z === 5 && x > 3 && x < 8)),
  });
  const row = (scan: LoadedScan): number[] => [...scan.lesions!.slice((5 * 14 + 5) * 12, (5 * 14 + 6) * 12)];
  it.each([
    ['A', [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]],
    ['1', [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]],
    ['2', [0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]],
    ['union', [1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0]],
    ['intersection', [0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0]],
    ['mean', [0.5, 0.5, 0.5, 0.5, 1, 1, 0.5, 0.5, 0, 0, 0, 0]],
  ])('%s', async (rater, expected) => {
    const scan = await load(files, { rater });
    expect(row(scan)).toEqual(expected);
    expect([...scan.raters.keys()]).toEqual(['A', 'B']);
  });
  it('one who is not there is named', async () => {
    for (const rater of ['C', '3'])
      expect((await failure(DatasetError, files, { rater })).message).toBe(
        `sub-07: there is no lesion mask of rater ${rater}; there are A, B`,
      );
  });
  it('who disagree in grid are refused', async () => {
    const error = await failure(GridMismatchError, { ...files, [at('B')]: maskFile(lesion, OTHER_GRID) });
    expect(error.message).toContain(at('B'));
  });
});

describe('grids', () => {
  it('that differ are both described, with both files', async () => {
    const path = `${ANAT}_T1w.nii.gz`;
    const error = await failure(GridMismatchError, patient({ [path]: image(brainImage(0), OTHER_GRID) }));
    expect(error.message).toBe(
      `sub-07: ${path} is 12x14x10 at 2x2x2.5 mm, origin (0, 0, 0), but ` +
        `${ANAT}_FLAIR.nii.gz is 12x14x10 at 2x2x2 mm, origin (90, -126, -72)`,
    );
  });
  it('of the brain mask count too', async () => {
    expect(
      (await failure(GridMismatchError, patient({ [BRAIN]: maskFile(inBrain, OTHER_GRID) }))).message,
    ).toContain(BRAIN);
  });
});

describe('brain masks', () => {
  it('that are empty are refused', async () => {
    const error = await failure(DatasetError, patient({ [BRAIN]: maskFile(() => 0) }));
    expect(error.message).toBe(`sub-07: the brain mask ${BRAIN} is empty`);
  });
  it('are derived from skull-stripped images: the largest piece, holes filled', async () => {
    const hole = (x: number, y: number, z: number): boolean => x === 5 && y === 6 && z === 4;
    const speck = (x: number, y: number, z: number): boolean => x === 11 && y === 0 && z === 9;
    const holed = image((x, y, z) => (hole(x, y, z) ? 0 : speck(x, y, z) ? 50 : brainImage(0)(x, y, z)));
    const files = patient({
      [BRAIN]: undefined,
      ...Object.fromEntries(['FLAIR', 'T1w', 'T2w'].map((m) => [`${ANAT}_${m}.nii.gz`, holed])),
    });
    const scan = await load(files);
    expect(scan.brainSource).toBe('skull-stripped');
    expect([...scan.brain]).toEqual([...values(inBrain)]);
  });
  it('cannot be derived from an image with its skull', async () => {
    const files = patient({ [BRAIN]: undefined, [`${ANAT}_T1w.nii.gz`]: image((x) => x + 1) });
    const error = await failure(DatasetError, files);
    expect(error.message).toContain('T1w is not skull-stripped (100 % of its voxels are not 0)');
    expect(error.hint).toContain('desc-brain_mask');
  });
  it('cannot be derived from nothing', async () => {
    const black = image(() => 0);
    const files = patient({
      [BRAIN]: undefined,
      ...Object.fromEntries(['FLAIR', 'T1w', 'T2w'].map((m) => [`${ANAT}_${m}.nii.gz`, black])),
    });
    expect((await failure(DatasetError, files)).message).toContain('0 everywhere');
  });
});

describe('files', () => {
  it('that are truncated or corrupt are named', async () => {
    const path = `${ANAT}_T2w.nii.gz`;
    const whole = image(brainImage(40));
    for (const bytes of [whole.subarray(0, 200), whole.subarray(0, whole.length - 3), new Uint8Array(0)])
      expect((await failure(FileFormatError, patient({ [path]: bytes }))).message).toContain(path);
  });
  it('with NaN are refused, or repaired where that is asked for', async () => {
    const path = `${ANAT}_FLAIR.nii.gz`;
    const files = patient({
      [path]: image((x, y, z) => (x === 5 && y === 6 && z === 4 ? Number.NaN : brainImage(80)(x, y, z))),
    });
    expect((await failure(FileFormatError, files)).message).toContain('1 NaN and 0 infinite');
    const scan = await load(files, { nonFinite: 'zero' });
    expect(scan.channels[0]!.data[(4 * 14 + 6) * 12 + 5]).toBe(0);
  });
});

describe('tissue maps', () => {
  it('become a probability inside the brain and stay what they are outside', async () => {
    const scan = await load(
      patient({ [C1]: image((x, y, z) => (inBrain(x, y, z) ? 0.5 : x === 0 ? 0.2 : x === 11 ? 1.2 : -0.1)) }),
      { tissue: true },
    );
    const { GM, WM, CSF } = scan.tissues!;
    for (let i = 0; i < voxelCount(scan.grid); i++) {
      const sum = GM[i]! + WM[i]! + CSF[i]!;
      if (scan.brain[i]) {
        expect(sum).toBeCloseTo(1, 6);
        expect(GM[i]).toBeCloseTo(0.5 / 0.9, 6);
      } else expect(sum).toBeCloseTo(i % 12 === 0 ? 0.2 : i % 12 === 11 ? 1 : 0, 6);
    }
  });
  it('in another voxel order are brought to the scan exactly', async () => {
    const gradient = values((x, y, z) => inBrain(x, y, z) * (0.1 + 0.03 * x + 0.02 * y + 0.01 * z));
    const moved = reorient({ grid: GRID, data: gradient }, { axes: [2, 0, 1], flips: [true, true, false] });
    const straight = await load(
      patient({ [C1]: writeNifti({ grid: GRID, data: gradient }, { datatype: 'float32' }) }),
      { tissue: true },
    );
    const turned = await load(patient({ [C1]: writeNifti(moved, { datatype: 'float32' }) }), {
      tissue: true,
    });
    expect([...turned.tissues!.GM]).toEqual([...straight.tissues!.GM]);
  });
  it('on other voxels are refused', async () => {
    const error = await failure(GridMismatchError, patient({ [C1]: image(inBrain, OTHER_GRID) }), {
      tissue: true,
    });
    expect(error.message).toContain('no swap or flip of axes');
  });
  it('that are no probabilities, or nothing, are refused', async () => {
    const raw = patient({ [C1]: image((x, y, z) => 255 * inBrain(x, y, z)) });
    expect((await failure(DatasetError, raw, { tissue: true })).message).toContain(
      'GM map holds values from 0 to 255',
    );
    const black = image(() => 0);
    const none = patient(Object.fromEntries([1, 2, 3].map((i) => [C1.replace('/c1', `/c${i}`), black])));
    expect((await failure(DatasetError, none, { tissue: true })).message).toContain(
      '0 everywhere in the brain',
    );
  });
  it('do not change the bytes they were read from', async () => {
    const plain = writeNifti({ grid: GRID, data: values(inBrain) }, { datatype: 'float32', gzip: false });
    const files = patient();
    delete files[C1];
    files[C1.replace('.gz', '')] = plain;
    const before = plain.slice();
    await load(files, { tissue: true });
    expect(plain).toEqual(before);
  });
});

it('a decompression bomb among the images stops at once', async () => {
  const bomb = new Uint8Array(50_000_000);
  bomb.set(writeNifti({ grid: GRID, data: values(inBrain) }, { datatype: 'float32', gzip: false }));
  const files = patient({ [`${ANAT}_FLAIR.nii.gz`]: gzipSync(bomb) });
  const start = performance.now();
  expect((await failure(FileFormatError, files)).message).toContain('more data than its header promises');
  expect(performance.now() - start).toBeLessThan(500);
});
