import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readMask } from '../../src/imaging/nifti/read.ts';
import { writeNifti } from '../../src/imaging/nifti/write.ts';
import { axisAlignedGrid } from '../../src/imaging/volume/volume.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-phantom-'));
const dataset = join(folder, 'phantoms');
const predictions = join(folder, 'predictions');
const TINY = ['--shape', '24,28,24', '--spacing', '7', '--visits', '2'];

function truth(subject: string, visit: string, rater = 1): string {
  return join(dataset, `training/training${subject}/masks/training${subject}_${visit}_mask${rater}.nii.gz`);
}

function prediction(subject: string, visit: string, root = predictions): string {
  const name = `sub-training${subject}/ses-${visit}/anat/sub-training${subject}_ses-${visit}`;
  return join(root, `${name}_label-lesion_mask.nii.gz`);
}

function copyTruth(subject: string, visit: string, root = predictions): void {
  mkdirSync(dirname(prediction(subject, visit, root)), { recursive: true });
  cpSync(truth(subject, visit), prediction(subject, visit, root));
}

beforeAll(async () => {
  buildCli();
  const run = await runCli(['phantom', dataset, '--subjects', '2', ...TINY, '--json']);
  expect(run.code, run.stderr).toBe(0);
  const { scans, seed, shape } = JSON.parse(run.stdout);
  expect(seed).toBe(1);
  expect(shape).toEqual([24, 28, 24]);
  expect(scans.map((s: { subject: string; session: string }) => `${s.subject}_${s.session}`)).toEqual([
    'training01_01',
    'training01_02',
    'training02_01',
    'training02_02',
  ]);
  for (const scan of scans)
    for (const file of scan.files)
      expect(readdirSync(join(dataset, dirname(file))).length).toBeGreaterThan(0);
  for (const subject of ['01', '02']) for (const visit of ['01', '02']) copyTruth(subject, visit);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('phantom', () => {
  it('writes equal bytes for a seed, other bytes for another', async () => {
    const make = async (name: string, seed: string): Promise<Buffer> => {
      const out = join(folder, name);
      const run = await runCli(['phantom', out, '--subjects', '1', ...TINY, '--seed', seed]);
      expect(run.code, run.stderr).toBe(0);
      return readFileSync(join(out, 'training/training01/preprocessed/training01_01_flair_pp.nii.gz'));
    };
    const first = readFileSync(
      join(dataset, 'training/training01/preprocessed/training01_01_flair_pp.nii.gz'),
    );
    expect((await make('same', '1')).equals(first)).toBe(true);
    expect((await make('other', '2')).equals(first)).toBe(false);
  });

  it('does not write over a data set unless told to', async () => {
    const before = readFileSync(truth('01', '01'));
    const words = ['phantom', dataset, '--subjects', '1', ...TINY];
    const run = await runCli([...words, '--seed', '5']);
    expect(run.code).toBe(1);
    expect(errorLines(run)[0]).toMatch(/there is a data set already/);
    expect(readFileSync(truth('01', '01')).equals(before)).toBe(true);
    expect((await runCli([...words, '--overwrite'])).code).toBe(0);
  });
});

describe('evaluate', () => {
  it('finds the truth to agree with itself', async () => {
    const run = await runCli(['evaluate', predictions, dataset, '--json']);
    expect(run.code, run.stderr).toBe(0);
    const { scans, mean } = JSON.parse(run.stdout);
    const perfect = { dice: 1, tpr: 1, ppv: 1, ltpr: 1, lfpr: 0, volumeDifference: 0 };
    expect(scans).toHaveLength(4);
    expect(scans[3]).toEqual({ subject: 'training02', session: '02', trainedOn: null, ...perfect });
    expect(mean).toEqual(perfect);
  });

  it('shows a table with a row a scan and the mean', async () => {
    const run = await runCli(['evaluate', predictions, dataset, '--subjects', '01']);
    expect(run.code).toBe(0);
    expect(run.stdout).toMatch(/Subject +Session +Trained on +Dice/);
    expect(run.stdout.match(/^training01 /gm)).toHaveLength(2);
    expect(run.stdout).toMatch(/^mean +1\.000/m);
  });

  it('compares with the rater that is asked for', async () => {
    const dice = async (rater: string): Promise<number> => {
      const run = await runCli([
        'evaluate',
        predictions,
        dataset,
        '--subjects',
        '01_01',
        '--rater',
        rater,
        '--json',
      ]);
      return JSON.parse(run.stdout).mean.dice as number;
    };
    const second = await dice('2');
    expect(second).toBeLessThan(1);
    expect(await dice('mean')).toBeCloseTo((1 + second) / 2, 12);
    const unknown = await runCli(['evaluate', predictions, dataset, '--rater', 'nobody']);
    expect(unknown.code).toBe(1);
    expect(errorLines(unknown)).toContainEqual(
      expect.stringMatching(/^error: .*no lesion mask of rater nobody/),
    );
  });

  it('evaluates those who were predicted and says who was not', async () => {
    const some = join(folder, 'some');
    copyTruth('02', '01', some);
    copyTruth('02', '02', some);
    const run = await runCli(['evaluate', some, dataset, '--json']);
    expect(JSON.parse(run.stdout).scans).toHaveLength(2);
    expect(run.stderr).toContain('not predicted: training01');
    const named = await runCli(['evaluate', some, dataset, '--subjects', '01']);
    expect(named.code).toBe(1);
    expect(errorLines(named)[0]).toMatch(
      /there is no prediction for sub-training01_ses-01, sub-training01_ses-02/,
    );
  });

  it('refuses a patient of whom one visit was not predicted', async () => {
    const partial = join(folder, 'partial');
    copyTruth('02', '01', partial);
    const run = await runCli(['evaluate', partial, dataset]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/error: .*no prediction for sub-training02_ses-02/);
  });

  it('refuses an unknown subject and lists those that exist', async () => {
    const run = await runCli(['evaluate', predictions, dataset, '--subjects', '07']);
    expect(run.code).toBe(1);
    expect(errorLines(run)[0]).toMatch(/no subject "07"; there are training01, training02/);
  });

  it('refuses a prediction on another grid, naming both', async () => {
    const root = join(folder, 'grid');
    for (const visit of ['01', '02']) copyTruth('01', visit, root);
    const grid = axisAlignedGrid([24, 28, 23], [7, 7, 7]);
    writeFileSync(
      prediction('01', '02', root),
      writeNifti({ grid, data: new Uint8Array(24 * 28 * 23) }, { datatype: 'uint8' }),
    );
    const run = await runCli(['evaluate', root, dataset]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(
      /error: .*ses-02_label-lesion_mask.nii.gz is 24x28x23 .* but the true mask .* is 24x28x24/,
    );
  });

  it('refuses a truncated prediction', async () => {
    const root = join(folder, 'truncated');
    for (const visit of ['01', '02']) copyTruth('01', visit, root);
    const bytes = readFileSync(prediction('01', '01', root));
    writeFileSync(prediction('01', '01', root), bytes.subarray(0, bytes.length / 2));
    const run = await runCli(['evaluate', root, dataset]);
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/error: sub-training01\/ses-01\/anat\/.*mask.nii.gz: /);
  });

  it('says null where a metric is not defined', async () => {
    const root = join(folder, 'empty');
    for (const visit of ['01', '02']) copyTruth('01', visit, root);
    const other = join(folder, 'lesionless');
    cpSync(dataset, other, { recursive: true });
    const { volume } = await readMask(readFileSync(truth('01', '01')), 'mask');
    const empty = writeNifti(
      { grid: volume.grid, data: new Uint8Array(volume.data.length) },
      { datatype: 'uint8' },
    );
    writeFileSync(truth('01', '01').replace(dataset, other), empty);
    const run = await runCli(['evaluate', root, other, '--json']);
    const { scans, mean } = JSON.parse(run.stdout);
    expect(scans[0]).toMatchObject({ dice: 0, tpr: null, volumeDifference: null });
    expect(mean).toMatchObject({ dice: 0.5, tpr: 1, volumeDifference: 0 });
  });
});
