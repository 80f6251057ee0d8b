import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UnitResult } from '../../src/study/report/experiment-record.ts';
import { buildCli, type CliRun, errorLines, runCli } from '../support/cli.ts';
import { slurmInstalled, startSlurm, type TestCluster } from '../support/slurm.ts';

const GPU_MS = 300_000;
const folder = mkdtempSync(join(tmpdir(), 'voxelgrad experiment on slurm '));
const dataset = join(folder, 'set');
const WHAT = ['--variants', 'single,multi-input', '--steps', '2', '--patch', '8', '--levels', '2'];
const NET = [...WHAT, '--base-channels', '2'];

beforeAll(async () => {
  buildCli();
  const made = await runCli(['phantom', dataset, '--subjects', '2', '--shape', '24,28,24', '--spacing', '7']);
  expect(made.code, made.stderr).toBe(0);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Results of an experiment by unit, without what no two runs share. */
function results(out: string): Record<string, unknown> {
  return Object.fromEntries(
    readdirSync(join(out, 'units'))
      .sort()
      .map((unit) => {
        const text = readFileSync(join(out, 'units', unit, 'result.json'), 'utf8');
        const { seconds, ...result } = JSON.parse(text) as UnitResult;
        expect(seconds).toBeGreaterThan(0);
        return [unit, result];
      }),
  );
}

describe.skipIf(!slurmInstalled())('experiment --executor slurm', () => {
  let cluster: TestCluster;
  beforeAll(async () => {
    cluster = await startSlurm();
  });
  afterAll(async () => {
    await cluster?.stop();
  });
  const onSlurm = (out: string, words: readonly string[]): Promise<CliRun> =>
    runCli(['experiment', dataset, out, '--executor', 'slurm', ...words], { env: cluster.env });

  it(
    'comes to what the local executor comes to, bit for bit',
    async () => {
      const [local, slurm] = [join(folder, 'local'), join(folder, 'slurm')];
      const here = await runCli(['experiment', dataset, local, ...NET]);
      expect(here.code, here.stderr).toBe(0);
      const there = await onSlurm(slurm, [...NET, '--slurm-options', 'time=10 comment=test', '--json']);
      expect(there.code, there.stderr).toBe(0);
      expect(results(slurm)).toEqual(results(local));
      const { finished, total } = JSON.parse(there.stdout) as { finished: number; total: number };
      expect(finished).toBe(total);
      const scripts = readdirSync(join(slurm, 'slurm')).filter((name) => name.endsWith('.sbatch'));
      expect(scripts.length).toBeGreaterThan(1);
      expect(readFileSync(join(slurm, 'slurm', scripts[0]!), 'utf8')).toContain('#SBATCH --time=10\n');
      const again = await onSlurm(slurm, []);
      expect(again.code, again.stderr).toBe(0);
      expect(again.stderr).not.toContain('submitted');
    },
    GPU_MS,
  );

  it(
    'names a unit that fails and its log; the same command goes on after what failed',
    async () => {
      const out = join(folder, 'failing');
      const refused = await onSlurm(out, [...NET, '--submit-only', '--slurm-options', 'partition=nowhere']);
      expect(refused.code).toBe(1);
      expect(refused.stderr).toMatch(/error: sbatch: .*partition/);
      const later = await onSlurm(out, ['--slurm-options', 'begin=now+1hour', '--submit-only']);
      expect(later.code, later.stderr).toBe(0);
      await cluster.run('scancel', ['--me']);

      const images = join(dataset, 'training/training01/preprocessed');
      const image = join(
        images,
        readdirSync(images).find((name) => name.startsWith('training01_01_mprage'))!,
      );
      const whole = readFileSync(image);
      writeFileSync(image, whole.subarray(0, 400));
      const failed = await onSlurm(out, []);
      writeFileSync(image, whole);
      expect(failed.code).toBe(1);
      expect(failed.stderr).toMatch(
        /error: unit \S+ failed \(Slurm: FAILED\): .*training01_01_mprage_pp\.nii/,
      );
      const [, log] = /hint: See (.*?\.log)/.exec(failed.stderr) ?? [];
      expect(readFileSync(log!, 'utf8')).toMatch(/training01_01_mprage_pp\.nii/);

      const mended = await onSlurm(out, []);
      expect(mended.code, mended.stderr).toBe(0);
      expect(Object.keys(results(out))).toEqual(Object.keys(results(join(folder, 'slurm'))));
    },
    GPU_MS,
  );
});

describe('without Slurm', () => {
  it('says what to do instead', async () => {
    const run = await runCli(['experiment', dataset, join(folder, 'none'), '--executor', 'slurm', ...NET], {
      env: { PATH: '/nowhere' },
    });
    expect(run.code).toBe(1);
    expect(run.stderr).toMatch(/error: s\w+ is not on this machine's PATH.*\nhint: .*--shard 1\/4/);
  });

  it('refuses options of Slurm for the local executor', async () => {
    const run = await runCli(['experiment', dataset, join(folder, 'none'), '--slurm-max', '2', ...NET]);
    expect(run.code).toBe(2);
    expect(errorLines(run)[0]).toMatch(/--slurm-max means nothing without --executor slurm/);
  });
});
