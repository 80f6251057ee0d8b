import { Random } from '../../core/random.ts';

/** Up to so many patients all flips are counted (16,384); beyond, so many random ones are drawn. */
export const EXACT_PATIENTS = 14;
export const DRAWN_FLIPS = 10_000;

/**
 * Two-sided p of paired differences, one a patient: among all ways to turn the signs of the differences round, the share
 * whose mean lies as far from 0 as the observed one (Fisher's randomisation test; Winkler 2014). It supposes only that a
 * difference without an effect is as often above 0 as below it, and it cannot fall below 2 / 2^n: five patients reach
 * 1/16 at best. Beyond {@link EXACT_PATIENTS} the flips are drawn, with equal draws for equal seeds.
 *
 * @returns 0 to 1; NaN for no difference at all
 */
export function signFlipP(differences: readonly number[], seed = 1): number {
  const n = differences.length;
  if (n === 0) return Number.NaN;
  const observed = Math.abs(differences.reduce((sum, d) => sum + d, 0));
  // Sums in another order differ in their last bits.
  const far = observed - 1e-9 * differences.reduce((sum, d) => sum + Math.abs(d), 0);
  const count = (flips: number, negative: (flip: number, patient: number) => boolean): number => {
    let reached = 0;
    for (let flip = 0; flip < flips; flip++) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += negative(flip, i) ? -differences[i]! : differences[i]!;
      if (Math.abs(sum) >= far) reached++;
    }
    return reached;
  };
  if (n <= EXACT_PATIENTS) return count(2 ** n, (flip, i) => ((flip >> i) & 1) === 1) / 2 ** n;
  const random = new Random(seed).fork('sign flips');
  return (1 + count(DRAWN_FLIPS, () => random.integer(2) === 1)) / (1 + DRAWN_FLIPS);
}
