import { describe, expect, it } from 'vitest';
import { exportsOf, namespaceOf } from './entries.ts';
import { filesBelow, readText } from './sources.ts';

const MAIN = 'src/index.ts';
const SUB = filesBelow('src/entries', '.ts').filter((path) => !path.endsWith('/page.ts'));

function withoutDoc(path: string): string[] {
  return exportsOf(path)
    .filter(({ doc }) => doc.replace(/[\s/*]/g, '').length < 10)
    .map(({ name, path: from }) => `${name}, in ${from}`);
}

describe('the entries of the package', () => {
  it('are those that package.json names', () => {
    const { exports } = JSON.parse(readText('package.json')) as { exports: Record<string, object> };
    const names = SUB.map((path) => `./${path.split('/').pop()!.replace('.ts', '')}`);
    expect(Object.keys(exports).sort()).toEqual(['.', './node', ...names].sort());
  });

  it('have a main one of about 40 values, each name once', () => {
    const names = exportsOf(MAIN);
    const values = names.filter(({ isType }) => !isType);
    expect(values.length).toBeGreaterThan(30);
    expect(values.length).toBeLessThanOrEqual(50);
    expect(new Set(names.map(({ name }) => name)).size).toBe(names.length);
  });

  it.each([MAIN, ...SUB, 'src/node.ts'])('%s documents what it exports', (path) => {
    expect(exportsOf(path).length).toBeGreaterThan(5);
    expect(withoutDoc(path)).toEqual([]);
  });

  it.each(['nn'])('the layers and functions of `%s` are documented', (name) => {
    const all = namespaceOf(MAIN, name);
    expect(all.length).toBeGreaterThan(8);
    expect(all.filter(({ doc }) => doc === '').map((each) => each.name)).toEqual([]);
  });
});
