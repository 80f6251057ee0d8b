import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMask } from '../../src/imaging/nifti/read.ts';
import { bidsPatient, brainImage, GRID, image, inBrain, lesion, maskFile } from '../imaging/dataset/make.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-submission-'));
const isbi = join(folder, 'isbi');
const bids = join(folder, 'bids');
const run = join(folder, 'run');

function put(root: string, files: Readonly<Record<string, Uint8Array>>): void {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
}

function visit(parent: string, subject: string, number: string): Record<string, Uint8Array> {
  const name = `${parent}/${subject}/preprocessed/${subject}_${number}`;
  return {
    [`${name}_flair_pp.nii`]: image(brainImage(80)),
    [`${name}_mprage_pp.nii`]: image(brainImage(-30)),
    [`${parent}/${subject}/${subject}_${number}_brainmask.nii`]: maskFile(inBrain),
  };
}

beforeAll(async () => {
  buildCli();
  put(isbi, {
    ...visit('training', 'training01', '01'),
    'training/training01/masks/training01_01_mask1.nii': maskFile(lesion),
    ...visit('testdata_website', 'test01', '01'),
    ...visit('testdata_website', 'test01', '02'),
    ...visit('testdata_website', 'test02', '01'),
  });
  put(bids, bidsPatient('07'));
  const small = ['--steps', '2', '--patch', '8', '--levels', '2', '--base-channels', '2'];
  const words = ['train', isbi, run, '--variant', 'single', '--subjects', 'training01'];
  const trained = await runCli([...words, ...small]);
  expect(trained.code, trained.stderr).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('submission', () => {
  it('writes the test masks alone, uncompressed, as the challenge names them', async () => {
    const out = join(folder, 'masks');
    const words = ['submission', run, isbi, out, '--team', 'our-lab', '--threshold', '0.01', '--json'];
    const done = await runCli(words);
    expect(done.code, done.stderr).toBe(0);
    const names = ['test01_01_our-lab.nii', 'test01_02_our-lab.nii', 'test02_01_our-lab.nii'];
    expect(readdirSync(out).sort()).toEqual(names);
    expect(JSON.parse(done.stdout)).toEqual({
      team: 'our-lab',
      masks: names.map((name) => `${out}/${name}`),
      complete: false,
      provenance: join(folder, 'masks.provenance.json'),
    });
    // Beside the folder, which is handed in as it is.
    const record = JSON.parse(readFileSync(join(folder, 'masks.provenance.json'), 'utf8')) as {
      Masks: Record<string, object>;
    };
    expect(Object.keys(record.Masks)).toEqual(names);
    // Test and training scans of this set are the same bytes, which is seen.
    expect(record.Masks[names[2]!]).toMatchObject({
      Type: 'Lesion',
      Threshold: 0.01,
      Model: {
        SHA256: expect.stringMatching(/^[0-9a-f]{64}$/),
        TrainedOn: ['training01'],
        TrainedOnThisScan: 'images',
      },
      Sources: expect.arrayContaining([
        'bids:raw:testdata_website/test02/preprocessed/test02_01_flair_pp.nii',
      ]),
    });
    expect(done.stderr).toContain("3 scans; the challenge's test set has 61");
    const bytes = readFileSync(join(out, names[0]!));
    // A NIfTI-1 header as it stands, not gzip's magic number.
    expect(bytes.readInt32LE(0)).toBe(348);
    const { volume } = await readMask(bytes, names[0]!);
    expect(volume.grid.shape).toEqual(GRID.shape);
    expect(volume.grid.affine).toEqual(GRID.affine);
    const predictions = join(folder, 'predictions');
    const same = await runCli([
      'predict',
      run,
      isbi,
      predictions,
      '--subjects',
      'test01',
      '--threshold',
      '0.01',
    ]);
    expect(same.code, same.stderr).toBe(0);
    const path = 'sub-test01/ses-01/anat/sub-test01_ses-01_space-orig_label-L_mask.nii.gz';
    const predicted = await readMask(readFileSync(join(predictions, path)), path);
    expect(volume.data).toEqual(predicted.volume.data);
    expect(volume.data.includes(1)).toBe(true);
  });

  it('writes again over its own masks where that is asked for, but not into a folder of other files', async () => {
    const out = join(folder, 'twice');
    const words = ['submission', run, isbi, out, '--team', 'us', '--subjects', 'test02'];
    expect((await runCli(words)).code).toBe(0);
    const before = readFileSync(join(out, 'test02_01_us.nii'));
    const again = await runCli(words);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/holds test02_01_us\.nii.* already/);
    expect((await runCli([...words, '--overwrite'])).code).toBe(0);
    expect(readFileSync(join(out, 'test02_01_us.nii')).equals(before)).toBe(true);
    const other = await runCli([...words.slice(0, 5), 'them', '--subjects', 'test02']);
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/not masks of team them \(test02_01_us.nii\)/);
    writeFileSync(join(folder, 'mine.provenance.json'), '{"notes": 1}');
    const mine = await runCli([...words.slice(0, 3), join(folder, 'mine'), ...words.slice(4)]);
    expect(mine.code).toBe(1);
    expect(errorLines(mine)[0]).toMatch(/mine\.provenance\.json.*not a record of a submission/);
    expect(readFileSync(join(folder, 'mine.provenance.json'), 'utf8')).toBe('{"notes": 1}');
  });

  it('refuses wrong teams, training subjects and other data sets', async () => {
    const attempt = async (dataset: string, ...words: string[]): Promise<[number, string]> => {
      const result = await runCli(['submission', run, dataset, join(folder, 'none'), ...words]);
      return [result.code, errorLines(result)[0] ?? ''];
    };
    expect((await attempt(isbi))[0]).toBe(2);
    expect((await attempt(isbi, '--team', 'a_b'))[0]).toBe(2);
    expect((await attempt(isbi, '--team', '../x'))[0]).toBe(2);
    const [code, line] = await attempt(isbi, '--team', 'us', '--subjects', 'training01');
    expect([code, line]).toEqual([1, expect.stringMatching(/sub-training01_ses-01: is not a test subject/)]);
    expect((await attempt(bids, '--team', 'us'))[1]).toMatch(/is not a data set of the ISBI 2015 challenge/);
    expect((await attempt(join(isbi, 'training'), '--team', 'us'))[1]).toMatch(/there are no test subjects/);
  });
});
