import {
  type BootstrapOptions,
  bootstrapMean,
  type Estimate,
  type Observation,
  pairedDifference,
} from '../../imaging/evaluate/bootstrap.ts';
import type { Cell, Table } from '../../imaging/evaluate/tables.ts';

/** A method of Abolvardi, Hamey and Ho-Shon, "UNET-Based Multi-Task Architecture for Brain Lesion Segmentation". */
export interface PaperMethod {
  /** Our name of it: the variant's. */
  readonly variant: string;
  /** The heading in the paper's tables. */
  readonly heading: string;
  /** Dice in percent: Table I, cross-validation on the training set; Table II, the test set. */
  readonly crossValidation: number | null;
  readonly testSet: number | null;
}

/** What the paper reports; it has no cross-stitch net of its own. */
export const PAPER_METHODS: readonly PaperMethod[] = [
  { variant: 'single', heading: '3D-UNET', crossValidation: 58.2, testSet: 49.7 },
  { variant: 'multi-input', heading: 'Multi-Input', crossValidation: 65.6, testSet: 54.8 },
  { variant: 'multi-output', heading: 'Multi-Output', crossValidation: 62, testSet: 52.1 },
  { variant: 'cross-stitch', heading: 'Cross-Stitch', crossValidation: null, testSet: null },
];

/** Dice of the scans that a variant predicted, from 0 to 1, by variant. */
export type DiceByVariant = ReadonlyMap<string, readonly Observation[]>;

/** Table I's layout: Dice of the cross-validation on the training set, in percent, the paper's and ours. */
export function tableOne(dice: DiceByVariant, options: BootstrapOptions = {}): Table {
  return besideThePaper(
    'Table I. Average Dice score of the cross-validation on the training set, percent',
    ({ crossValidation }) => crossValidation,
    dice,
    options,
  );
}

/**
 * Table II's layout: Dice on the test set, in percent. Its truth is not public, so ours are there only where somebody
 * has it (a test set of one's own).
 */
export function tableTwo(dice: DiceByVariant = new Map(), options: BootstrapOptions = {}): Table {
  return besideThePaper(
    `Table II. Dice score on the test set, percent${dice.size === 0 ? '; the paper’s alone, since the truth is not public' : ''}`,
    ({ testSet }) => testSet,
    dice,
    options,
  );
}

function besideThePaper(
  caption: string,
  published: (method: PaperMethod) => number | null,
  dice: DiceByVariant,
  options: BootstrapOptions,
): Table {
  const methods = PAPER_METHODS.filter((method) => published(method) !== null || dice.has(method.variant));
  const row = (name: string, cell: (method: PaperMethod) => Cell): Record<string, Cell> => ({
    what: name,
    ...Object.fromEntries(methods.map((method) => [method.variant, cell(method)])),
  });
  const ours = estimates(methods, ({ variant }) => {
    const own = dice.get(variant);
    return own && bootstrapMean(own, options);
  });
  const reference = dice.get('single');
  const differences = estimates(methods, ({ variant }) => {
    const own = dice.get(variant);
    return own && reference && variant !== 'single' ? pairedDifference(own, reference, options) : undefined;
  });
  const percent = (of: ReadonlyMap<string, Estimate>, variant: string): Cell => {
    const found = of.get(variant);
    return found && 100 * found.mean;
  };
  const level = Math.round(100 * (options.level ?? 0.95));
  const rows = [
    row('Paper', published),
    row('Ours', ({ variant }) => percent(ours, variant)),
    row(`${level} % interval`, ({ variant }) => interval(ours.get(variant))),
    row('Patients', ({ variant }) => ours.get(variant)?.patients.toString()),
    row('Paper, less 3D-UNET', (method) => {
      const [own, single] = [published(method), published(PAPER_METHODS[0]!)];
      return own === null || single === null || method.variant === 'single' ? null : own - single;
    }),
    row('Ours, less 3D-UNET', ({ variant }) => percent(differences, variant)),
    row(`${level} % interval, paired`, ({ variant }) => interval(differences.get(variant))),
  ];
  return {
    caption,
    columns: [
      { key: 'what', label: 'Dice score', kind: 'text' },
      ...methods.map(({ variant, heading }) => ({
        ...{ key: variant, label: heading, kind: 'number' as const, digits: 1 },
      })),
    ],
    rows: dice.size > 0 ? rows : rows.filter(({ what }) => /^Paper/.test(String(what))),
  };
}

function estimates(
  methods: readonly PaperMethod[],
  of: (method: PaperMethod) => Estimate | undefined,
): Map<string, Estimate> {
  return new Map(
    methods.flatMap((method) => {
      const found = of(method);
      return found ? [[method.variant, found] as const] : [];
    }),
  );
}

/** `51.2 to 63.0`, in percent; null where it is not defined. */
function interval(estimate: Estimate | undefined): Cell {
  if (!estimate || !Number.isFinite(estimate.low)) return null;
  return `${(100 * estimate.low).toFixed(1)} to ${(100 * estimate.high).toFixed(1)}`;
}
