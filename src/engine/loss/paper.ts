import { z } from 'zod/mini';
import type { Tape } from '../tape/tape.ts';
import type { Tensor } from '../tape/tensor.ts';
import { type BoundLoss, defineLoss, type Loss, type LossInputs } from './loss.ts';
import {
  DEFAULT_LOSS,
  type OverlapLoss,
  type SegmentationLossSettings,
  segmentationLoss,
} from './segmentation-loss.ts';

const weight = (most: number): z.ZodMiniNumber => z.number().check(z.minimum(0), z.maximum(most));

const TERMS = {
  tpr: z._default(
    z
      .enum(['off', '1-tpr', '+tpr'])
      .check(z.describe('term of the true-positive rate: none, 1 - TPR, or 2 TPR as the paper prints it')),
    DEFAULT_LOSS.tpr,
  ),
  tprWeight: z._default(weight(1e3).check(z.describe('weight of that term')), DEFAULT_LOSS.tprWeight),
  crossEntropy: z._default(
    weight(1e3).check(z.describe('weight of the cross entropy; 0 for none')),
    DEFAULT_LOSS.crossEntropy,
  ),
  pool: z._default(
    z
      .enum(['item', 'batch'])
      .check(z.describe('whose sums make one ratio: those of each patch, or of the whole batch')),
    DEFAULT_LOSS.pool,
  ),
};

const WEIGHTS = z._default(
  z
    .enum(['square', 'simple', 'uniform'])
    .check(z.describe('weight of a label by its volume R: 1 / R², 1 / R, or 1')),
  DEFAULT_LOSS.weights,
);

/** Settings that the paper's losses share. */
export type PaperLossSettings = Partial<Omit<SegmentationLossSettings, 'loss' | 'weights'>>;

/** Settings of generalised Dice. */
export type GeneralizedDiceSettings = Partial<Omit<SegmentationLossSettings, 'loss'>>;

function recordPaperLoss(
  loss: OverlapLoss,
): (
  tape: Tape,
  inputs: LossInputs,
  settings: Omit<SegmentationLossSettings, 'loss' | 'weights'> &
    Partial<Pick<SegmentationLossSettings, 'weights'>>,
) => Tensor {
  return (tape, { output, target }, settings) =>
    tape.apply(segmentationLoss, [output], { ...DEFAULT_LOSS, ...settings, loss, target });
}

/** Generalised Dice (Sudre 2017): the paper's intent. */
export const generalizedDice: Loss<GeneralizedDiceSettings> = defineLoss({
  name: 'generalized-dice',
  title: 'Generalised Dice',
  activations: ['softmax'],
  schema: z.strictObject({ weights: WEIGHTS, ...TERMS }),
  record: recordPaperLoss('generalized-dice'),
});

/** The paper's eq. 1 with the parenthesis fixed: Dice of the foreground labels. */
export const paperDice: Loss<PaperLossSettings> = defineLoss({
  name: 'dice',
  title: 'Dice (eq. 1, corrected)',
  activations: ['softmax'],
  schema: z.strictObject(TERMS),
  record: recordPaperLoss('dice'),
});

/** The paper's eq. 1 as printed. */
export const literal: Loss<PaperLossSettings> = defineLoss({
  name: 'literal',
  title: 'Dice (eq. 1, as printed)',
  activations: ['softmax'],
  schema: z.strictObject(TERMS),
  record: recordPaperLoss('literal'),
});

/** The three, in the paper's order. */
export const PAPER_LOSSES: readonly Loss[] = [generalizedDice, paperDice, literal];

/** One of the three by a flat record of settings, such as those of a training run. */
export function paperLoss(settings: SegmentationLossSettings): BoundLoss {
  const { loss, weights, tpr, tprWeight, crossEntropy, pool } = settings;
  const terms = { tpr, tprWeight, crossEntropy, pool };
  if (loss === 'generalized-dice') return generalizedDice({ weights, ...terms });
  return loss === 'dice' ? paperDice(terms) : literal(terms);
}
