/**
 * What real multiple-sclerosis lesions are like, as numbers. Measured on the 29 consensus masks of Lesjak
 * et al. 2017 (doi:10.1007/s12021-017-9348-7) at 1 mm, components 26-connected, distances to the lateral
 * ventricles of the ICBM152 template on the same grid. `bench/phantom-calibration.ts` prints the same
 * figures for real masks and for phantoms.
 */

/** Quantiles of a patient's total lesion volume (ml): 0.3 to 52, median 14, near log-normal. */
const LOAD_QUANTILES: readonly (readonly [quantile: number, ml: number])[] = [
  [0, 0.32],
  [0.1, 0.99],
  [0.25, 2.4],
  [0.5, 14.3],
  [0.75, 29.9],
  [0.9, 42],
  [1, 52],
];

/** A lesion load (ml) for a quantile in [0, 1], log-linear between the measured quantiles. */
export function loadAtQuantile(quantile: number): number {
  let [lowQ, lowMl] = LOAD_QUANTILES[0]!;
  for (const [q, ml] of LOAD_QUANTILES) {
    if (quantile <= q && q > lowQ) {
      const t = (quantile - lowQ) / (q - lowQ);
      return Math.exp(Math.log(lowMl) + t * (Math.log(ml) - Math.log(lowMl)));
    }
    lowQ = q;
    lowMl = ml;
  }
  return lowMl;
}

/**
 * ln(components) = 3.32 + 0.46 ln(ml), residual deviation 0.57 (correlation .77). The intercept is raised a little,
 * because some of the lesions that are placed run together.
 */
export const COUNT_INTERCEPT = 3.35;
export const COUNT_SLOPE = 0.46;
export const COUNT_DEVIATION = 0.57;

/** Volumes of components away from the ventricles: ln(mm3) about ln(17), deviation 1.3. */
export const SMALL_LESION_MEDIAN = 17;
export const SMALL_LESION_DEVIATION = 1.3;
/** A tenth of the components are smaller than this (mm3); raters draw few of them on purpose. */
export const SMALLEST_LESION = 5;

/**
 * Share of the volume in components that touch the ventricles (within 3 mm): about .3 at 0.5 ml, .5 at 2 ml,
 * .75 at 15 ml, .88 at 50 ml, deviation .17.
 */
export function periventricularShare(ml: number): number {
  return 0.38 + 0.12 * Math.log(ml);
}
export const PERIVENTRICULAR_DEVIATION = 0.15;

/** Relative semi-axes of components of 100 to 2000 mm3: root mean square extents .51 : .80 : 1.42. */
export const SEMI_AXES = [0.56, 0.85, 1.45] as const;
