import { describe, expect, it } from 'vitest';
import { parseJson, printableJson } from '../../src/core/json.ts';

describe('parseJson', () => {
  it('reads what JSON.parse reads', () => {
    for (const value of [null, 1, 'a[{"\\', { 'a"[[': ['}', ']', '\\', '\\"'] }, [[[{}]]]])
      expect(parseJson(JSON.stringify(value))).toEqual(value);
    expect(() => parseJson('{"a": }')).toThrow(SyntaxError);
    expect(() => parseJson('"a')).toThrow(SyntaxError);
  });

  it('refuses what is nested too deeply to be looked at, brackets in texts not counted', () => {
    const deep = (levels: number): string => `${'['.repeat(levels)}${']'.repeat(levels)}`;
    expect(parseJson(deep(200))).toBeInstanceOf(Array);
    for (const levels of [201, 100_000])
      expect(() => parseJson(deep(levels))).toThrow('nested more than 200 levels deep');
    expect(() => parseJson(`${'{"a":'.repeat(300)}1${'}'.repeat(300)}`)).toThrow(SyntaxError);
    expect(parseJson(JSON.stringify('['.repeat(1000)))).toBe('['.repeat(1000));
  });
});

describe('printableJson', () => {
  it('means the same, and holds nothing that a terminal obeys', () => {
    const value = { name: '\u001b[2J\u009b31mred\u202eder\u0007' };
    const text = printableJson(value);
    expect(text).toMatch(/^[ -~]*$/);
    expect(JSON.parse(text)).toEqual(value);
  });
});
