import { ShapeError, UsageError } from '../../core/errors.ts';
import { ceilDiv, formatShape, type Shape, sameShape, sizeOf } from '../../core/shape.ts';
import { expectActivation, expectInputs, expectRule } from '../tape/check.ts';
import { type Binding, read, readWrite, slice, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import { inSlabs } from '../tape/slabs.ts';
import type { Tensor } from '../tape/tensor.ts';

/**
 * The overlap term. For one pool of voxels and label l: P = Σ p, R = Σ r, I = Σ r p over the pool's voxels, where p
 * is the softmax of the logits and r the target probability.
 * - `generalized-dice` (Sudre 2017): 1 - (2 Σ w I + s) / (Σ w (P + R) + s) over ALL labels, background included:
 *   {background, lesion} for the lesion head, {background, GM, WM, CSF} for the tissue head. The weights are taken
 *   relative to the pool's largest, which the ratio does not feel, so that s = 1e-5 counts in voxels. A label
 *   without truth gets the largest weight that a label with truth has (as NiftyNet and MONAI do), so false
 *   positives are punished in a pool without lesions.
 * - `dice`: 1 - (2 I + s) / (P + R + s), averaged over the FOREGROUND labels ({lesion}; {GM, WM, CSF}): the paper's
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
 * The true-positive-rate term, averaged over the FOREGROUND labels ({lesion}; {GM, WM, CSF}); 0 with gradient 0 for
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

export interface SegmentationLossAttributes extends SegmentationLossSettings {
  /**
   * Probabilities of the foreground labels, [N, L - 1, D, H, W]; the background's is 1 - their sum. Soft targets (a
   * mean of raters, tissue maps) are allowed.
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
const LANES = 64;
const PER_LANE = 16;
/** Stride of an item's coefficients. */
const COEFFICIENTS = 64;

interface Layout {
  readonly items: number;
  readonly labels: number;
  readonly voxels: number;
  /** Voxels of a lane's step: quadruples where they divide by 4. */
  readonly width: 1 | 4;
  /** Voxels of a workgroup. */
  readonly perGroup: number;
  readonly spec: Readonly<Record<string, number | string>>;
}

function layoutOf(shape: Shape): Layout {
  const [items, labels, ...volume] = shape as [number, number, ...number[]];
  const voxels = sizeOf(volume);
  const vector = voxels % 4 === 0;
  const width = vector ? 4 : 1;
  const spec = {
    LABELS: labels,
    Lane: vector ? 'vec4f' : 'f32',
    FOLD: vector ? 'vec4f(1.0, 1.0, 1.0, 1.0)' : 'vec4f(1.0, 0.0, 0.0, 0.0)',
    PER_LANE,
  };
  return { items, labels, voxels, width, perGroup: LANES * PER_LANE * width, spec };
}

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
      labels >= 2 && 2 * labels <= COEFFICIENTS,
      `logits hold 2 to ${COEFFICIENTS / 2} labels, of which the first is background`,
      inputs,
    );
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
    const { items, labels, voxels, width, perGroup, spec } = layoutOf(logits!.shape);
    const values = 3 * labels + 1;
    const count = ceilDiv(voxels, perGroup) * LANES;
    const partials = emit.scratch('loss partials', [items, values, count]);
    const sums = emit.scratch('loss sums', [items, values]);
    const coefficients = emit.scratch('loss coefficients', [items, COEFFICIENTS]);
    const sources = [read(logits!), read(target)].map((binding) => ({ ...binding, perGroup }));
    const columns = [...sources, { ...write(partials), perGroup: LANES }];
    inSlabs(emit, 'segmentation-loss/partial_sums', columns, (slab) => {
      const groups = ceilDiv(slab.columns, perGroup);
      emit.run({
        label: 'segmentation-loss/partial_sums',
        kernel: { file: 'segmentation-loss.wgsl', entry: 'partial_sums', spec },
        bindings: slab.bindings,
        params: [slab.columns / width, groups * LANES],
        workgroups: [groups, 1, slab.samples],
        samples: slab.samples,
      });
    });
    emit.run({
      label: 'segmentation-loss/total_sums',
      kernel: { file: 'segmentation-loss.wgsl', entry: 'total_sums', spec },
      bindings: [read(partials), write(sums)],
      params: [count],
      workgroups: [values, 1, items],
    });
    emit.run({
      label: 'segmentation-loss/combine',
      kernel: { file: 'segmentation-loss.wgsl', entry: 'combine', spec },
      bindings: [
        read(sums),
        write(output),
        write(parts ?? emit.scratch('loss parts', [3])),
        write(coefficients),
      ],
      params: [
        items,
        settings.pool === 'item' ? 1 : items,
        LOSSES.indexOf(settings.loss),
        WEIGHTS.indexOf(settings.weights),
        TPR_TERMS.indexOf(settings.tpr),
        { f32: settings.tprWeight },
        { f32: settings.crossEntropy },
        { f32: SMOOTH },
        { f32: items * voxels },
      ],
      workgroups: [1, 1, 1],
    });
    return { coefficients };
  },

  backward({ inputs: [logits], attributes: { target, crossEntropy }, saved: { coefficients } }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const { items, voxels, width, perGroup, spec } = layoutOf(logits!.shape);
        const grad = accumulate ? readWrite(gradInput) : write(gradInput);
        const parts = [read(logits!), read(target), grad].map((binding) => ({ ...binding, perGroup }));
        inSlabs(emit, 'segmentation-loss/backward', parts, ({ bindings, columns, sample, samples }) => {
          const [own, truth, result] = bindings as [Binding, Binding, Binding];
          emit.run({
            label: 'segmentation-loss/backward',
            kernel: { file: 'segmentation-loss.wgsl', entry: 'backward', spec },
            bindings: [
              own,
              truth,
              samples === items
                ? read(coefficients, true)
                : slice(read(coefficients), sample * COEFFICIENTS, COEFFICIENTS),
              read(gradOutput),
              result,
            ],
            params: [columns / width, accumulate ? 1 : 0, { f32: crossEntropy / (items * voxels) }],
            workgroups: [ceilDiv(columns, perGroup), 1, samples],
            samples,
          });
        });
      },
    ];
  },
};
