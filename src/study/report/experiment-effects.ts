import {
  type BootstrapOptions,
  bootstrapMean,
  type Estimate,
  patientMeans,
} from '../../imaging/evaluate/bootstrap.ts';
import { variantLabel } from '../../imaging/evaluate/labels.ts';
import { signFlipP } from '../../imaging/evaluate/sign-flip.ts';
import type { Table } from '../../imaging/evaluate/tables.ts';
import type { ExperimentRecord } from './experiment-record.ts';
import {
  commonLosses,
  commonVariants,
  contrast,
  interactionTerms,
  type JudgedScan,
  lossTerms,
  pairs,
  type ScanValue,
  type Term,
  variantTerms,
} from './experiment-results.ts';

/** A difference between nets over patients, with its interval. */
export interface Effect extends Estimate {
  /** Patients whose own difference is above 0, and below it. */
  readonly above: number;
  readonly below: number;
  /** Whether the interval lies on one side of 0. */
  readonly excludesZero: boolean;
  /** Of `signFlipP`. */
  readonly p: number;
}

/** Below so many, no result at all is rarer than 1 in 20 by chance: of 5 patients all lie on one side in 1 of 16. */
export const LEAST_PATIENTS = 6;

/** The largest p that counts as rare. */
const LEVEL = 0.05;

/**
 * Whether an effect is more than chance would make: patients enough, an interval that excludes 0, and a p of at most
 * .05. Both are asked for, since bootstrap intervals of few patients are too narrow.
 */
export function showsDifference({ patients, excludesZero, p }: Effect): boolean {
  return patients >= LEAST_PATIENTS && excludesZero && p <= LEVEL;
}

/** What an effect shows, in a word; null where it has no interval. */
export function verdict(effect: Effect): string | null {
  if (!Number.isFinite(effect.low)) return null;
  if (effect.patients < LEAST_PATIENTS) return 'too few patients';
  return showsDifference(effect) ? 'yes' : 'no';
}

/** Dice of a scan. */
export const diceOf: ScanValue = (scan) => scan.metrics.dice;

/** The mean over patients of a contrast, its bootstrap interval, and the patients on either side of 0. */
export function effect(
  scans: readonly JudgedScan[],
  terms: readonly Term[],
  value: ScanValue = diceOf,
  options: BootstrapOptions = {},
): Effect {
  const observations = contrast(scans, terms, value);
  const estimate = bootstrapMean(observations, options);
  const means = patientMeans(observations);
  return {
    ...estimate,
    above: means.filter((mean) => mean > 0).length,
    below: means.filter((mean) => mean < 0).length,
    excludesZero: estimate.low > 0 || estimate.high < 0,
    p: signFlipP(means, options.seed),
  };
}

/** A named effect: a row of a table of differences. */
interface Row {
  readonly what: string;
  readonly where: string;
  readonly effect: Effect;
  readonly main?: boolean;
}

/** What stands for the mean over losses or variants. */
const ALL_LOSSES = 'mean of all';

/**
 * Dice of every variant less that of every other, paired over patients: with each loss, and (the architecture's main
 * effect) averaged over the losses that both were trained with.
 */
export function variantDifferences(plan: ExperimentRecord, scans: readonly JudgedScan[]): Table {
  const rows = pairs(plan.variants).flatMap(([a, b]): Row[] => {
    const what = `${variantLabel(a)} less ${variantLabel(b)}`;
    const losses = commonLosses(plan, scans, [a, b]);
    const own = losses.map((loss) => ({
      what,
      where: loss,
      effect: effect(scans, variantTerms(a, b, [loss])),
    }));
    if (losses.length < 2) return own;
    return [
      ...own,
      { what, where: ALL_LOSSES, effect: effect(scans, variantTerms(a, b, losses)), main: true },
    ];
  });
  return effectTable('Dice of a variant less that of another, paired over patients', 'Loss', rows);
}

/** Dice with every loss less that with every other, averaged over the variants that were trained with both. */
export function lossDifferences(plan: ExperimentRecord, scans: readonly JudgedScan[]): Table {
  const rows = pairs(plan.losses).flatMap(([a, b]): Row[] => {
    const variants = commonVariants(plan, scans, [a, b]);
    if (variants.length === 0) return [];
    return [
      {
        what: `${a} less ${b}`,
        where: variants.map(variantLabel).join(', '),
        effect: effect(scans, lossTerms(a, b, variants)),
      },
    ];
  });
  return effectTable('Dice with a loss less that with another, mean of the variants', 'Variants', rows);
}

/** Interaction of loss and architecture: how much more a variant gains over another with one loss than with another. */
export function interactions(plan: ExperimentRecord, scans: readonly JudgedScan[]): Table {
  const rows = pairs(plan.variants).flatMap(([a, b]) =>
    pairs(commonLosses(plan, scans, [a, b])).map(
      ([first, second]): Row => ({
        what: `${variantLabel(a)} less ${variantLabel(b)}`,
        where: `${first} less ${second}`,
        effect: effect(scans, interactionTerms([a, b], [first, second])),
      }),
    ),
  );
  return effectTable(
    'Interaction: the difference of two variants with one loss, less that with another',
    'Losses',
    rows,
  );
}

function effectTable(caption: string, where: string, rows: readonly Row[]): Table {
  return {
    caption,
    columns: [
      { key: 'what', label: 'Difference', kind: 'text' },
      { key: 'where', label: where, kind: 'text' },
      { key: 'difference', label: 'Dice', kind: 'number', digits: 3 },
      { key: 'patients', label: 'Patients', kind: 'number' },
      { key: 'above', label: 'Above 0', kind: 'number' },
      { key: 'below', label: 'Below 0', kind: 'number' },
      { key: 'p', label: 'p', kind: 'number', digits: 3 },
      { key: 'shows', label: 'A difference', kind: 'text' },
    ],
    rows: rows.map(({ what, where, effect }) => ({
      what,
      where,
      difference: effect,
      patients: effect.patients,
      above: effect.above,
      below: effect.below,
      p: effect.p,
      shows: verdict(effect),
    })),
    summaryRows: rows.flatMap(({ main }, i) => (main ? [i] : [])),
  };
}
