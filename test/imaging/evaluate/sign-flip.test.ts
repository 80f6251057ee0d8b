import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DRAWN_FLIPS, EXACT_PATIENTS, signFlipP } from '../../../src/imaging/evaluate/sign-flip.ts';

/** Every sum that flips can make, by halves. */
function sums([first, ...rest]: readonly number[]): number[] {
  if (first === undefined) return [0];
  return sums(rest).flatMap((sum) => [sum + first, sum - first]);
}

describe('signFlipP', () => {
  it('is the share of all flips whose mean is as far from 0', () => {
    // Whole numbers, so that sums in another order are the same.
    const differences = fc.array(fc.integer({ min: -20, max: 20 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(differences, (values) => {
        const observed = Math.abs(values.reduce((sum, v) => sum + v, 0));
        const all = sums(values);
        const expected = all.filter((sum) => Math.abs(sum) >= observed).length / all.length;
        expect(signFlipP(values)).toBe(expected);
        expect(signFlipP(values.map((v) => v / 64))).toBe(expected);
      }),
    );
  });

  it('cannot be small with few patients', () => {
    expect(signFlipP([0.1, 0.2, 0.3, 0.4, 0.5])).toBe(2 / 32);
    expect(signFlipP([0.1, 0.2, 0.3, 0.4, 0.5, 0.1])).toBe(2 / 64);
    // Of seven in ten like values with rounding errors, none is lost.
    expect(signFlipP([0.1, 0.2, 0.3])).toBe(2 / 8);
    expect(signFlipP([0.7])).toBe(1);
    expect(signFlipP([0, 0, 0])).toBe(1);
    expect(signFlipP([])).toBeNaN();
  });

  it('draws flips for many patients, near the exact share, and the same ones for the same seed', () => {
    const many = Array.from({ length: EXACT_PATIENTS + 1 }, (_, i) => Math.sin(3 * i) + 0.3);
    const observed = Math.abs(many.reduce((sum, v) => sum + v, 0));
    const exact = sums(many).filter((sum) => Math.abs(sum) >= observed - 1e-12).length / 2 ** many.length;
    expect(exact).toBeGreaterThan(0.05);
    expect(Math.abs(signFlipP(many) - exact)).toBeLessThan(
      4 * Math.sqrt((exact * (1 - exact)) / DRAWN_FLIPS),
    );
    expect(signFlipP(many, 3)).toBe(signFlipP(many, 3));
    expect(signFlipP(many.map(() => 1))).toBeLessThan(0.001);
    expect(signFlipP(many.map(() => 1))).toBeGreaterThan(0);
  });
});
