import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseModelList } from '../../src/engine/checkpoint/model-list.ts';
import { formatPolicy } from '../../src/platform/content-policy.ts';
import { buildWeb } from '../support/chromium.ts';

const WEB = fileURLToPath(new URL('../../dist/web', import.meta.url));
const read = (path: string): string => readFileSync(join(WEB, path), 'utf8');

/** Bytes, gzipped, of the scripts and styles with these names and of all that they load before they run. */
function loadedBytes(pattern: RegExp, count: number): number {
  const names = readdirSync(join(WEB, 'assets')).filter((name) => pattern.test(name));
  expect(names).toHaveLength(count);
  const loaded = new Set(names);
  for (const name of loaded)
    for (const [, other] of read(`assets/${name}`).matchAll(/\b(?:from|import)"\.\/([^"]+\.js)"/g))
      loaded.add(other!);
  expect(loaded.size).toBeGreaterThan(count);
  const bytes = [...loaded].map((name) => gzipSync(read(`assets/${name}`), { level: 9 }).length);
  return bytes.reduce((sum, size) => sum + size, 0);
}

describe('the built app', () => {
  beforeAll(() => {
    buildWeb();
  });

  it('names its files relative to itself and carries the policy', () => {
    const index = read('index.html');
    const links = [...index.matchAll(/(?:src|href)="([^"]+)"/g)].map((match) => match[1]!);
    expect(links.length).toBeGreaterThan(2);
    for (const link of links) expect(link).toMatch(/^\.\//);
    expect(index.replaceAll('&#39;', "'")).toContain(formatPolicy('meta'));
    expect(index).not.toMatch(/<script>|style="| on\w+="/);
  });

  it('starts with at most 60 kB of script and style, gzipped, and has a model at 120 kB', () => {
    expect(loadedBytes(/^(index|engine-worker)-/, 3)).toBeLessThan(60_000);
    expect(loadedBytes(/^(index|engine-worker|loaded-models)-/, 4)).toBeLessThan(120_000);
  });

  it('lists models that are there, the default first, each below 4 MB', () => {
    const models = parseModelList(read('models.json'), 'models.json');
    expect(models.map(({ file }) => file)).toEqual([
      'models/ms-lesions.safetensors',
      'models/phantoms.safetensors',
    ]);
    for (const { file } of models) expect(readFileSync(join(WEB, file)).length).toBeLessThan(4e6);
  });

  it('keeps for offline visits every file that the app loads', () => {
    const worker = read('service-worker.js');
    for (const name of readdirSync(join(WEB, 'assets'))) expect(worker).toContain(`assets/${name}`);
    expect(worker).toContain('models/phantoms.safetensors');
    expect(worker).not.toContain('__OFFLINE_FILES__');
  });

  it('has the licences of what is in it', () => {
    for (const name of ['@niivue/niivue', 'lit-html', 'fflate', 'gl-matrix', 'nifti-reader-js'])
      expect(read('licenses.md')).toContain(`## ${name}`);
  });
});
