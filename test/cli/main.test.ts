import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { COMMANDS, findCommand } from '../../src/cli/commands.ts';
import { HELP_WIDTH } from '../../src/cli/help.ts';
import type { UsageError } from '../../src/core/errors.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-cli-'));
beforeAll(buildCli);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A failure is told in one `error:` line and at most one `hint:` line. */
async function expectFailure(words: readonly string[], code: 1 | 2, message: string | RegExp): Promise<void> {
  const run = await runCli(words);
  const lines = errorLines(run);
  expect(lines[0]).toMatch(/^error: /);
  expect(lines[0]).toMatch(message);
  expect(lines.slice(1).every((line) => line.startsWith('hint: '))).toBe(true);
  expect(lines.length).toBeLessThanOrEqual(2);
  expect(run.stdout).toBe('');
  expect(run.code).toBe(code);
}

describe('help', () => {
  it('lists the commands', async () => {
    const run = await runCli(['--help']);
    expect(run.code).toBe(0);
    for (const name of ['doctor', 'phantom', 'evaluate']) expect(run.stdout).toContain(`\n  ${name} `);
    expect(run.stdout).not.toContain('\u001b');
    expect(run.stderr).toBe('');
  });

  it.each(['doctor', 'phantom', 'evaluate'])('of %s names its options and shows examples', async (name) => {
    const run = await runCli([name, '--help']);
    expect(run.code).toBe(0);
    expect(run.stdout).toContain(`USAGE voxelgrad ${name}`);
    expect(run.stdout).toContain('EXAMPLES');
    for (const option of ['--json', '--seed', '--debug']) expect(run.stdout).toContain(option);
  });

  it('of all commands fits 100 columns and begins with examples', () => {
    for (const command of COMMANDS) {
      const lines = command.help().split('\n');
      expect(
        lines.filter((line) => line.length > HELP_WIDTH),
        command.name,
      ).toEqual([]);
      expect(command.content.examples.length, command.name).toBeGreaterThan(0);
      expect(lines.indexOf('EXAMPLES'), command.name).toBeLessThan(8);
      for (const option of Object.keys(command.args).filter(
        (name) => command.args[name]!.type !== 'positional',
      ))
        expect(lines.filter((line) => new RegExp(`^  --${option}( |$)`).test(line)).length, option).toBe(1);
    }
    const titles = COMMANDS.find(({ name }) => name === 'train')!
      .help()
      .match(/^[A-Z ]+$/gm);
    expect(titles).toEqual([
      'EXAMPLES',
      'ARGUMENTS',
      'WHAT IS LEARNED',
      'OPTIONS',
      'WHICH FILES',
      'TRAINING',
      'LOSS',
      'AUGMENTATION',
      'THE MACHINE',
      'EVERY COMMAND',
    ]);
  });

  it('alone shows what a newcomer needs', async () => {
    const run = await runCli([]);
    expect(run.code).toBe(0);
    expect(run.stdout.match(/^ {2}\w+ {2}/gm)).toHaveLength(5);
    expect((await runCli(['help', 'doctor'])).stdout).toContain('USAGE voxelgrad doctor');
  });

  it('suggests the nearest command', () => {
    const hint = (name: string): string => {
      try {
        findCommand(name);
      } catch (error) {
        return String((error as UsageError).hint);
      }
      return '';
    };
    expect(hint('trian')).toMatch(/^Did you mean `voxelgrad train`\?/);
    expect(hint('exp')).toMatch(/^Did you mean `voxelgrad exp/);
    expect(hint('fantom')).toMatch(/^Did you mean `voxelgrad phantom`\?/);
    expect(hint('something')).toMatch(/^Commands are /);
  });

  it('completes in bash', async () => {
    const { stdout } = await runCli(['completion', 'bash']);
    const complete = (...words: string[]): string[] => {
      const quoted = words.map((word) => `'${word}'`).join(' ');
      const script = `${stdout}\nCOMP_WORDS=(voxelgrad ${quoted}); COMP_CWORD=${words.length}; _voxelgrad; echo "\${COMPREPLY[@]}"`;
      return execFileSync('bash', ['-c', script], { encoding: 'utf8' }).trim().split(' ');
    };
    expect(complete('ev')).toEqual(['evaluate']);
    expect(complete('train', '--base-c')).toEqual(['--base-channels']);
    expect(complete('train', '--precision', '')).toEqual(['f32', 'f16']);
  });

  it('prints the version of the package', async () => {
    const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    expect((await runCli(['--version'])).stdout).toBe(`${version}\n`);
  });
});

describe('wrong usage exits 2', () => {
  // The rules themselves are tested without a process, in arguments.test.ts.
  it.each<[string[], RegExp]>([
    [['fantom'], /unknown command "fantom"/],
    [['--seed', 'doctor'], /option --seed before the command/],
    [['phantom'], /OUT is missing/],
    [['phantom', 'a', '--subject', '2'], /unknown option --subject/],
    [['phantom', 'a', '--subjects', '0'], /--subjects must be a whole number from 1 to 99, not "0"/],
    [['phantom', 'a', '--spacing', '-1'], /--spacing must be a number above 0 and of at most 20, not "-1"/],
    [['phantom', 'a', '--shape', '32,32'], /--shape takes three numbers, not 2/],
    [['phantom', 'a', '--shape', '32,32,8'], /--shape must be a number from 16/],
    [['doctor', '--seed', '4294967296'], /--seed must be a whole number from 0 to 4294967295/],
    [['evaluate', 'a', 'b', '--subjects', '01,,02'], /--subjects must be a list/],
  ])('%j', (words, message) => expectFailure(words, 2, message));
});

describe('other failures exit 1', () => {
  it('a folder that does not exist', () =>
    expectFailure(['evaluate', folder, join(folder, 'none')], 1, /none: cannot be read: no such file/));

  it('a folder without a data set', () =>
    expectFailure(['evaluate', folder, folder], 1, /no data set found/));

  it('an output folder that cannot be made', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, 'x');
    await expectFailure(['phantom', join(file, 'out')], 1, /cannot be written to: not a folder/);
    await expectFailure(['phantom', file], 1, /cannot be written to: is in the way/);
    await expectFailure(['phantom', '/proc/voxelgrad'], 1, /cannot be written to/);
  });

  it('prints a stack with --debug only', async () => {
    const words = ['evaluate', folder, folder];
    expect((await runCli(words)).stderr).not.toMatch(/^\s+at /m);
    expect((await runCli([...words, '--debug'])).stderr).toMatch(/^\s+at /m);
  });

  it('prints one JSON object with --json', async () => {
    const run = await runCli(['evaluate', folder, folder, '--json']);
    expect(run.code).toBe(1);
    expect(run.stdout.split('\n')).toHaveLength(2);
    const { error } = JSON.parse(run.stdout) as { error: { code: string; message: string; hint: string } };
    expect(error.code).toBe('dataset');
    expect(run.stderr).toContain(`error: ${error.message}\nhint: ${error.hint}\n`);
  });
});

describe('doctor', () => {
  it('describes the adapter and measures it, as JSON', async () => {
    const run = await runCli(['doctor', '--json']);
    expect(run.code).toBe(0);
    expect(run.stdout.endsWith('}\n')).toBe(true);
    const report = JSON.parse(run.stdout);
    expect(Object.keys(report)).toEqual(['adapter', 'adapters', 'driver', 'limits', 'features', 'peak']);
    expect(Object.keys(report.adapter)).toEqual(['description', 'backend', 'software']);
    expect(report.adapter.description).not.toBe('');
    expect(['system', 'bundled']).toContain(report.driver);
    expect(report.limits.maxStorageBufferBindingSize).toBeGreaterThanOrEqual(2 ** 27);
    expect(report.limits.maxComputeInvocationsPerWorkgroup).toBeGreaterThanOrEqual(256);
    expect(report.features).toEqual([...report.features].sort());
    expect(Object.keys(report.peak)).toEqual(['gflops', 'gbps']);
    expect(report.peak.gflops).toBeGreaterThan(0.1);
    expect(report.peak.gbps).toBeGreaterThan(0.1);
  });

  it('says the same to a reader', async () => {
    const run = await runCli(['doctor']);
    expect(run.code).toBe(0);
    for (const word of ['adapter', 'driver', 'GFLOP/s', 'GB/s', 'maxBufferSize'])
      expect(run.stdout).toContain(word);
  });
});
