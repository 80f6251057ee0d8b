import { mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli, type CliRun, errorLines, runCli } from '../support/cli.ts';

const GPU_MS = 240_000;
const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-report-'));
const dataset = join(folder, 'set');
const out = join(folder, 'out');

async function succeed(words: readonly string[]): Promise<CliRun> {
  const run = await runCli(words);
  expect(run.code, run.stderr).toBe(0);
  return run;
}

function file(name: string): string {
  return readFileSync(join(out, name), 'utf8');
}

/** Two patients, both multi-task nets: every kind of unit. */
beforeAll(async () => {
  buildCli();
  const phantoms = ['--subjects', '2', '--shape', '24,28,24', '--spacing', '7'];
  await succeed(['phantom', dataset, ...phantoms]);
  const net = ['--steps', '2', '--patch', '8', '--levels', '2', '--base-channels', '2'];
  await succeed(['experiment', dataset, out, '--variants', 'multi-input,multi-output', ...net]);
}, GPU_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('report', () => {
  it('writes page, Markdown, CSV and JSON into the folder of the experiment', async () => {
    const run = await succeed(['report', out, '--json']);
    const result = JSON.parse(run.stdout) as {
      report: string;
      finished: number;
      units: number;
      answer: { headline: string };
      tables: Record<string, unknown>;
    };
    expect(result).toMatchObject({ report: join(out, 'report.html'), finished: result.units });
    expect(result.answer.headline).toMatch(/^Too few patients \(2\) to tell/);
    const page = file('report.html');
    expect(page).toContain(`<h1>${result.answer.headline}</h1>`);
    for (const figure of ['Fig. 1:', 'Fig. 7:', 'Fig. 10:']) expect(page).toContain(figure);
    expect(page).not.toMatch(/<script|<link|src="(?!data:)|url\(/);
    expect(file('report.md')).toContain(`# ${result.answer.headline}`);
    const csv = readdirSync(join(out, 'tables')).map((name) => name.replace(/\.csv$/, ''));
    expect(csv.sort()).toEqual(Object.keys(result.tables).sort());
    expect(csv).toContain('factorial');
    expect(JSON.parse(file('report.json'))).toMatchObject({ answer: result.answer });
  });

  it('writes the curves of a training run into its folder', async () => {
    const training = join(folder, 'run');
    const net = [
      '--preset',
      'single',
      '--steps',
      '4',
      '--patch',
      '8',
      '--levels',
      '2',
      '--base-channels',
      '2',
    ];
    const judged = ['--validate', '01', '--validate-every', '2'];
    await succeed(['train', dataset, training, ...net, ...judged]);
    const run = await succeed(['report', training, '--watch', '--json']);
    const page = join(training, 'report.html');
    expect(JSON.parse(run.stdout)).toEqual({ report: page, finished: true, steps: 4 });
    const text = readFileSync(page, 'utf8');
    for (const heading of ['Loss', 'Validation', 'Learning rate', 'Settings'])
      expect(text).toContain(`>${heading}</h2>`);
    expect(text).toMatch(/<h1>Dice [\d.]+ on the validation scans, after step [24]<\/h1>/);
    expect(text).not.toMatch(/<script|<link|src="(?!data:)|url\(|http-equiv="refresh"/);
  });

  it('says where pictures are missing, and finds them with --dataset', async () => {
    const moved = join(folder, 'moved');
    renameSync(dataset, moved);
    try {
      const without = await succeed(['report', out]);
      expect(without.stderr).toMatch(/note: There are no pictures: the data set is not at .*--dataset/);
      expect(file('report.html')).not.toContain('Fig. 10');
      await succeed(['report', out, '--dataset', moved]);
      expect(file('report.html')).toContain('Fig. 10');
      const wrong = await runCli(['report', out, '--dataset', join(folder, 'nowhere')]);
      expect(wrong.code).toBe(1);
    } finally {
      renameSync(moved, dataset);
    }
  });

  it('reports what is there of an unfinished experiment, and leaves a damaged result out by name', async () => {
    const nets = readdirSync(join(out, 'units')).filter((name) => name.startsWith('net_'));
    const [missing, damaged] = nets.map((name) => join(out, 'units', name, 'result.json'));
    const kept = [missing!, damaged!].map((path) => readFileSync(path));
    rmSync(missing!);
    writeFileSync(damaged!, '{"unit": 3}');
    try {
      const run = await succeed(['report', out]);
      expect(run.stderr).toMatch(/note: .*result\.json: .*; it is left out/);
      expect(file('report.html')).toContain(`${nets.length - 2} of ${nets.length} nets are finished`);
    } finally {
      for (const [i, path] of [missing!, damaged!].entries()) writeFileSync(path, kept[i]!);
    }
  });

  it('refuses a folder that is no experiment', async () => {
    const run = await runCli(['report', dataset]);
    expect(run.code).toBe(1);
    expect(errorLines(run)[0]).toMatch(/experiment\.json/);
  });
});
