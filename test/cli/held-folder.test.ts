import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildCli, CLI_MAIN, runCli } from '../support/cli.ts';

const hasNamespaces =
  spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true'], { timeout: 10_000 }).status === 0;
const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-held-'));
const dataset = join(folder, 'phantoms');
const NET = [
  '--variant',
  'single',
  '--patch',
  '16',
  '--levels',
  '2',
  '--base-channels',
  '2',
  '--subjects',
  '01',
];
const MS = 300_000;
const log = (run: string): string[] =>
  existsSync(join(run, 'log.jsonl'))
    ? readFileSync(join(run, 'log.jsonl'), 'utf8').trimEnd().split('\n')
    : [];

interface Training {
  readonly child: ChildProcess;
  readonly end: Promise<{ readonly code: number | null; readonly stderr: string }>;
}

/** @param prefix what the program runs under */
function train(run: string, prefix: readonly string[] = []): Training {
  const [program, ...words] = [
    ...prefix,
    process.execPath,
    CLI_MAIN,
    'train',
    dataset,
    run,
    ...NET,
    '--minutes',
    '10',
  ];
  const child = spawn(program!, words, { stdio: ['ignore', 'ignore', 'pipe'], detached: true });
  let stderr = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const end = new Promise<{ code: number | null; stderr: string }>((resolve) => {
    child.on('close', (code) => resolve({ code, stderr }));
  });
  return { child, end };
}

beforeAll(async () => {
  buildCli();
  const made = await runCli(['phantom', dataset, '--subjects', '1', '--shape', '24,28,24', '--spacing', '7']);
  expect(made.code, made.stderr).toBe(0);
}, MS);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe.runIf(hasNamespaces)('two containers of one host name', () => {
  it(
    'do not train in one folder: the second sees that the first lives, and gives way',
    async () => {
      const run = join(folder, 'contested');
      const container = ['unshare', '--pid', '--fork', '--mount-proc', '--kill-child'];
      const first = train(run, container);
      try {
        await vi.waitFor(() => expect(log(run).length).toBeGreaterThan(2), { timeout: 100_000 });
        const second = await train(run, container).end;
        expect(second.code).toBe(1);
        expect(second.stderr).toMatch(/waiting: .* cannot be asked from here/);
        expect(second.stderr).toMatch(/error: .*contested: process 1 on \S+ works in this folder/);
        const steps = log(run).map((line) => (JSON.parse(line) as { step: number }).step);
        expect(steps).toEqual(steps.map((_, i) => i + 1));
      } finally {
        process.kill(-first.child.pid!, 'SIGKILL');
        await first.end;
      }
    },
    MS,
  );
});

describe('a run folder that is removed while a run works in it', () => {
  it(
    'ends the run with a storage error, and is not made anew',
    async () => {
      const run = join(folder, 'removed');
      const { child, end } = train(run);
      try {
        await vi.waitFor(() => expect(log(run).length).toBeGreaterThan(2), { timeout: 100_000 });
        rmSync(run, { recursive: true });
        const { code, stderr } = await end;
        expect(code).toBe(1);
        expect(stderr).toMatch(/error: .*removed: the folder was removed while this process worked in it/);
        expect(existsSync(run)).toBe(false);
      } finally {
        if (child.exitCode === null) process.kill(-child.pid!, 'SIGKILL');
      }
    },
    MS,
  );
});

describe.skipIf(process.platform === 'win32')('a pipe in place of a model', () => {
  it('is refused at once', async () => {
    const run = join(folder, 'piped');
    mkdirSync(run);
    execFileSync('mkfifo', [join(run, 'model.safetensors')]);
    const predicted = await runCli(['predict', run, dataset, join(folder, 'out')]);
    expect(predicted.code).toBe(1);
    expect(predicted.stderr).toMatch(/error: .*model\.safetensors: cannot be read: not a regular file/);
  });
});
