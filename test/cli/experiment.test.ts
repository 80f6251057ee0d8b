import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseExperiment, parseUnitResult } from '../../src/study/report/experiment-record.ts';
import { bidsPatient } from '../imaging/dataset/make.ts';
import { buildCli, type CliRun, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-experiment-'));
const TINY = ['--patch', '8', '--levels', '2', '--base-channels', '2', '--steps', '2', '--tissue', 'spm'];
const SETTINGS = ['--presets', 'single,multi-input', '--losses', 'dice+ce', ...TINY];
/** A software driver compiles for seconds, in every process anew. */
const GPU_MS = 300_000;

const experiment = (out: string, ...words: string[]): Promise<CliRun> =>
  runCli(['experiment', 'data', out, ...words], { cwd: folder });

beforeAll(() => {
  buildCli();
  for (const id of ['01', '02', '03'])
    for (const [path, bytes] of Object.entries(bidsPatient(id))) {
      mkdirSync(dirname(join(folder, 'data', path)), { recursive: true });
      writeFileSync(join(folder, 'data', path), bytes);
    }
}, GPU_MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('experiment', () => {
  it('prints the plan and does nothing', { timeout: GPU_MS }, async () => {
    const run = await experiment('planned', ...SETTINGS, '--plan', '--json');
    expect(run.code, run.stderr).toBe(0);
    const record = parseExperiment(new TextEncoder().encode(run.stdout), 'stdout');
    expect(record.units.map(({ kind }) => kind).sort()).toEqual([
      ...Array<string>(3).fill('correction'),
      ...Array<string>(6).fill('net'),
      ...Array<string>(6).fill('stage-1'),
    ]);
    expect(record.settings).toMatchObject({
      patch: 8,
      steps: 2,
      stage1Loss: 'generalized-dice',
      tissue: 'spm',
    });
    expect(readdirSync(folder)).not.toContain('planned');
  });

  it('plans every way to share beside the presets of the paper, and not beside presets by name', {
    timeout: GPU_MS,
  }, async () => {
    const run = await experiment('planned', ...TINY, '--preset-family', 'sharing', '--plan', '--json');
    expect(run.code, run.stderr).toBe(0);
    const record = parseExperiment(new TextEncoder().encode(run.stdout), 'stdout');
    expect(record.variants).toEqual([
      'single',
      'multi-input',
      'multi-output',
      'cross-stitch',
      'soft',
      'sluice',
    ]);
    for (const { id, kind, needs } of record.units)
      if (kind === 'net' && !id.startsWith('net_single')) expect(needs).toHaveLength(1);
    const both = await experiment('planned', ...SETTINGS, '--preset-family', 'paper', '--plan');
    expect(both.code).not.toBe(0);
    expect(both.stderr).toContain('--presets and --preset-family exclude each other');
  });

  it('runs in two shards at once, then goes on with nothing left to do', { timeout: GPU_MS }, async () => {
    const shards = await Promise.all(
      ['1/2', '2/2'].map((shard) => experiment('out', ...SETTINGS, '--shard', shard, '--json')),
    );
    for (const shard of shards) expect(shard.code, shard.stderr).toBe(0);
    const done = shards.map(({ stdout }) => (JSON.parse(stdout) as { done: string[] }).done);
    const record = parseExperiment(readFileSync(join(folder, 'out/experiment.json')), 'x');
    expect(done.flat().sort()).toEqual(record.units.map(({ id }) => id).sort());
    expect(Math.min(...done.map(({ length }) => length))).toBeGreaterThan(5);
    for (const { id, kind } of record.units) {
      const path = join(folder, 'out/units', id, 'result.json');
      const result = parseUnitResult(readFileSync(path), path);
      expect(result.scans).toHaveLength(kind === 'net' ? 1 : 0);
    }
    const again = await experiment('out', '--json');
    expect(again.code, again.stderr).toBe(0);
    expect(JSON.parse(again.stdout)).toMatchObject({ done: [], finished: 15, total: 15 });
  });

  it('is given a seed more: its units are added, and what was finished stays', {
    timeout: GPU_MS,
  }, async () => {
    const results = (): string[] =>
      readdirSync(join(folder, 'out/units'), { recursive: true, encoding: 'utf8' })
        .filter((path) => path.endsWith('result.json'))
        .map((path) => path + readFileSync(join(folder, 'out/units', path), 'utf8'));
    const before = results();
    const unit = 'net_single_dice.ce_01_seed-2';
    const run = await experiment('out', '--seeds', '1,2', '--units', unit, '--json');
    expect(run.code, run.stderr).toBe(0);
    expect(JSON.parse(run.stdout)).toMatchObject({ done: [unit], finished: 16, total: 30 });
    expect(run.stderr).toMatch(/experiment: \d\/1 units/);
    const record = parseExperiment(readFileSync(join(folder, 'out/experiment.json')), 'x');
    expect(record.seeds).toEqual([1, 2]);
    expect(record.notes.at(-1)).toBe(
      'added to the experiment later, when 15 of its 15 units were finished: seeds 2',
    );
    expect(results()).toEqual(expect.arrayContaining(before));
    const fewer = await experiment('out', '--seeds', '1');
    expect(fewer.code).toBe(1);
    expect(fewer.stderr).toContain('seeds was [1,2] and is [1]\nhint: ');
  });

  it('is refused with other settings, in words', { timeout: GPU_MS }, async () => {
    const other = await experiment('out', ...SETTINGS, '--seeds', '1,2,3', '--lr', '0.1');
    expect(other.code).toBe(1);
    expect(other.stderr).toContain(
      'error: out/experiment.json: the experiment has other settings: lr was 0.0005 and is 0.1',
    );
  });

  it('does one unit alone, and says what that needs', { timeout: GPU_MS }, async () => {
    const first = await experiment(
      'single',
      ...SETTINGS,
      '--units',
      'net_single_dice.ce_01_seed-1',
      '--json',
    );
    expect(first.code, first.stderr).toBe(0);
    expect(JSON.parse(first.stdout)).toMatchObject({ done: ['net_single_dice.ce_01_seed-1'], finished: 1 });
    const early = await experiment('single', '--units', 'net_multi-input_dice.ce_01_seed-1');
    expect(early.code).toBe(1);
    expect(early.stderr).toContain(
      'error: net_multi-input_dice.ce_01_seed-1 needs correction_01_seed-1\nhint: ',
    );
  });

  it('refuses what cannot be meant', { timeout: GPU_MS }, async () => {
    const faults: [string[], string][] = [
      [['--seed', '2'], 'an experiment has no --seed'],
      [['--loss', 'dice'], 'unknown option --loss'],
      [['--losses', 'hinge'], 'there is no loss "hinge"'],
      [['--presets', 'double'], '--presets names "double"'],
      [['--folds', '4'], 'cannot split 3 patients into 4 folds'],
      [['--shard', '3/2'], '--shard must be K/N'],
      [['--units', 'x'], 'the experiment has no unit "x"'],
    ];
    for (const [words, message] of faults) {
      const run = await experiment('bad', ...TINY, ...words, '--plan');
      expect(run.code, run.stderr).toBe(2);
      expect(run.stderr).toContain(`error: ${message}`);
    }
    const foreign = await runCli(['experiment', 'data', 'data'], { cwd: folder });
    expect(foreign.code).toBe(1);
    expect(foreign.stderr).toContain('error: data: holds files of something else');
  });
});
