import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNifti } from '../../src/imaging/nifti/read.ts';
import { bidsPatient, inBrain, values } from '../imaging/dataset/make.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-tissue-'));
const dataset = join(folder, 'set');
const BRAIN = values(inBrain);

function put(files: Readonly<Record<string, Uint8Array>>): void {
  for (const [path, bytes] of Object.entries(files)) {
    mkdirSync(dirname(join(dataset, path)), { recursive: true });
    writeFileSync(join(dataset, path), bytes);
  }
}

beforeAll(() => {
  buildCli();
  put(bidsPatient('07'));
  // A patient whom SPM has not seen.
  put(Object.fromEntries(Object.entries(bidsPatient('19')).filter(([path]) => !path.includes('/spm/'))));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function map(path: string): Promise<Float32Array> {
  return (await readNifti(readFileSync(path), path)).volume.data;
}

describe('tissue', () => {
  it('em: writes three maps in both namings that sum to 1 in the brain', async () => {
    const out = join(folder, 'em');
    const run = await runCli([
      'tissue',
      dataset,
      out,
      '--iterations',
      '8',
      '--modalities',
      'T1w,T2w',
      '--json',
    ]);
    expect(run.code, run.stderr).toBe(0);
    const { scans, method } = JSON.parse(run.stdout) as {
      method: string;
      scans: { subject: string; bids: string[]; spm: string[] }[];
    };
    expect(method).toBe('em');
    expect(scans.map(({ subject }) => subject)).toEqual(['07', '19']);
    expect(scans[0]!.bids[2]).toBe('sub-07/anat/sub-07_space-orig_label-CSF_probseg.nii.gz');
    expect(scans[0]!.spm[0]).toBe('sub-07/anat/c1sub-07_T1w.nii.gz');
    for (const { bids, spm } of scans) {
      const exact = await Promise.all(bids.map((path) => map(join(out, path))));
      const stepped = await Promise.all(spm.map((path) => map(join(out, path))));
      BRAIN.forEach((inside, i) => {
        expect(exact[0]![i]! + exact[1]![i]! + exact[2]![i]!).toBeCloseTo(inside, 5);
        for (const t of [0, 1, 2]) expect(Math.abs(exact[t]![i]! - stepped[t]![i]!)).toBeLessThan(0.6 / 255);
      });
    }
  });

  it('em: what it wrote trains a multi-input network, and a second run writes the same bytes', async () => {
    const out = join(folder, 'again');
    const words = ['tissue', dataset, out, '--subjects', '07', '--iterations', '5'];
    expect((await runCli(words)).code).toBe(0);
    const path = join(out, 'sub-07/anat/sub-07_space-orig_label-GM_probseg.nii.gz');
    const before = readFileSync(path);
    const again = await runCli(words);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/error: .*again: holds files of sub-07 already/);
    expect((await runCli([...words, '--overwrite'])).code).toBe(0);
    expect(readFileSync(path).equals(before)).toBe(true);
    const small = ['--steps', '1', '--patch', '8', '--levels', '2', '--base-channels', '2'];
    const train = ['train', dataset, join(folder, 'run'), '--variant', 'multi-input', '--subjects', '07'];
    const run = await runCli([...train, ...small, '--tissue', out]);
    expect(run.code, run.stderr).toBe(0);
  });

  it("spm: takes SPM's maps, made a probability in the brain", async () => {
    const out = join(folder, 'spm');
    const run = await runCli(['tissue', dataset, out, '--method', 'spm', '--subjects', '07', '--json']);
    expect(run.code, run.stderr).toBe(0);
    const gm = await map(join(out, 'sub-07/anat/sub-07_space-orig_label-GM_probseg.nii.gz'));
    // Stored as .5, .3 and .1, which sum to .9.
    BRAIN.forEach((inside, i) => {
      expect(gm[i]!).toBeCloseTo((inside * 0.5) / 0.9, 5);
    });
  });

  it('spm: names who has no maps, and writes nothing', async () => {
    const out = join(folder, 'nothing');
    const run = await runCli(['tissue', dataset, out, '--method', 'spm']);
    expect(run.code).toBe(1);
    expect(errorLines(run)[0]).toMatch(/sub-19: there are no SPM maps \(c1, c2, c3\)/);
    expect(() => readFileSync(join(out, 'dataset_description.json'))).toThrow();
  });

  it('refuses wrong usage, missing modalities, priors that are none, and a folder of other files', async () => {
    const out = join(folder, 'wrong');
    const code = async (...words: string[]): Promise<number> =>
      (await runCli(['tissue', dataset, out, ...words])).code;
    expect(await code('--modalities', 'FLAIR')).toBe(2);
    expect(await code('--method', 'spm', '--beta', '1')).toBe(2);
    expect(await code('--beta', '-1')).toBe(2);
    expect(await code('--modalities', 'T1w,PD')).toBe(1);
    expect(await code('--priors', dataset)).toBe(1);
    const among = await runCli(['tissue', dataset, dataset, '--method', 'spm', '--subjects', '07']);
    expect(among.code).toBe(1);
    expect(errorLines(among)[0]).toMatch(/holds files that are not tissue maps/);
  });
});
