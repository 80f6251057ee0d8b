import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { filesBelow, readText } from './sources.ts';

const ROOT = new URL('../../', import.meta.url);
const PAGES = ['README.md', 'bench/README.md', 'bench/notebook.md', ...filesBelow('src/docs', '.md')];

/** What a heading is addressed by, as GitHub does it. */
const anchor = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replace(/\s/g, '-');

const anchorsOf = (page: string): string[] =>
  [...readText(page).matchAll(/^#+ (.*)$/gm)].map((match) => anchor(match[1]!));

describe('the pages', () => {
  it.each(PAGES)('%s links to files and headings that there are', (page) => {
    const links = [...readText(page).matchAll(/\]\(([^)\s]+)[^)]*\)/g)].map((match) => match[1]!);
    const missing = links
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => {
        const [path = '', part] = link.split('#');
        const target = path === '' ? new URL(page, ROOT) : new URL(path, new URL(page, ROOT));
        if (!existsSync(target)) return true;
        return part !== undefined && !anchorsOf(target.pathname.slice(ROOT.pathname.length)).includes(part);
      });
    expect(missing).toEqual([]);
  });

  it('of src/docs are all in its index, and README leads there', () => {
    const index = readText('src/docs/README.md');
    const pages = filesBelow('src/docs', '.md').map((path) => path.slice('src/docs/'.length));
    expect(pages.filter((page) => page !== 'README.md' && !index.includes(`](${page})`))).toEqual([]);
    expect(readText('README.md')).toContain('](src/docs/README.md)');
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
