import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FOLDER = join(ROOT, 'test/examples');

/** What each example prints. */
const PRINTS: Readonly<Record<string, RegExp>> = {
  'custom-augmentation.ts':
    /^with mirror, stripes\nstep 1, loss 0\.\d+\nstep 2, loss 0\.\d+\nstep 3, loss 0\.\d+$/,
  'custom-loss.ts':
    /^step 20, loss 0\.\d{3}\nstep 40, loss 0\.0\d\d\nstep 60, loss 0\.00\d\nfound 2[67] of 27 voxels$/,
  // -1 / (1 + e), 0, 2 / (1 + e^-2), and their derivatives.
  'custom-op.ts': /^swish -0\.269 0\.000 1\.762\nslope 0\.072 0\.500 1\.091$/,
  'multi-class.ts':
    /^step 25, loss \d\.\d\d\n[\s\S]*\nstep 100, loss 0\.\d\d\n9[789]\.\d % of the voxels right$/,
  'segment-a-scan.ts': /^1: \d+\.\d\d ml, (left|right), at [-\d. ]+ mm, true\n2: /,
  'tiny-network.ts': /^1 0\.[5-9]\d+\n2 [\s\S]*\n60 0\.[0-3]\d+\nlargest 0\.[89]\d+$/,
};

const examples = readdirSync(FOLDER).filter((name) => !name.endsWith('.test.ts'));

describe('the examples', () => {
  it('are all known here, are at most a page, import the package by its name, and the page on the library links to them', () => {
    expect(examples).toEqual(Object.keys(PRINTS).sort());
    const page = readFileSync(join(ROOT, 'src/docs/library.md'), 'utf8');
    for (const name of examples) {
      const text = readFileSync(join(FOLDER, name), 'utf8');
      expect(text.split('\n').length, name).toBeLessThanOrEqual(100);
      const imports = [...text.matchAll(/from '([^']+)'/g)].map(([, from]) => from!);
      expect(imports.length, name).toBeGreaterThan(0);
      for (const from of imports) expect(from, name).toMatch(/^(voxelgrad(\/\w+)?|zod\/mini)$/);
      expect(page).toContain(`(../../test/examples/${name})`);
    }
  });

  it('begin with a network that is trained in at most 12 lines', () => {
    const text = readFileSync(join(FOLDER, 'tiny-network.ts'), 'utf8');
    const lines = text.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('//'));
    expect(lines.filter((line) => !line.startsWith('import')).length).toBeLessThanOrEqual(12);
  });

  it.each(Object.entries(PRINTS))('%s runs', { timeout: 300_000 }, async (name, prints) => {
    const words = ['--import', 'tsx', join(FOLDER, name)];
    const { stdout } = await promisify(execFile)(process.execPath, words, { cwd: ROOT });
    expect(stdout.trim()).toMatch(prints);
  });
});
