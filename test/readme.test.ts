import { execFileSync, type StdioOptions } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportError } from '../src/cli/output.ts';
import * as errors from '../src/core/errors.ts';
import { TapeError } from '../src/engine/tape/tape.ts';
import { bidsPatient, inBrain, maskFile } from './imaging/dataset/make.ts';
import { AppUnderTest, buildWeb, chromiumPath } from './support/chromium.ts';
import { buildCli, type CliRun, runCli, startCli } from './support/cli.ts';
import { smallScan } from './web/make.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const README = readFileSync(join(ROOT, 'README.md'), 'utf8');

/** Lines of the README's command blocks, without their comments. */
const COMMANDS = README.split('\n')
  .filter((line) => /^ {4}(npx|npm) /.test(line))
  .map((line) => line.trim().replace(/ +#.*$/, ''));

/** Makes a command small enough for a test; what the README says stays as it is. */
const SMALLER: Readonly<Record<string, readonly string[]>> = {
  train: ['--steps', '2', '--patch', '8', '--levels', '2', '--base-channels', '2'],
  experiment: ['--steps', '2', '--patch', '8', '--levels', '2', '--base-channels', '2'],
  demo: ['--steps', '2'],
};

let folder = '';

beforeAll(() => {
  buildCli();
  buildWeb();
  folder = mkdtempSync(join(tmpdir(), 'voxelgrad-readme-'));
  const put = (path: string, bytes: Uint8Array | string): void => {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
  };
  // The brain in three parts, one above the other.
  const parts = maskFile((x, y, z) => (inBrain(x, y, z) ? 1 + (z % 3) : 0));
  for (const id of ['07', '19', '26']) {
    for (const [path, bytes] of Object.entries(bidsPatient(id))) put(`DATASET/${path}`, bytes);
    put(`DATASET/derivatives/parts/sub-${id}/anat/sub-${id}_dseg.nii.gz`, parts);
  }
  put('brain.json', /```json\n(.*?)```/s.exec(README)![1]!);
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

async function run(line: string): Promise<CliRun> {
  const [name, ...words] = line.replace(/^npx voxelgrad /, '').split(/ +/);
  // It runs until it is told to end.
  if (name === 'serve')
    return await (await startCli([name, ...words, '--port', '0'], { cwd: folder })).stop();
  return await runCli([name!, ...words, ...(SMALLER[name!] ?? [])], { cwd: folder });
}

/** Runs a program on the package as others see it, beside the data set. @returns what it printed */
function runExample(code: string): string {
  // Inside the package, `voxelgrad` means its own built entries.
  const file = join(ROOT, 'dist', `readme-example-${process.pid}.mjs`);
  writeFileSync(file, code);
  try {
    const stdio: StdioOptions = ['ignore', 'pipe', 'ignore'];
    return execFileSync(process.execPath, [file], { cwd: folder, encoding: 'utf8', stdio }).trim();
  } finally {
    rmSync(file);
  }
}

describe('README', () => {
  it('starts with one sentence and the two commands', () => {
    expect(COMMANDS.slice(0, 2)).toEqual(['npm ci && npm start', 'npm ci && npm test']);
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts.start).toMatch(/voxelgrad demo$|main\.js demo$/);
    expect(scripts.test).toBe('vitest run');
  });

  for (const line of COMMANDS.slice(2))
    it(`runs: ${line}`, { timeout: 300_000 }, async () => {
      expect(line).toMatch(/^npx voxelgrad /);
      const result = await run(line);
      expect(result.stderr).not.toMatch(/^error/m);
      expect(result.code).toBe(0);
    });

  it('npm start: the demo leaves its report and results', { timeout: 600_000 }, async () => {
    const result = await run('npx voxelgrad demo');
    expect(result.code, result.stderr).toBe(0);
    const results = JSON.parse(readFileSync(join(folder, 'voxelgrad-demo/results.json'), 'utf8')) as {
      adapter: { description: string };
      seconds: number;
      variants: { variant: string; dice: number; baselineDice: number }[];
    };
    expect(results.variants.map(({ variant }) => variant)).toEqual(['single', 'multi-input', 'multi-output']);
    for (const { dice, baselineDice } of results.variants) {
      expect(dice).toBeGreaterThanOrEqual(0);
      // A FLAIR threshold alone does not solve a phantom.
      expect(baselineDice).toBeLessThan(0.6);
    }
    expect(results.adapter.description).not.toBe('');
    const report = readFileSync(join(folder, 'voxelgrad-demo/report.html'), 'utf8');
    expect(report).toContain(results.adapter.description);
    expect(result.stdout).toContain('voxelgrad-demo/report.html');
  });

  it('the library examples run as written', { timeout: 300_000 }, () => {
    const [first, second, ...more] = [...README.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) =>
      runExample(code!),
    );
    expect(first).toBe(String(8 * 32 ** 3));
    expect(second).toMatch(/^Too few patients \(2\) to tell .* or as an output \d{5,}$/);
    expect(more).toEqual([]);
  });

  it('tells every error class with its code and what the program exits with', () => {
    const rows = new Map(
      [...README.matchAll(/^\| `([\w-]+)` +\| `(\w+)` +\| ([\d, ]+?) *\|/gm)].map((row) => [row[2]!, row]),
    );
    const classes = Object.entries({ ...errors, TapeError }).filter(([name]) => name !== 'VoxelgradError');
    expect([...rows.keys()].sort()).toEqual(classes.map(([name]) => name).sort());
    for (const [name, make] of classes) {
      // The constructors differ in what they take first; code and class are the same whatever it is.
      const error = Reflect.construct(make, ['a', 130]) as errors.VoxelgradError;
      const [, code, , exit] = rows.get(name)!;
      expect(error.code, name).toBe(code);
      expect(exit!.split(', ').map(Number), name).toContain(reportError(error, false).exitCode);
    }
  });

  it.skipIf(chromiumPath() === undefined)('the page runs as written', { timeout: 120_000 }, async () => {
    const [, code] = /```html\n(.*?)```/s.exec(README)!;
    expect(code!.trim().split('\n').length).toBeLessThan(25);
    const page = new Map([['/own.html', new TextEncoder().encode(code)]]);
    const app = await AppUnderTest.start(page, 'plain');
    try {
      const { page, errors } = await app.open({}, 'own.html');
      await page
        .getByLabel('FLAIR, T1w and a brain mask')
        .setInputFiles(
          smallScan().map(({ name, bytes }) => ({ name, mimeType: '', buffer: Buffer.from(bytes) })),
        );
      const output = page.locator('output', { hasText: /^\d+ voxels of lesion$/ });
      await output.waitFor();
      expect(errors).toEqual([]);
    } finally {
      await app.stop();
    }
  });

  it('names every command that there is', async () => {
    const help = await runCli(['--help']);
    const names = [...help.stdout.matchAll(/^ {2}([\w-]+) {2}/gm)].map((match) => match[1]!);
    expect(names.length).toBeGreaterThan(4);
    for (const name of names) expect(README).toContain(`\`${name}`);
  });
});
