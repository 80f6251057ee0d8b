import type { SegmentationLossSettings } from '../../src/engine/loss/segmentation-loss.ts';
import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

const SMOOTH = 1e-5;

/** Value of one pool as a function of each label's sums, and its derivatives by p-sum and rp-sum. */
interface PoolTerms {
  overlap: number;
  tpr: number;
  readonly byP: number[];
  readonly byRp: number[];
}

/** What the loss is made of, before the weights. */
export interface LossParts {
  readonly overlap: number;
  readonly tpr: number;
  readonly crossEntropy: number;
}

/** Softmax over labels and targets with background, as [item][label][voxel]. */
function probabilities(logits: Nd, target: Nd): { p: number[][][]; r: number[][][]; logP: number[][][] } {
  const [items, labels] = logits.shape as [number, number];
  const voxels = logits.data.length / (items * labels);
  const p: number[][][] = [];
  const r: number[][][] = [];
  const logP: number[][][] = [];
  for (let n = 0; n < items; n++) {
    const make = (): number[][] => Array.from({ length: labels }, () => new Array<number>(voxels).fill(0));
    const [pn, rn, ln] = [make(), make(), make()];
    for (let v = 0; v < voxels; v++) {
      const z = Array.from({ length: labels }, (_, l) => logits.data[(n * labels + l) * voxels + v]!);
      const highest = Math.max(...z);
      const logTotal = highest + Math.log(z.reduce((sum, x) => sum + Math.exp(x - highest), 0));
      rn[0]![v] = 1;
      for (let l = 1; l < labels; l++) {
        rn[l]![v] = target.data[(n * (labels - 1) + l - 1) * voxels + v]!;
        rn[0]![v]! -= rn[l]![v]!;
      }
      for (let l = 0; l < labels; l++) {
        ln[l]![v] = z[l]! - logTotal;
        pn[l]![v] = Math.exp(ln[l]![v]!);
      }
    }
    p.push(pn);
    r.push(rn);
    logP.push(ln);
  }
  return { p, r, logP };
}

function poolTerms(P: number[], R: number[], I: number[], settings: SegmentationLossSettings): PoolTerms {
  const labels = P.length;
  const foreground = labels - 1;
  const terms: PoolTerms = { overlap: 0, tpr: 0, byP: P.map(() => 0), byRp: P.map(() => 0) };
  const present = R.map((sum) => sum >= 0.5);
  if (settings.loss === 'generalized-dice') {
    const exponent = { square: 2, simple: 1, uniform: 0 }[settings.weights];
    const finite = R.map((sum, l) => (present[l] ? sum ** -exponent : 0));
    const largest = Math.max(...finite);
    const w = finite.map((weight, l) => (present[l] ? weight / largest : 1));
    const numerator = 2 * w.reduce((sum, weight, l) => sum + weight * I[l]!, 0) + SMOOTH;
    const denominator = w.reduce((sum, weight, l) => sum + weight * (P[l]! + R[l]!), 0) + SMOOTH;
    terms.overlap = 1 - numerator / denominator;
    w.forEach((weight, l) => {
      terms.byP[l] = (numerator * weight) / denominator ** 2;
      terms.byRp[l] = (-2 * weight) / denominator;
    });
  } else {
    for (let l = 1; l < labels; l++) {
      if (settings.loss === 'dice') {
        const denominator = P[l]! + R[l]! + SMOOTH;
        terms.overlap += (1 - (2 * I[l]! + SMOOTH) / denominator) / foreground;
        terms.byP[l] = (2 * I[l]! + SMOOTH) / denominator ** 2 / foreground;
        terms.byRp[l] = -2 / denominator / foreground;
      } else if (present[l]) {
        const w = 1 / R[l]! ** 2;
        const denominator = w * R[l]! + P[l]!;
        terms.overlap += (1 - (2 * w * I[l]!) / denominator) / foreground;
        terms.byP[l] = (2 * w * I[l]!) / denominator ** 2 / foreground;
        terms.byRp[l] = (-2 * w) / denominator / foreground;
      } else terms.overlap += 1 / foreground;
    }
  }
  for (let l = 1; l < labels && settings.tpr !== 'off'; l++) {
    if (!present[l]) continue;
    const rate = I[l]! / R[l]!;
    const printed = settings.tpr === '+tpr';
    terms.tpr += (printed ? 2 * rate : 1 - rate) / foreground;
    terms.byRp[l]! += ((printed ? 2 : -1) * settings.tprWeight) / R[l]! / foreground;
  }
  return terms;
}

function evaluate(
  logits: Nd,
  target: Nd,
  settings: SegmentationLossSettings,
): { parts: LossParts; grad: Nd } {
  const { p, r, logP } = probabilities(logits, target);
  const items = p.length;
  const labels = p[0]!.length;
  const voxels = p[0]![0]!.length;
  const pools =
    settings.pool === 'item' ? p.map((_, n) => [n]) : [Array.from({ length: items }, (_, n) => n)];
  const grad = zeros(logits.shape);
  let overlap = 0;
  let tpr = 0;
  let crossEntropy = 0;
  for (const pool of pools) {
    const total = (of: (n: number, l: number, v: number) => number): number[] =>
      Array.from({ length: labels }, (_, l) => {
        let sum = 0;
        for (const n of pool) for (let v = 0; v < voxels; v++) sum += of(n, l, v);
        return sum;
      });
    const terms = poolTerms(
      total((n, l, v) => p[n]![l]![v]!),
      total((n, l, v) => r[n]![l]![v]!),
      total((n, l, v) => p[n]![l]![v]! * r[n]![l]![v]!),
      settings,
    );
    overlap += terms.overlap / pools.length;
    tpr += terms.tpr / pools.length;
    const entropies = total((n, l, v) => -r[n]![l]![v]! * logP[n]![l]![v]!);
    crossEntropy += entropies.reduce((sum, x) => sum + x, 0) / (items * voxels);
    for (const n of pool) {
      for (let v = 0; v < voxels; v++) {
        const byP = terms.byP.map((b, l) => (b + terms.byRp[l]! * r[n]![l]![v]!) / pools.length);
        const mean = byP.reduce((sum, b, l) => sum + b * p[n]![l]![v]!, 0);
        for (let l = 0; l < labels; l++) {
          const ce = (settings.crossEntropy / (items * voxels)) * (p[n]![l]![v]! - r[n]![l]![v]!);
          grad.data[(n * labels + l) * voxels + v] = p[n]![l]![v]! * (byP[l]! - mean) + ce;
        }
      }
    }
  }
  return { parts: { overlap, tpr, crossEntropy }, grad };
}

/** The terms of the loss in float64. */
export function lossParts(logits: Nd, target: Nd, settings: SegmentationLossSettings): LossParts {
  return evaluate(logits, target, settings).parts;
}

/** Inputs are [logits, target]; the target has no gradient. */
export const segmentationLossReference: Reference<SegmentationLossSettings> = {
  forward: ([logits, target], settings) => {
    const { overlap, tpr, crossEntropy } = lossParts(logits!, target!, settings);
    const value = overlap + settings.tprWeight * tpr + settings.crossEntropy * crossEntropy;
    return { shape: [1], data: Float64Array.of(value) };
  },
  backward: ([logits, target], settings, gradOutput) => {
    const { grad } = evaluate(logits!, target!, settings);
    return [{ shape: grad.shape, data: grad.data.map((g) => g * gradOutput.data[0]!) }, null];
  },
};
