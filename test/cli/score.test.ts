import { copyFileSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli, errorLines, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-score-'));
const dataset = join(folder, 'phantoms');
const predictions = join(folder, 'predictions');
const SCANS = ['01_01', '01_02', '02_01', '02_02'].map((id) => id.split('_') as [string, string]);

function truth(subject: string, visit: string, rater = 1): string {
  return join(dataset, `training/training${subject}/masks/training${subject}_${visit}_mask${rater}.nii.gz`);
}

beforeAll(async () => {
  buildCli();
  const size = ['--shape', '24,28,24', '--spacing', '7', '--visits', '2'];
  const run = await runCli(['phantom', dataset, '--subjects', '2', ...size, '--json']);
  expect(run.code, run.stderr).toBe(0);
  for (const [subject, visit] of SCANS) {
    const name = `sub-training${subject}/ses-${visit}/anat/sub-training${subject}_ses-${visit}`;
    const path = join(predictions, `${name}_label-lesion_mask.nii.gz`);
    mkdirSync(dirname(path), { recursive: true });
    copyFileSync(truth(subject, visit), path);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Scored {
  readonly score: number;
  readonly raters: readonly {
    readonly rater: string;
    readonly volumeCorrelation: number;
    readonly mean: Readonly<Record<string, number>>;
    readonly scans: readonly Readonly<Record<string, number | string | null>>[];
  }[];
}

async function scored(...words: string[]): Promise<Scored> {
  const run = await runCli(['score', ...words, '--json']);
  expect(run.code, run.stderr).toBe(0);
  return JSON.parse(run.stdout) as Scored;
}

describe('score', () => {
  it('gives the first rater, copied, 1 against itself and less against the second', async () => {
    const { raters, score } = await scored(predictions, dataset);
    expect(raters.map(({ rater }) => rater)).toEqual(['1', '2']);
    const [first, second] = raters;
    expect(first!.mean).toMatchObject({ score: 1, dice: 1, lfpr: 0, hd95: 0, assd: 0 });
    expect(first!.scans).toHaveLength(4);
    expect(first!.scans[3]).toMatchObject({ subject: 'training02', session: '02', score: 1 });
    expect(second!.mean.score).toBeGreaterThan(0.3);
    expect(second!.mean.score).toBeLessThan(1);
    expect(second!.mean.assd).toBeGreaterThan(0);
    expect(score).toBeCloseTo((1 + second!.mean.score!) / 2, 12);
  });

  it('scores a submission as the challenge names its files', async () => {
    const flat = join(folder, 'submission');
    mkdirSync(flat);
    for (const [subject, visit] of SCANS)
      copyFileSync(truth(subject, visit, 2), join(flat, `training${subject}_${visit}_us.nii.gz`));
    const { raters } = await scored(flat, dataset, '--raters', '2');
    expect(raters).toHaveLength(1);
    expect(raters[0]!.mean.score).toBe(1);
  });

  it('shows a table with a mean for each rater, and the raw score', async () => {
    const run = await runCli(['score', predictions, dataset]);
    expect(run.code, run.stderr).toBe(0);
    expect(run.stdout).toMatch(/Rater +Subject +Session +Dice .*HD95 \(mm\) +ASSD \(mm\) +nDice +Raw score/);
    expect(run.stdout.match(/^[12] +mean/gm)).toHaveLength(2);
    expect(run.stdout).toMatch(/^raw score 0\.\d{4}$/m);
  });

  it('says null where one scan leaves the correlation undefined', async () => {
    const { raters, score } = await scored(predictions, dataset, '--subjects', '01_01');
    expect(raters[0]!.volumeCorrelation).toBeNull();
    expect(raters[0]!.scans[0]).toMatchObject({ dice: 1, score: null });
    expect(score).toBeNull();
  });

  it('refuses unknown raters, mean, and truncated masks', async () => {
    const unknown = await runCli(['score', predictions, dataset, '--raters', 'nobody']);
    expect(unknown.code).toBe(1);
    expect(errorLines(unknown)).toContainEqual(
      expect.stringMatching(/^error: .*no lesion mask of rater nobody/),
    );
    const mean = await runCli(['score', predictions, dataset, '--raters', 'mean']);
    expect(mean.code).toBe(2);
    const broken = join(folder, 'broken');
    cpSync(predictions, broken, { recursive: true });
    const path = join(broken, 'sub-training01/ses-01/anat/sub-training01_ses-01_label-lesion_mask.nii.gz');
    writeFileSync(path, readFileSync(path).subarray(0, 60));
    const truncated = await runCli(['score', broken, dataset]);
    expect(truncated.code).toBe(1);
    expect(truncated.stderr).toMatch(/error: sub-training01\/ses-01\/anat\/.*mask.nii.gz: /);
  });
});
