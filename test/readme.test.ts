import { execFileSync, type StdioOptions } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reportError } from '../src/cli/output.ts';
import * as errors from '../src/core/errors.ts';
import { TapeError } from '../src/engine/tape/tape.ts';
import { writeNifti } from '../src/imaging/nifti/write.ts';
import { makePhantom } from '../src/study/phantom/index.ts';
import { bidsPatient, inBrain, maskFile } from './imaging/dataset/make.ts';
import { AppUnderTest, buildWeb, chromiumPath } from './support/chromium.ts';
import { buildCli, type CliRun, runCli, startCli } from './support/cli.ts';
import { smallScan } from './web/make.ts';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Pages whose command lines run, each in a folder of its own; the second one's run is what later pages start from. */
const PAGES = [
  'README.md',
  'src/docs/getting-started.md',
  'src/docs/app.md',
  'src/docs/tasks.md',
  'src/docs/experiment.md',
  'src/docs/reproducibility.md',
];

const text = (page: string): string => readFileSync(join(ROOT, page), 'utf8');

/** Lines of a page's command blocks, without their comments. */
const commandsOf = (page: string): string[] =>
  text(page)
    .split('\n')
    .filter((line) => /^ {4}(npx|npm) /.test(line))
    .map((line) => line.trim().replace(/ +#.*$/, ''));

const README = text('README.md');
const SMALL = ['--steps', '2', '--patch', '8', '--levels', '2', '--base-channels', '2'];

/** Makes a command small enough for a test; what the pages say stays as it is. */
const SMALLER: Readonly<Record<string, readonly string[]>> = {
  train: SMALL,
  experiment: SMALL,
  demo: ['--steps', '2'],
  phantom: ['--subjects', '1', '--shape', '32,32,32', '--spacing', '6'],
};

let folder = '';

/** A folder with a data set, a task and raw files of one scan, as a page's reader has them. */
function readersFolder(page: string): string {
  const own = join(folder, page.replaceAll('/', '-'));
  if (existsSync(own)) return own;
  const put = (path: string, bytes: Uint8Array | string): void => {
    mkdirSync(dirname(join(own, path)), { recursive: true });
    writeFileSync(join(own, path), bytes);
  };
  // The brain in three parts, one above the other.
  const parts = maskFile((x, y, z) => (inBrain(x, y, z) ? 1 + (z % 3) : 0));
  for (const id of ['07', '19', '26']) {
    for (const [path, bytes] of Object.entries(bidsPatient(id))) put(`DATASET/${path}`, bytes);
    put(`DATASET/derivatives/parts/sub-${id}/anat/sub-${id}_dseg.nii.gz`, parts);
  }
  put('brain.json', /```json\n(.*?)```/s.exec(text('src/docs/tasks.md'))![1]!);
  const phantom = makePhantom({
    seed: 5,
    subjectIndex: 0,
    shape: [30, 36, 30],
    spacing: 6,
    noise: 0.02,
    biasField: 0.2,
  });
  const { grid, modalities, brain } = phantom;
  for (const [name, data] of Object.entries({ flair: modalities.FLAIR, t1: modalities.T1w, brain }))
    put(`${name}.nii.gz`, writeNifti({ grid, data }, { datatype: 'float32' }));
  if (PAGES.indexOf(page) > 1)
    cpSync(join(readersFolder(PAGES[1]!), 'RUN'), join(own, 'RUN'), { recursive: true });
  return own;
}

beforeAll(() => {
  buildCli();
  buildWeb();
  folder = mkdtempSync(join(tmpdir(), 'voxelgrad-readme-'));
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** The words of a line, those that make it small in place of its own. */
function smaller(words: readonly string[]): string[] {
  const small = SMALLER[words[0]!] ?? [];
  const replaced = new Set([...small.filter((word) => word.startsWith('--')), '--minutes']);
  const kept =
    small.length === 0
      ? words
      : words.filter((word, i) => !replaced.has(word) && !replaced.has(words[i - 1]!));
  return [...kept, ...small];
}

async function run(line: string, page = PAGES[0]!): Promise<CliRun> {
  const words = smaller(
    line
      .replace(/^npx voxelgrad ?/, '')
      .split(/ +/)
      .filter(Boolean),
  );
  const cwd = readersFolder(page);
  // It runs until it is told to end.
  if (words[0] === 'serve') return await (await startCli([...words, '--port', '0'], { cwd })).stop();
  // A page that trains the network that another page has trained already.
  if (words[0] === 'train' && !words.includes('--resume'))
    rmSync(join(cwd, words[2]!), { recursive: true, force: true });
  return await runCli(words, { cwd });
}

/** Runs a program on the package as others see it, beside the data set. @returns what it printed */
function runExample(code: string): string {
  // Inside the package, `voxelgrad` means its own built entries.
  const file = join(ROOT, 'dist', `readme-example-${process.pid}.mjs`);
  writeFileSync(file, code);
  try {
    const stdio: StdioOptions = ['ignore', 'pipe', 'ignore'];
    return execFileSync(process.execPath, [file], {
      cwd: readersFolder(PAGES[0]!),
      encoding: 'utf8',
      stdio,
    }).trim();
  } finally {
    rmSync(file);
  }
}

describe('README and its pages', () => {
  it('starts with one sentence and the two commands', () => {
    expect(commandsOf('README.md').slice(0, 2)).toEqual(['npm ci && npm start', 'npm ci && npm test']);
    expect(README.split(/\s+/).length).toBeLessThanOrEqual(700);
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts.start).toMatch(/voxelgrad demo$|main\.js demo$/);
    expect(scripts.test).toBe('vitest run');
  });

  for (const page of PAGES)
    for (const line of commandsOf(page).slice(page === 'README.md' ? 2 : 0))
      it(`${page} runs: ${line}`, { timeout: 300_000 }, async () => {
        if (line.startsWith('npm run ')) {
          // beforeAll has run it.
          expect(line).toBe('npm run build:web');
          expect(existsSync(join(ROOT, 'dist/web/index.html'))).toBe(true);
          return;
        }
        expect(line).toMatch(/^npx voxelgrad/);
        const result = await run(line, page);
        expect(result.stderr).not.toMatch(/^error/m);
        expect(result.code, result.stderr).toBe(0);
      });

  it('every page with command lines is among those', () => {
    const docs = readdirSync(join(ROOT, 'src/docs'))
      .filter((name) => name.endsWith('.md'))
      .map((name) => `src/docs/${name}`);
    // They need files of other programs or a cluster: test/cli/exchange.test.ts and bids.test.ts run such commands.
    const foreign = ['src/docs/clusters.md', 'src/docs/import-export.md'];
    const untested = docs.filter((page) => !PAGES.includes(page) && commandsOf(page).length > 0);
    expect(untested.sort()).toEqual(foreign);
  });

  it('npm start: the demo leaves its report and results', { timeout: 600_000 }, async () => {
    const result = await run('npx voxelgrad demo');
    expect(result.code, result.stderr).toBe(0);
    const results = JSON.parse(
      readFileSync(join(readersFolder(PAGES[0]!), 'voxelgrad-demo/results.json'), 'utf8'),
    ) as {
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
    const report = readFileSync(join(readersFolder(PAGES[0]!), 'voxelgrad-demo/report.html'), 'utf8');
    expect(report).toContain(results.adapter.description);
    expect(result.stdout).toContain('voxelgrad-demo/report.html');
    const predicted = join(readersFolder(PAGES[0]!), 'voxelgrad-demo/predictions/single');
    const sidecar = readdirSync(predicted, { recursive: true, encoding: 'utf8' }).find((path) =>
      path.endsWith('_label-L_mask.json'),
    );
    expect(readFileSync(join(predicted, sidecar!), 'utf8')).toMatch(/"Type": "Lesion"/);
  });

  it('the library examples run as written', { timeout: 300_000 }, () => {
    const pages = `${README}${text('src/docs/library.md')}`;
    const [first, second, ...more] = [...pages.matchAll(/```ts\n(.*?)```/gs)].map(([, code]) =>
      runExample(code!),
    );
    expect(/```ts\n(.*?)```/s.exec(README)![1]!.trim().split('\n').length).toBeLessThanOrEqual(13);
    expect(first).toBe(String(8 * 32 ** 3));
    expect(second).toMatch(/^Too few patients \(2\) to tell .* or as an output \d{5,}$/);
    expect(more).toEqual([]);
  });

  it('tells every error class with its code and what the program exits with', () => {
    const rows = new Map(
      [...text('src/docs/errors.md').matchAll(/^\| `([\w-]+)` +\| `(\w+)` +\| ([\d, ]+?) *\|/gm)].map(
        (row) => [row[2]!, row],
      ),
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
    const [, code] = /```html\n(.*?)```/s.exec(text('src/docs/app.md'))!;
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
    for (const name of names) expect(text('src/docs/cli.md')).toContain(`\n## ${name}\n`);
  });
});
