import { UsageError } from '../../core/errors.ts';
import type { SegmentationLossSettings } from '../../engine/loss/segmentation-loss.ts';
import type { Variant } from '../presets/index.ts';

/** What a loss's name decides. */
export type NamedLoss = Pick<SegmentationLossSettings, 'loss' | 'tpr' | 'crossEntropy'>;

const NAME = /^(generalized-dice|dice|literal)(?:\+(1-tpr|tpr))?(\+ce)?$/;
const TERMS = { tpr: '+tpr', '1-tpr': '1-tpr' } as const;

/**
 * Names that mean one loss for the single net and another for the nets that know tissues, as the paper has it:
 * - `paper-intent`: generalised Dice; with the 1 - TPR term for the multi-task nets.
 * - `as-printed`: eq. 1 to the letter; with eq. 2 added (eq. 3) for the multi-task nets.
 */
const BY_VARIANT: Readonly<Record<string, { readonly single: string; readonly multi: string }>> = {
  'paper-intent': { single: 'generalized-dice', multi: 'generalized-dice+1-tpr' },
  'as-printed': { single: 'literal', multi: 'literal+tpr' },
};

/**
 * The loss of a net by its name: `dice`, `generalized-dice` or `literal`, then `+tpr` (as printed) or `+1-tpr`, then
 * `+ce` (cross entropy, weight 1), or one of `paper-intent` and `as-printed`. Weights of labels and of the TPR term are
 * settings that all nets share.
 *
 * @throws UsageError for another name.
 */
export function namedLoss(name: string, variant: Variant): NamedLoss {
  const pair = Object.hasOwn(BY_VARIANT, name) ? BY_VARIANT[name] : undefined;
  const [, loss, tpr, ce] = NAME.exec(pair ? pair[variant === 'single' ? 'single' : 'multi'] : name) ?? [];
  if (loss === undefined)
    throw new UsageError(`there is no loss ${JSON.stringify(name)}`, {
      hint: `Give ${Object.keys(BY_VARIANT).join(', ')}, or dice, generalized-dice or literal, with +tpr or +1-tpr, and +ce, after it.`,
    });
  return {
    loss: loss as NamedLoss['loss'],
    tpr: tpr === undefined ? 'off' : TERMS[tpr as keyof typeof TERMS],
    crossEntropy: ce === undefined ? 0 : 1,
  };
}
