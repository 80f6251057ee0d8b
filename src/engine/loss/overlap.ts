import { z } from 'zod/mini';
import { defineLoss, type Loss } from './loss.ts';
import { tverskyLoss } from './tversky-loss.ts';

const number = (least: number, most: number, description: string): z.ZodMiniNumber =>
  z.number().check(z.minimum(least), z.maximum(most), z.describe(description));
const toggle = (description: string): z.ZodMiniBoolean => z.boolean().check(z.describe(description));

const POOL = z._default(
  z
    .enum(['item', 'batch'])
    .check(z.describe('whose sums make one ratio: those of each patch, or of the whole batch')),
  'item',
);
const BACKGROUND = z._default(
  toggle('count the background of a softmax as a label too (a sigmoid has none)'),
  false,
);
// As nnU-Net has it, in numerator and denominator.
const SMOOTH = z._default(number(1e-8, 1e6, 'added to numerator and denominator, in voxels'), 1e-5);
const DICE = { pool: POOL, background: BACKGROUND, smooth: SMOOTH };

/** Settings of soft Dice. */
export interface SoftDiceSettings {
  readonly pool?: 'item' | 'batch';
  readonly background?: boolean;
  readonly smooth?: number;
}

/** Settings of Dice + cross entropy. */
export interface DiceCeSettings extends SoftDiceSettings {
  readonly diceWeight?: number;
  readonly crossEntropy?: number;
}

/** Settings of focal Tversky. */
export interface FocalTverskySettings extends SoftDiceSettings {
  readonly alpha?: number;
  readonly beta?: number;
  readonly gamma?: number;
}

/** The Tversky index that is the Dice coefficient: (I + s / 2) / ((P + R) / 2 + s / 2). */
function asTversky({ pool, background, smooth }: Required<SoftDiceSettings>): {
  readonly alpha: number;
  readonly beta: number;
  readonly gamma: number;
  readonly smooth: number;
  readonly pool: 'item' | 'batch';
  readonly background: boolean;
} {
  return { alpha: 0.5, beta: 0.5, gamma: 1, smooth: smooth / 2, pool, background };
}

/** 1 - (2 I + s) / (P + R + s), averaged over labels and patches: nnU-Net's `MemoryEfficientSoftDiceLoss`, plus 1. */
export const dice: Loss<SoftDiceSettings> = defineLoss({
  name: 'soft-dice',
  title: 'Soft Dice',
  activations: ['softmax', 'sigmoid'],
  schema: z.strictObject(DICE),
  record: (tape, { output, target, activation }, settings) =>
    tape.apply(tverskyLoss, [output], {
      ...asTversky(settings),
      activation,
      overlap: 1,
      crossEntropy: 0,
      target,
    }),
});

/** Soft Dice + cross entropy: what nnU-Net trains with. For a sigmoid, the binary cross entropy of each region. */
export const diceCe: Loss<DiceCeSettings> = defineLoss({
  name: 'dice-ce',
  title: 'Dice + cross entropy',
  activations: ['softmax', 'sigmoid'],
  schema: z.strictObject({
    ...DICE,
    diceWeight: z._default(number(0, 1e3, 'weight of soft Dice'), 1),
    crossEntropy: z._default(number(0, 1e3, 'weight of the cross entropy'), 1),
  }),
  record: (tape, { output, target, activation }, { diceWeight, crossEntropy, ...settings }) =>
    tape.apply(tverskyLoss, [output], {
      ...asTversky(settings),
      activation,
      overlap: diceWeight,
      crossEntropy,
      target,
    }),
});

/** (1 - Tversky index)^gamma, averaged over labels and patches (Abraham and Khan 2019, whose gamma is 1 / ours). */
export const focalTversky: Loss<FocalTverskySettings> = defineLoss({
  name: 'focal-tversky',
  title: 'Focal Tversky',
  activations: ['softmax', 'sigmoid'],
  schema: z.strictObject({
    alpha: z._default(number(0, 1e3, 'weight of misses'), 0.7),
    beta: z._default(number(0, 1e3, 'weight of false alarms'), 0.3),
    gamma: z._default(number(0.1, 10, 'exponent; below 1, small losses keep more of their gradient'), 0.75),
    ...DICE,
  }),
  record: (tape, { output, target, activation }, settings) =>
    tape.apply(tverskyLoss, [output], {
      ...settings,
      activation,
      overlap: 1,
      crossEntropy: 0,
      target,
    }),
});
