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
  // -1 / (1 + e), 0, 2 / (1 + e^-2), and their derivatives.
  'custom-op.ts': /^swish -0\.269 0\.000 1\.762\nslope 0\.072 0\.500 1\.091$/,
};

const examples = readdirSync(FOLDER).filter((name) => !name.endsWith('.test.ts'));

describe('the examples', () => {
  it('are all known here, are at most a page, import the package by its name, and the README links to them', () => {
    expect(examples).toEqual(Object.keys(PRINTS).sort());
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    for (const name of examples) {
      const text = readFileSync(join(FOLDER, name), 'utf8');
      expect(text.split('\n').length, name).toBeLessThanOrEqual(100);
      const imports = [...text.matchAll(/from '([^']+)'/g)].map(([, from]) => from!);
      expect(imports.length, name).toBeGreaterThan(0);
      for (const from of imports) expect(from, name).toMatch(/^voxelgrad(\/\w+)?$/);
      expect(readme).toContain(`(test/examples/${name})`);
    }
  });

  it.each(Object.entries(PRINTS))('%s runs', { timeout: 300_000 }, async (name, prints) => {
    const words = ['--import', 'tsx', join(FOLDER, name)];
    const { stdout } = await promisify(execFile)(process.execPath, words, { cwd: ROOT });
    expect(stdout.trim()).toMatch(prints);
  });
});
