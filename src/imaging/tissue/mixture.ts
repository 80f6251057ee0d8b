import { cholesky } from '../../core/cholesky.ts';

/** Gaussians of each tissue, in the order GM, WM, CSF. */
export const GAUSSIANS_PER_TISSUE = [2, 1, 2] as const;
/** Gaussians in all. */
export const GAUSSIANS: number = GAUSSIANS_PER_TISSUE.reduce<number>((sum, n) => sum + n, 0);

/** Added to every variance, in units of the image's squared mean: keeps a Gaussian from closing in on one value. */
const LEAST_VARIANCE = 1e-4;

/** One Gaussian of a tissue. */
export interface Gaussian {
  /** 0 GM, 1 WM, 2 CSF. */
  readonly tissue: number;
  readonly mean: Float64Array;
  /** [channels, channels] */
  readonly covariance: Float64Array;
  /** Share of its tissue. */
  readonly mix: number;
}

/** Numbers of a Gaussian in a packed model, and of its sums. */
export interface ModelLayout {
  readonly channels: number;
  readonly model: number;
  readonly moments: number;
}

/** Sizes for a number of channels. */
export function modelLayout(channels: number): ModelLayout {
  const square = channels * channels;
  return { channels, model: 2 * channels + square + 1, moments: 1 + channels + square };
}

/** The tissue of Gaussian g. */
export function tissueOf(g: number): number {
  const [gm, wm] = GAUSSIANS_PER_TISSUE;
  return Number(g >= gm) + Number(g >= gm + wm);
}

/**
 * The Gaussians that fit best (the maximisation step).
 *
 * @param sums [Gaussian, moment, lane]: of r, of r d, of r d dᵀ, d measured from `centres`
 * @param centres [Gaussian][channel]
 */
export function fitGaussians(
  sums: Float32Array | Float64Array,
  centres: readonly Float64Array[],
  channels: number,
): Gaussian[] {
  const { moments } = modelLayout(channels);
  const lanes = sums.length / (GAUSSIANS * moments);
  const totals = Array.from({ length: GAUSSIANS }, (_, g) =>
    Float64Array.from({ length: moments }, (__, m) => {
      let total = 0;
      const start = (g * moments + m) * lanes;
      for (let lane = 0; lane < lanes; lane++) total += sums[start + lane]!;
      return total;
    }),
  );
  const ofTissue = [0, 0, 0];
  totals.forEach((total, g) => {
    ofTissue[tissueOf(g)]! += total[0]!;
  });
  return totals.map((total, g) => {
    const weight = total[0]! + 1e-9;
    const offset = Float64Array.from({ length: channels }, (_, c) => total[1 + c]! / weight);
    const covariance = new Float64Array(channels * channels);
    for (let c = 0; c < channels; c++)
      for (let e = 0; e < channels; e++) {
        // The two halves are the same sums, rounded in another order.
        const both = total[1 + channels + c * channels + e]! + total[1 + channels + e * channels + c]!;
        covariance[c * channels + e] = both / 2 / weight - offset[c]! * offset[e]!;
      }
    for (let c = 0; c < channels; c++)
      covariance[c * (channels + 1)] = Math.max(0, covariance[c * (channels + 1)]!) + LEAST_VARIANCE;
    const tissue = tissueOf(g);
    const mean = offset.map((d, c) => d + centres[g]![c]!);
    return { tissue, mean, covariance, mix: weight / (ofTissue[tissue]! + 1e-9) };
  });
}

/** The Gaussians as the kernels read them: means, 1 / variances, precision matrix, log weight. */
export function packModel(gaussians: readonly Gaussian[], channels: number): Float32Array {
  const { model } = modelLayout(channels);
  const out = new Float32Array(gaussians.length * model);
  gaussians.forEach(({ mean, covariance, mix }, g) => {
    const { precision, logDeterminant } = invert(covariance, channels);
    let at = g * model;
    for (let c = 0; c < channels; c++) out[at++] = mean[c]!;
    for (let c = 0; c < channels; c++) out[at++] = 1 / covariance[c * (channels + 1)]!;
    for (let c = 0; c < channels; c++)
      for (let e = 0; e < channels; e++) out[at++] = precision[c * channels + e]!;
    out[at] = Math.log(mix + 1e-9) - 0.5 * logDeterminant;
  });
  return out;
}

function invert(
  matrix: Float64Array,
  n: number,
): { readonly precision: Float64Array; readonly logDeterminant: number } {
  const lower = cholesky(matrix, n);
  // Columns of L^-1, then A^-1 = L^-T L^-1.
  const inverse = new Float64Array(n * n);
  for (let column = 0; column < n; column++)
    for (let row = column; row < n; row++) {
      let value = row === column ? 1 : 0;
      for (let k = column; k < row; k++) value -= lower[row * n + k]! * inverse[k * n + column]!;
      inverse[row * n + column] = value / lower[row * n + row]!;
    }
  const precision = new Float64Array(n * n);
  let logDeterminant = 0;
  for (let i = 0; i < n; i++) {
    logDeterminant += 2 * Math.log(lower[i * (n + 1)]!);
    for (let j = 0; j < n; j++)
      for (let k = Math.max(i, j); k < n; k++)
        precision[i * n + j]! += inverse[k * n + i]! * inverse[k * n + j]!;
  }
  return { precision, logDeterminant };
}

/**
 * Where the mixture starts: k-means of the T1 values into CSF (dark), GM, WM (bright), from the 10th, 45th and 85th
 * percentile; a tissue of two Gaussians is cut at its mean.
 * @param t1 one value a voxel
 * @returns the Gaussian of each voxel
 */
export function initialGaussians(t1: Float32Array): Uint8Array {
  const sorted = t1.toSorted();
  const bins = 4096;
  const [low, high] = [sorted[0]!, sorted.at(-1)!];
  const width = Math.max(high - low, 1e-12) / bins;
  const binOf = (value: number): number => Math.min(bins - 1, Math.floor((value - low) / width));
  const counts = new Float64Array(bins);
  for (const value of t1) counts[binOf(value)]!++;
  const middle = (bin: number): number => low + (bin + 0.5) * width;
  const nearest = (value: number, centres: readonly number[]): number =>
    centres.reduce((best, c, k) => (Math.abs(value - c) < Math.abs(value - centres[best]!) ? k : best), 0);
  let centres = [0.1, 0.45, 0.85].map((share) => sorted[Math.floor(share * (sorted.length - 1))]!);
  for (let round = 0; round < 30; round++) {
    const sums = [0, 0, 0];
    const weights = [0, 0, 0];
    counts.forEach((count, bin) => {
      const k = nearest(middle(bin), centres);
      sums[k]! += count * middle(bin);
      weights[k]! += count;
    });
    centres = centres.map((c, k) => (weights[k]! > 0 ? sums[k]! / weights[k]! : c));
  }
  // Clusters run dark to bright: CSF, GM, WM.
  const firstGaussian = [GAUSSIANS_PER_TISSUE[0] + GAUSSIANS_PER_TISSUE[1], 0, GAUSSIANS_PER_TISSUE[0]];
  const ofBin = Uint8Array.from({ length: bins }, (_, bin) => {
    const cluster = nearest(middle(bin), centres);
    const first = firstGaussian[cluster]!;
    const twofold = GAUSSIANS_PER_TISSUE[tissueOf(first)] === 2;
    return first + Number(twofold && middle(bin) >= centres[cluster]!);
  });
  return Uint8Array.from(t1, (value) => ofBin[binOf(value)]!);
}
