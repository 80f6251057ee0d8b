import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli, CLI_MAIN, type CliRun, exitCodeOf, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-resume-'));
const at = (name: string): string => join(folder, name);
const dataset = at('phantoms');
const STEPS = 60;
const TINY = ['--patch', '16', '--levels', '2', '--base-channels', '2', '--subjects', '01'];
const words = (out: string, ...more: string[]): string[] => [
  'train',
  dataset,
  at(out),
  ...TINY,
  '--variant',
  'single',
  '--steps',
  String(STEPS),
  '--hash-every',
  '20',
  ...more,
];
const MS = 300_000;

const model = (out: string): Buffer => readFileSync(join(at(out), 'model.safetensors'));
const lines = (out: string): string[] => {
  const path = join(at(out), 'log.jsonl');
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
};
const losses = (out: string): number[] =>
  lines(out).map((line) => (JSON.parse(line) as { loss: number }).loss);

/** Starts a run, and waits until it has done some steps. */
async function start(
  out: string,
  steps: number,
  ...more: string[]
): Promise<{ child: ChildProcess; end: Promise<CliRun> }> {
  const child = spawn(process.execPath, [CLI_MAIN, ...words(out, ...more)]);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const end = once(child, 'close').then(() => ({
    code: exitCodeOf(child.exitCode, child.signalCode),
    stdout,
    stderr,
  }));
  while (lines(out).length < steps && child.exitCode === null) await sleep(5);
  expect(child.exitCode, stderr).toBe(null);
  return { child, end };
}

beforeAll(async () => {
  buildCli();
  const made = await runCli(['phantom', dataset, '--subjects', '1', '--shape', '24,28,24', '--spacing', '7']);
  expect(made.code, made.stderr).toBe(0);
  const whole = await runCli(words('whole'));
  expect(whole.code, whole.stderr).toBe(0);
}, MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function resume(out: string, ...more: string[]): Promise<CliRun> {
  return await runCli(['train', dataset, at(out), '--resume', '--hash-every', '20', ...more]);
}

async function expectWhole(out: string): Promise<void> {
  const result = await resume(out);
  expect(result.code, result.stderr).toBe(0);
  expect(model(out).equals(model('whole'))).toBe(true);
  expect(losses(out)).toEqual(losses('whole'));
}

describe('train', () => {
  for (const [signal, code] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)
    it(`${signal}: saves, says how to go on and exits with ${code} within 5 s`, { timeout: MS }, async () => {
      const out = signal.toLowerCase();
      const { child, end } = await start(out, 5, '--json');
      const sent = performance.now();
      child.kill(signal);
      const { code: ended, stderr, stdout } = await end;
      expect(performance.now() - sent).toBeLessThan(5000);
      expect(ended, stderr).toBe(code);
      const steps = lines(out).length;
      expect(steps).toBeLessThan(STEPS);
      expect(stderr).toContain(`stopped by ${signal}; the first ${steps} steps are saved`);
      // To be copied as it stands: the same words, and one more.
      const command = ['voxelgrad', ...words(out, '--json'), '--resume'].join(' ');
      expect(stderr).toContain(`hint: Resume with: ${command}\n`);
      expect(JSON.parse(stdout)).toMatchObject({ error: { code: 'stopped' } });
      expect(existsSync(join(at(out), '.lock'))).toBe(false);
      if (signal === 'SIGTERM') return;
      const again = await runCli(words(out));
      expect(again.code).toBe(1);
      expect(again.stderr).toMatch(/there is a run that is not finished/);
      await expectWhole(out);
    });

  it('a second signal ends at once', { timeout: MS }, async () => {
    const { child, end } = await start('twice', 5);
    child.kill('SIGINT');
    child.kill('SIGTERM');
    expect([130, 143]).toContain((await end).code);
  });

  it('kill -9, again and again, loses no more than the steps since a checkpoint', {
    timeout: MS,
  }, async () => {
    const killed = ['--checkpoint-steps', '5'];
    const first = await start('killed', 10, ...killed);
    first.child.kill('SIGKILL');
    await first.end;
    const second = await start('killed', 30, ...killed, '--resume');
    second.child.kill('SIGKILL');
    await second.end;
    expect(readdirSync(join(at('killed'), 'checkpoints')).length).toBeGreaterThan(0);
    await expectWhole('killed');
    const files = readdirSync(at('killed'), { recursive: true }).map(String);
    expect(files.filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('a second process is kept out of the folder while the first is at work', { timeout: MS }, async () => {
    const { child, end } = await start('shared', 5);
    // Stopped, it still holds the lock, and leaves the processor to the second.
    child.kill('SIGSTOP');
    const second = await resume('shared');
    expect(second.code).toBe(1);
    expect(second.stderr).toContain(`process ${child.pid} on`);
    child.kill('SIGKILL');
    await end;
  });

  it('a finished run has nothing to resume, and one with other settings is refused', {
    timeout: MS,
  }, async () => {
    const before = model('whole');
    const result = await resume('whole', '--json');
    expect(result.code, result.stderr).toBe(0);
    expect(result.stderr).toContain('the run is finished');
    expect(JSON.parse(result.stdout)).toMatchObject({ steps: STEPS, finalLoss: losses('whole').at(-1) });
    const other = await resume('whole', '--lr', '1e-3', '--batch', '1');
    expect(other.code).toBe(1);
    expect(other.stderr).toContain('other settings: batch was 2 and is 1; lr was 0.0005 and is 0.001');
    const shorter = await resume('whole', '--steps', '59');
    expect(shorter.code).toBe(1);
    expect(shorter.stderr).toMatch(/a run can be made longer, not shorter: 59 steps are less than its 60/);
    expect((await resume('whole', '--overwrite')).code).toBe(2);
    expect(model('whole').equals(before)).toBe(true);
  });

  it('starts where there is no run yet: no folder, an empty one, or one killed before its first file', {
    timeout: MS,
  }, async () => {
    mkdirSync(at('empty'));
    for (const out of ['absent', 'empty']) {
      const started = await runCli(words(out, '--resume'));
      expect(started.code, started.stderr).toBe(0);
      expect(started.stderr).toContain('there is no run yet; it starts');
      expect(model(out).equals(model('whole'))).toBe(true);
    }
  });

  it('makes a finished run longer, to the bits of one of that length, and says so in its record', {
    timeout: MS,
  }, async () => {
    const short = await runCli(words('longer').map((word) => (word === String(STEPS) ? '40' : word)));
    expect(short.code, short.stderr).toBe(0);
    expect(lines('longer')).toHaveLength(40);
    const longer = await resume('longer', '--steps', String(STEPS));
    expect(longer.code, longer.stderr).toBe(0);
    expect(longer.stderr).toContain('the run is finished after 40 steps; it is made longer');
    expect(losses('longer')).toEqual(losses('whole'));
    expect(model('longer').equals(model('whole'))).toBe(true);
    const config = JSON.parse(readFileSync(join(at('longer'), 'config.json'), 'utf8')) as object;
    expect(config).toMatchObject({
      settings: { steps: STEPS },
      extended: [{ step: 40, from: { steps: 40, epochs: null, minutes: null } }],
    });
    const verified = await runCli(['verify', at('longer')]);
    expect(verified.code, verified.stderr).toBe(0);
    const again = await resume('longer');
    expect(again.stderr).toContain('there is nothing to resume');
  });

  it('repeats a run against its log, and stops at the first step that differs', { timeout: MS }, async () => {
    const config = ['--config', join(at('whole'), 'config.json'), '--hash-every', '10'];
    const log = join(at('whole'), 'log.jsonl');
    const same = await runCli(['train', dataset, at('same'), ...config, '--verify-log', log]);
    expect(same.code, same.stderr).toBe(0);
    const changed = lines('whole').map((line, i) =>
      i === 39 ? line.replace(/"hash":"./, '"hash":"x') : line,
    );
    expect(changed[39]).toContain('"hash":"x');
    writeFileSync(at('changed.jsonl'), `${changed.join('\n')}\n`);
    const differs = await runCli([
      'train',
      dataset,
      at('differs'),
      ...config,
      '--verify-log',
      at('changed.jsonl'),
    ]);
    expect(differs.code).toBe(1);
    expect(differs.stderr).toMatch(/error: step 40: the hash of the state is/);
    expect(lines('differs')).toHaveLength(39);
  });

  it('--memory: refuses what is too large before it starts, and leaves no run', { timeout: MS }, async () => {
    const result = await runCli(words('large', '--memory', '800k'));
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(
      /error: training needs .* MB on the GPU.*; the budget is 800\.0 kB\nhint: It would fit/,
    );
    expect(readdirSync(at('large'))).toEqual([]);
    expect((await runCli(words('large', '--memory', '0'))).code).toBe(2);
  });
});

describe('verify', () => {
  it('passes a sound run, and exits with 1 where a byte has changed', async () => {
    const sound = await runCli(['verify', at('whole'), '--json']);
    expect(sound.code, sound.stderr).toBe(0);
    expect(JSON.parse(sound.stdout)).toMatchObject({ run: at('whole'), status: 'finished' });
    const path = join(at('whole'), 'model.safetensors');
    const bytes = readFileSync(path);
    const bad = Uint8Array.from(bytes);
    bad[bad.length - 100]! ^= 1;
    writeFileSync(path, bad);
    const result = await runCli(['verify', at('whole')]);
    writeFileSync(path, bytes);
    expect(result.code).toBe(1);
    expect(result.stderr).toMatch(/^WRONG {2}manifest.json: model.safetensors has the hash/m);
    expect(result.stderr).toMatch(/^error: .*whole: 2 of \d checks failed/m);
    expect((await runCli(['verify', dataset])).stderr).toMatch(/error: .*: holds no run/);
    expect((await runCli(['verify'])).code).toBe(2);
  });
});
