import { ShapeError } from '../../core/errors.ts';
import { formatShape, type Shape, sameShape, sizeOf } from '../../core/shape.ts';
import { expectActivation, expectInputs, expectRule, expectTensor } from '../tape/check.ts';
import { read, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';
import { COEFFICIENTS, labelGradient, labelSums, MOST_LABELS } from './label-sums.ts';

/**
 * overlap · mean of (1 - index)^gamma + crossEntropy · cross entropy, where the Tversky index of a label is
 * (I + smooth) / (I + alpha FN + beta FP + smooth), with I = Σ r p, FN = Σ r (1 - p), FP = Σ (1 - r) p.
 * With alpha = beta = 1/2 it is the Dice coefficient (2 I + 2 smooth) / (P + R + 2 smooth).
 */
export interface TverskyLossSettings {
  /**
   * `softmax`: the labels exclude one another, label 0 is the background; the cross entropy is the mean over voxels of
   * -Σ r log p. `sigmoid`: regions may overlap; the cross entropy is the mean over voxels and regions of
   * -r log p - (1 - r) log(1 - p).
   */
  readonly activation: 'softmax' | 'sigmoid';
  /** Weight of misses; at least 0. */
  readonly alpha: number;
  /** Weight of false alarms; at least 0. */
  readonly beta: number;
  /** Exponent; above 0. Below 1, the factor gamma (1 - index)^(gamma - 1) of the gradient sees at least 1e-6. */
  readonly gamma: number;
  /** Added to numerator and denominator, in voxels; above 0. */
  readonly smooth: number;
  /** Whether the mean over labels includes the background of a softmax. */
  readonly background: boolean;
  /** Whose sums make one index: each item's, or the whole batch's. */
  readonly pool: 'item' | 'batch';
  /** Weight of the overlap term. */
  readonly overlap: number;
  /** Weight of the cross entropy. */
  readonly crossEntropy: number;
}

/** Settings and target of {@link tverskyLoss}. */
export interface TverskyLossAttributes extends TverskyLossSettings {
  /** Probabilities, [N, L - 1, D, H, W] of the foreground labels for softmax, [N, L, D, H, W] for sigmoid. */
  readonly target: Tensor;
}

/** Derivatives by P and I of each label, [N, 64], 2 L of them used. */
export interface TverskyLossSaved {
  readonly coefficients: Tensor;
}

/**
 * Tversky loss and cross entropy of logits [N, L, D, H, W] against {@link TverskyLossAttributes.target} as a scalar [1].
 * The sums have a fixed order; the gradient kernel reads logits and targets once. Finite logits give a finite loss and
 * gradient, whatever the truth.
 */
export const tverskyLoss: Op<TverskyLossAttributes, TverskyLossSaved> = {
  name: 'tversky-loss',

  shape(inputs: readonly Shape[], { activation, target }): Shape {
    const [logits] = expectInputs('tversky-loss', inputs, 1);
    const [items, labels, ...volume] = expectActivation('tversky-loss', logits, inputs);
    expectTensor('tversky-loss', 'target', target, inputs);
    const least = activation === 'softmax' ? 2 : 1;
    const fits = labels >= least && labels <= MOST_LABELS;
    expectRule(
      'tversky-loss',
      fits,
      `logits of a ${activation} hold ${least} to ${MOST_LABELS} channels`,
      inputs,
    );
    const channels = activation === 'softmax' ? labels - 1 : labels;
    if (!sameShape(target.shape, [items, channels, ...volume]))
      throw new ShapeError(
        'tversky-loss',
        activation === 'softmax'
          ? 'the target of a softmax has one channel per foreground label, one fewer than the logits, and the same volume'
          : 'the target of a sigmoid has the shape of the logits',
        `target ${formatShape(target.shape)} for logits ${formatShape(logits!)}`,
      );
    return [1];
  },

  forward(emit, [logits], output, { target, activation, ...settings }): TverskyLossSaved {
    const [items, labels] = logits!.shape as [number, number];
    const sums = labelSums(emit, 'tversky-loss', activation, logits!, target);
    const coefficients = emit.scratch('loss coefficients', [items, COEFFICIENTS]);
    emit.run({
      label: 'tversky-loss/combine',
      kernel: { file: 'tversky-loss.wgsl', entry: 'combine' },
      bindings: [read(sums), write(output), write(coefficients)],
      params: {
        items,
        items_per_pool: settings.pool === 'batch' ? items : 1,
        labels,
        first_label: activation === 'softmax' && !settings.background ? 1 : 0,
        alpha: { f32: settings.alpha },
        beta: { f32: settings.beta },
        gamma: { f32: settings.gamma },
        smoothing: { f32: settings.smooth },
        overlap: { f32: settings.overlap },
        cross_entropy: { f32: settings.crossEntropy },
        values: { f32: entropyValues(logits!, activation) },
      },
      workgroups: [1, 1, 1],
    });
    return { coefficients };
  },

  backward({ inputs: [logits], attributes, saved: { coefficients } }, gradOutput) {
    const { activation, target } = attributes;
    const crossEntropy = attributes.crossEntropy / entropyValues(logits!, activation);
    const gradient = { activation, logits: logits!, target, coefficients, gradOutput, crossEntropy };
    return [
      (emit, gradInput, accumulate) => {
        labelGradient(emit, 'tversky-loss', gradient, gradInput, accumulate);
      },
    ];
  },
};

/** What the cross entropy is averaged over: voxels, or voxels of all regions. */
function entropyValues({ shape }: Tensor, activation: TverskyLossSettings['activation']): number {
  return sizeOf(shape) / (activation === 'softmax' ? shape[1]! : 1);
}
