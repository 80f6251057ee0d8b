import { ShapeError, UsageError } from '../../core/errors.ts';
import { formatShape, type Shape, sameShape, sizeOf } from '../../core/shape.ts';
import { expectActivation, expectInputs, expectRule, expectTensor } from '../tape/check.ts';
import { read, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';
import { COEFFICIENTS, labelGradient, labelSums, MOST_LABELS } from './label-sums.ts';

/**
 * The overlap term. For one pool of voxels and label l: P = Σ p, R = Σ r, I = Σ r p over the pool's voxels, where p
 * is the softmax of the logits and r the target probability.
 * - `generalized-dice` (Sudre 2017): 1 - (2 Σ w I + s) / (Σ w (P + R) + s) over ALL labels, background included:
 *   for a head of one label {background, label}, of three {background, GM, WM, CSF}. The weights are taken
 *   relative to the pool's largest, which the ratio does not feel, so that s = 1e-5 counts in voxels. A label
 *   without truth gets the largest weight that a label with truth has (as NiftyNet and MONAI do), so false
 *   positives are punished in a pool without that label.
 * - `dice`: 1 - (2 I + s) / (P + R + s), averaged over the FOREGROUND labels ({label}; {GM, WM, CSF}): the paper's
 *   eq. 1 with the parenthesis fixed; the weight cancels. A pool without truth leaves next to no gradient (s / P²),
 *   of the right sign; pool over the batch, or use the generalised loss, where that matters.
 * - `literal`: 1 - 2 w I / (w R + P), w = 1 / R², averaged over the FOREGROUND labels: the paper's eq. 1 as printed,
 *   without smoothing. Flat: a perfect prediction of n voxels scores 1 - 2 / (1 + n²). Without truth, where the
 *   printed formula is 0 / 0, it is 1 with gradient 0.
 */
export type OverlapLoss = 'generalized-dice' | 'dice' | 'literal';

/** Weight of a label in `generalized-dice`: 1 / R², 1 / R or 1. The other losses have none. */
export type LabelWeights = 'square' | 'simple' | 'uniform';

/**
 * The true-positive-rate term, averaged over the FOREGROUND labels ({label}; {GM, WM, CSF}); 0 with gradient 0 for
 * a label without truth.
 * - `+tpr`: 2 I / R, the paper's eqs. 2 and 3 as printed, factor 2 included. Minimised, it rewards misses: with
 *   `literal` the best constant prediction is the empty mask, and the empty mask beats the perfect one.
 * - `1-tpr`: 1 - I / R, the correction.
 */
export type TprTerm = 'off' | '1-tpr' | '+tpr';

/** Which loss: overlap + tprWeight · TPR term + crossEntropy · cross entropy. */
export interface SegmentationLossSettings {
  readonly loss: OverlapLoss;
  readonly weights: LabelWeights;
  readonly tpr: TprTerm;
  /** λ of the TPR term; at least 0, eq. 3 has 1. */
  readonly tprWeight: number;
  /** Weight of the cross entropy -Σ r log p over ALL labels, averaged over the batch's voxels; at least 0. */
  readonly crossEntropy: number;
  /** Whose sums make one ratio: each item's (the loss is the mean over items), or the whole batch's. */
  readonly pool: 'item' | 'batch';
}

/** Settings of the loss, and what it is compared with. */
export interface SegmentationLossAttributes extends SegmentationLossSettings {
  /**
   * Probabilities of the foreground labels, [N, L - 1, D, H, W]; the background's is 1 - their sum. Soft targets (a
   * mean of raters, probability maps) are allowed.
   */
  readonly target: Tensor;
  /** A fixed tensor [3] for the overlap term, the TPR term and the cross entropy, each before its weight. */
  readonly parts?: Tensor;
}

/** What backward needs beyond logits and target: derivatives by P and I of each label, [N, 64], 2 L of them used. */
export interface SegmentationLossSaved {
  readonly coefficients: Tensor;
}

/** The paper's intent for the single-task net: generalised Dice, no TPR term. */
export const DEFAULT_LOSS: SegmentationLossSettings = {
  loss: 'generalized-dice',
  weights: 'square',
  tpr: 'off',
  tprWeight: 1,
  crossEntropy: 0,
  pool: 'item',
};

/** Added to numerator and denominator of both Dice losses, in voxels. */
export const SMOOTH = 1e-5;

/** A label whose truth in a pool sums to less than this (in voxels) counts as absent. */
export const LEAST_TRUTH = 0.5;

const LOSSES: readonly OverlapLoss[] = ['generalized-dice', 'dice', 'literal'];
const WEIGHTS: readonly LabelWeights[] = ['square', 'simple', 'uniform'];
const TPR_TERMS: readonly TprTerm[] = ['off', '1-tpr', '+tpr'];
/**
 * Overlap loss, TPR term and cross entropy of logits [N, L, D, H, W] against {@link SegmentationLossAttributes.target}
 * as a scalar [1]. The sums are taken in a fixed order; the gradient kernel reads logits and targets once.
 * Finite logits give a finite loss and gradient, whatever the truth.
 */
export const segmentationLoss: Op<SegmentationLossAttributes, SegmentationLossSaved> = {
  name: 'segmentation-loss',

  shape(inputs: readonly Shape[], { target, parts, ...settings }): Shape {
    const [logits] = expectInputs('segmentation-loss', inputs, 1);
    const [items, labels, ...volume] = expectActivation('segmentation-loss', logits, inputs);
    expectRule(
      'segmentation-loss',
      labels >= 2 && labels <= MOST_LABELS,
      `logits hold 2 to ${MOST_LABELS} labels, of which the first is background`,
      inputs,
    );
    expectTensor('segmentation-loss', 'target', target, inputs);
    if (!sameShape(target.shape, [items, labels - 1, ...volume]))
      throw new ShapeError(
        'segmentation-loss',
        'the target has one channel a foreground label, one fewer than the logits, and the same volume',
        `target ${formatShape(target.shape)} for logits ${formatShape(logits!)}`,
      );
    if (parts && !sameShape(parts.shape, [3]))
      throw new ShapeError('segmentation-loss', 'parts holds 3 values', formatShape(parts.shape));
    for (const name of ['tprWeight', 'crossEntropy'] as const)
      if (!(settings[name] >= 0 && Number.isFinite(settings[name])))
        throw new UsageError(`segmentation-loss: ${name} is at least 0 and finite; got ${settings[name]}`, {
          hint: 'A negative weight would reward what the term punishes.',
        });
    return [1];
  },

  forward(emit, [logits], output, { target, parts, ...settings }): SegmentationLossSaved {
    const [items, labels, ...volume] = logits!.shape as [number, number, ...number[]];
    const sums = labelSums(emit, 'segmentation-loss', 'softmax', logits!, target);
    const coefficients = emit.scratch('loss coefficients', [items, COEFFICIENTS]);
    emit.run({
      label: 'segmentation-loss/combine',
      kernel: { file: 'segmentation-loss.wgsl', entry: 'combine', spec: { LABELS: labels } },
      bindings: [
        read(sums),
        write(output),
        write(parts ?? emit.scratch('loss parts', [3])),
        write(coefficients),
      ],
      params: {
        items,
        items_per_pool: settings.pool === 'item' ? 1 : items,
        loss: LOSSES.indexOf(settings.loss),
        weights: WEIGHTS.indexOf(settings.weights),
        tpr: TPR_TERMS.indexOf(settings.tpr),
        tpr_weight: { f32: settings.tprWeight },
        cross_entropy: { f32: settings.crossEntropy },
        smoothing: { f32: SMOOTH },
        voxels: { f32: items * sizeOf(volume) },
      },
      workgroups: [1, 1, 1],
    });
    return { coefficients };
  },

  backward({ inputs: [logits], attributes: { target, crossEntropy }, saved: { coefficients } }, gradOutput) {
    const [items, , ...volume] = logits!.shape as [number, number, ...number[]];
    const gradient = {
      activation: 'softmax',
      logits: logits!,
      target,
      coefficients,
      gradOutput,
      crossEntropy: crossEntropy / (items * sizeOf(volume)),
    } as const;
    return [
      (emit, gradInput, accumulate) => {
        labelGradient(emit, 'segmentation-loss', gradient, gradInput, accumulate);
      },
    ];
  },
};
