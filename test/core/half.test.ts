import { describe, expect, it } from 'vitest';
import { fromHalves } from '../../src/core/half.ts';
import { toHalves } from '../support/half.ts';

describe('16-bit floats', () => {
  it('stand for the numbers of IEEE 754', () => {
    const bits = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0400, 0x0001, 0x03ff, 0x3555, 0x0000);
    const values = [1, -2, 65504, 2 ** -14, 2 ** -24, 1023 * 2 ** -24, 0.333251953125, 0];
    expect([...fromHalves(bits)]).toEqual(values);
    expect(Object.is(fromHalves(Uint16Array.of(0x8000))[0], -0)).toBe(true);
    expect([...fromHalves(Uint16Array.of(0x7c00, 0xfc00, 0x7e00))]).toEqual([
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
    ]);
  });

  it('come back from every number that they stand for', () => {
    const bits = Uint16Array.from({ length: 1 << 16 }, (_, i) => i).filter((b) => (b & 0x7fff) <= 0x7c00);
    expect(toHalves(fromHalves(bits))).toEqual(bits);
  });

  it('are rounded to by the test helper: to the nearest, ties to even', () => {
    const values = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65519, 65520, 2 ** -25, 1.5 * 2 ** -24];
    expect([...toHalves(values)]).toEqual([0x3c00, 0x3c02, 0x7bff, 0x7c00, 0, 2]);
  });
});
