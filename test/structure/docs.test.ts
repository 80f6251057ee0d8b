import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readText } from './sources.ts';

const ROOT = new URL('../../', import.meta.url);
const PAGES = [
  'README.md',
  'src/docs/architecture.md',
  'src/docs/tasks.md',
  'src/docs/import-export.md',
  'src/docs/training.md',
];

describe('the pages', () => {
  it.each(PAGES)('%s links to files that there are', (page) => {
    const links = [...readText(page).matchAll(/\]\(([^)#\s]+)[^)]*\)/g)].map((match) => match[1]!);
    const local = links.filter((link) => !/^[a-z]+:/.test(link));
    expect(local.length).toBeGreaterThan(0);
    expect(local.filter((link) => !existsSync(new URL(link, new URL(page, ROOT))))).toEqual([]);
  });

  it('the architecture names files and folders that there are, and what packages are made of', () => {
    const text = readText('src/docs/architecture.md');
    const paths = [...text.matchAll(/`((?:src|test|shaders|bench)\/[\w./-]*)`/g)].map((match) => match[1]!);
    expect(paths.length).toBeGreaterThan(15);
    expect(paths.filter((path) => !existsSync(new URL(path, ROOT)))).toEqual([]);
    for (const door of ['core', 'engine', 'imaging', 'pipeline', 'study', 'cli', 'web', 'platform'])
      expect(text).toContain(`\`${door}\``);
  });
});
