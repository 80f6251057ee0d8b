import { describe, expect, it } from 'vitest';
import { incompleteSets } from './completeness.ts';
import { filesBelow, readAll } from './sources.ts';

describe('every op and loss', () => {
  it('has its shader, reference, cases, test and bench, and nothing is left over', () => {
    const paths = ['src', 'shaders', 'test', 'bench']
      .flatMap((folder) => [...filesBelow(folder, '.ts'), ...filesBelow(folder, '.wgsl')])
      .filter((path) => !path.endsWith('.generated.ts'));
    const files = readAll(paths);
    expect(
      [...files.keys()].filter((path) => /^src\/engine\/(ops|loss)\/[^/]+$/.test(path)).length,
    ).toBeGreaterThan(2);
    expect(incompleteSets(files)).toEqual([]);
  });
});

describe('the check', () => {
  const complete: readonly (readonly [string, string])[] = [
    ['src/engine/ops/relu.ts', "name: 'relu', file: 'relu.wgsl'"],
    ['shaders/relu.wgsl', '//!include common/walk.wgsl\n'],
    ['shaders/common/walk.wgsl', ''],
    ['test/reference/relu.ts', ''],
    ['test/cases/relu.ts', ''],
    ['test/engine/ops/relu.test.ts', ''],
    ['src/pipeline/bench/cases.ts', "import { relu } from '../../engine/ops/relu.ts';"],
    ['src/engine/loss/dice.ts', "export const dice: Op<Dice> = { name: 'dice', file: 'dice.wgsl'"],
    ['src/engine/loss/index.ts', "export { dice } from './dice.ts'"],
    ['shaders/dice.wgsl', ''],
    ['test/reference/dice.ts', ''],
    ['test/cases/dice.ts', ''],
    ['test/engine/loss/dice.test.ts', ''],
  ];

  it('passes a complete project', () => {
    expect(incompleteSets(new Map(complete))).toEqual([]);
  });

  it('lists each file that is missing or left over', () => {
    const without = (path: string): string[] =>
      incompleteSets(new Map(complete.filter(([each]) => each !== path)));
    expect(without('shaders/dice.wgsl')).toEqual(['src/engine/loss/dice.ts: shaders/dice.wgsl is missing']);
    expect(without('test/reference/relu.ts')).toEqual([
      'src/engine/ops/relu.ts: test/reference/relu.ts is missing',
    ]);
    expect(without('test/cases/relu.ts')).toEqual(['src/engine/ops/relu.ts: test/cases/relu.ts is missing']);
    expect(without('test/engine/loss/dice.test.ts')).toEqual([
      'src/engine/loss/dice.ts: test/engine/loss/dice.test.ts is missing',
    ]);
    expect(without('src/pipeline/bench/cases.ts')).toEqual(['src/engine/ops/relu.ts: no bench imports it']);
    expect(without('src/engine/loss/dice.ts')).toEqual([
      'test/reference/dice.ts: no source of src is called dice',
      'test/cases/dice.ts: no source of src is called dice',
      'test/engine/loss/dice.test.ts: src/engine/loss/dice.ts is missing',
      'shaders/dice.wgsl: nothing uses it',
    ]);
    expect(without('shaders/relu.wgsl')).toEqual([
      'src/engine/ops/relu.ts: shaders/relu.wgsl is missing',
      'shaders/common/walk.wgsl: nothing uses it',
    ]);
  });

  it('wants the op to bear the name of its file', () => {
    const renamed = new Map([
      ...complete,
      ['src/engine/ops/relu.ts', "name: 'rectifier', file: 'relu.wgsl'"] as const,
    ]);
    expect(incompleteSets(renamed)).toEqual(['src/engine/ops/relu.ts: its op is not named relu']);
  });
});
