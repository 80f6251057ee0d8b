import { describe, expect, it } from 'vitest';
import { ceilDiv, formatShape, roundUp, sameShape, sizeOf } from '../../src/core/shape.ts';

describe('shape', () => {
  it('counts elements', () => {
    expect(sizeOf([2, 16, 64, 64, 64])).toBe(8_388_608);
    expect(sizeOf([])).toBe(1);
    expect(sizeOf([3, 0, 5])).toBe(0);
  });

  it('formats for messages', () => {
    expect(formatShape([2, 16, 7])).toBe('2x16x7');
    expect(formatShape([5])).toBe('5');
    expect(formatShape([])).toBe('scalar');
  });

  it('compares rank and extents', () => {
    expect(sameShape([2, 3], [2, 3])).toBe(true);
    expect(sameShape([2, 3], [3, 2])).toBe(false);
    expect(sameShape([2, 3], [2, 3, 1])).toBe(false);
    expect(sameShape([], [])).toBe(true);
  });

  it('rounds up', () => {
    expect([0, 1, 64, 65].map((n) => roundUp(n, 64))).toEqual([0, 64, 64, 128]);
    expect([0, 1, 4, 5].map((n) => ceilDiv(n, 4))).toEqual([0, 1, 1, 2]);
  });
});
