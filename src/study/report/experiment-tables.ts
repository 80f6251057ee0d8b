import { bootstrapMean, type Estimate, type Observation } from '../../imaging/evaluate/bootstrap.ts';
import { formatThreshold, variantLabel } from '../../imaging/evaluate/labels.ts';
import type { LesionSizeCount } from '../../imaging/evaluate/lesion-sizes.ts';
import { METRIC_KEYS, meanOf } from '../../imaging/evaluate/metrics.ts';
import { type Cell, type Column, METRIC_COLUMNS, type Table } from '../../imaging/evaluate/tables.ts';
import { diceOf } from './experiment-effects.ts';
import type { ExperimentRecord } from './experiment-record.ts';
import {
  commonLosses,
  contrast,
  type ExperimentResults,
  hasCell,
  type JudgedScan,
  netUnits,
  type ScanValue,
} from './experiment-results.ts';
import { tableOne } from './paper-tables.ts';

/** The metrics' columns with those that {@link METRIC_COLUMNS} leaves to other reports. */
const ALL_METRICS: readonly Column[] = METRIC_KEYS.map(
  (key) =>
    METRIC_COLUMNS.find((column) => column.key === key) ?? {
      key,
      kind: 'number',
      ...{
        volumeDifferenceMl: { label: 'Pred. less true', unit: 'ml', digits: 2 },
        trueLesions: { label: 'True lesions', digits: 1 },
        predictedLesions: { label: 'Pred. lesions', digits: 1 },
      }[key as 'volumeDifferenceMl' | 'trueLesions' | 'predictedLesions'],
    },
);

/** Table I's layout for one loss: the paper's numbers and ours, each seed averaged within its scan. */
export function lossTableOne(plan: ExperimentRecord, scans: readonly JudgedScan[], loss: string): Table {
  const dice = new Map(
    plan.variants
      .filter((variant) => hasCell(scans, variant, loss))
      .map((variant) => [variant, contrast(scans, [{ variant, loss, weight: 1 }], diceOf)]),
  );
  const table = tableOne(dice);
  return { ...table, caption: `${table.caption}; ours with the loss ${loss}` };
}

/** Mean Dice over patients: a row a loss, a column a variant; below, the mean of the losses that all variants share. */
export function factorialTable(plan: ExperimentRecord, scans: readonly JudgedScan[]): Table {
  const cell = (variant: string, losses: readonly string[]): Cell =>
    estimateOf(
      contrast(
        scans,
        losses.map((loss) => ({ variant, loss, weight: 1 / losses.length })),
        diceOf,
      ),
    );
  const judged = plan.variants.filter((variant) => scans.some(({ unit }) => unit.variant === variant));
  const shared = commonLosses(plan, scans, judged);
  const rows = plan.losses.map((loss) => ({
    what: loss,
    ...byVariant(plan, (variant) => cell(variant, [loss])),
  }));
  const mean = { what: 'mean of all', ...byVariant(plan, (variant) => cell(variant, shared)) };
  return {
    caption: 'Dice by loss and architecture: mean over patients with 95 % bootstrap interval',
    columns: [{ key: 'what', label: 'Loss', kind: 'text' }, ...variantColumns(plan)],
    rows: shared.length > 1 ? [...rows, mean] : rows,
    summaryRows: shared.length > 1 ? [rows.length] : [],
  };
}

/** Every metric's mean over patients: a row a variant and loss. */
export function metricsTable(plan: ExperimentRecord, scans: readonly JudgedScan[]): Table {
  const rows = plan.losses.flatMap((loss) =>
    plan.variants
      .filter((variant) => hasCell(scans, variant, loss))
      .map((variant) => ({
        variant: variantLabel(variant),
        loss,
        ...Object.fromEntries(
          METRIC_KEYS.map((key) => [
            key,
            estimateOf(contrast(scans, [{ variant, loss, weight: 1 }], (scan) => scan.metrics[key])),
          ]),
        ),
      })),
  );
  return {
    caption: 'All metrics: mean over patients with 95 % bootstrap interval',
    columns: [
      { key: 'variant', label: 'Variant', kind: 'text' },
      { key: 'loss', label: 'Loss', kind: 'text' },
      ...ALL_METRICS,
    ],
    rows,
  };
}

/** Share of the true lesions of each class of volume that are found: a row a loss and class, a column a variant. */
export function sizeTable(plan: ExperimentRecord, scans: readonly JudgedScan[]): Table {
  const classes = sizeClasses(scans).filter((one) => lesionsOf(scans, one) > 0);
  const rows = plan.losses
    .filter((loss) => plan.variants.some((variant) => hasCell(scans, variant, loss)))
    .flatMap((loss) =>
      classes.map((one) => {
        const share: ScanValue = (scan) => {
          const size = scan.sizes.find((each) => sameClass(each, one));
          return size && size.lesions > 0 ? size.found / size.lesions : null;
        };
        return {
          size: classLabel(one),
          loss,
          lesions: lesionsOf(scans, one),
          ...byVariant(plan, (variant) => estimateOf(contrast(scans, [{ variant, loss, weight: 1 }], share))),
        };
      }),
    );
  return {
    caption: 'Share of the true lesions found, by their volume: mean over patients with 95 % interval',
    columns: [
      { key: 'size', label: 'Lesion volume', kind: 'text' },
      { key: 'loss', label: 'Loss', kind: 'text' },
      { key: 'lesions', label: 'True lesions', kind: 'number' },
      ...variantColumns(plan),
    ],
    rows,
  };
}

/** Mean Dice of each fold's held-out scans: a row a fold and loss, seeds averaged. */
export function foldTable(plan: ExperimentRecord, scans: readonly JudgedScan[]): Table {
  return partsTable(
    plan,
    'Dice by fold: mean over its held-out patients, seeds averaged',
    [
      { key: 'fold', label: 'Fold', kind: 'text' },
      { key: 'heldOut', label: 'Held out', kind: 'text' },
    ],
    plan.folds.map(({ name, heldOut }) => ({
      names: { fold: name, heldOut: heldOut.join(', ') },
      scans: scans.filter(({ unit }) => unit.fold === name),
    })),
  );
}

/** Mean Dice over patients of each seed's nets: a row a seed and loss. */
export function seedTable(plan: ExperimentRecord, scans: readonly JudgedScan[]): Table {
  return partsTable(
    plan,
    'Dice by seed: mean over patients',
    [{ key: 'seed', label: 'Seed', kind: 'text' }],
    plan.seeds.map((seed) => ({
      names: { seed: String(seed) },
      scans: scans.filter(({ unit }) => unit.seed === seed),
    })),
  );
}

/** Mean Dice over patients of parts of the scans: a row a part and loss, a column a variant. */
function partsTable(
  plan: ExperimentRecord,
  caption: string,
  columns: readonly Column[],
  parts: readonly { readonly names: Record<string, string>; readonly scans: readonly JudgedScan[] }[],
): Table {
  return {
    caption,
    columns: [...columns, { key: 'loss', label: 'Loss', kind: 'text' }, ...variantColumns(plan)],
    rows: parts.flatMap(({ names, scans }) =>
      plan.losses.map((loss) => ({
        ...names,
        loss,
        ...byVariant(
          plan,
          (variant) => estimateOf(contrast(scans, [{ variant, loss, weight: 1 }], diceOf))?.mean,
        ),
      })),
    ),
  };
}

/** Every net of the plan, finished or not. */
export function netTable({ plan, results }: ExperimentResults): Table {
  return {
    caption: 'Every net: mean Dice of its held-out scans, and its training',
    columns: [
      { key: 'variant', label: 'Variant', kind: 'text' },
      { key: 'loss', label: 'Loss', kind: 'text' },
      { key: 'fold', label: 'Fold', kind: 'text' },
      { key: 'seed', label: 'Seed', kind: 'text' },
      { key: 'dice', label: 'Dice', kind: 'number', digits: 3 },
      { key: 'trainDice', label: 'Dice in training', kind: 'number', digits: 3 },
      { key: 'threshold', label: 'Threshold', kind: 'number' },
      { key: 'steps', label: 'Steps', kind: 'number' },
      { key: 'finalLoss', label: 'Last loss', kind: 'number', digits: 3 },
      { key: 'seconds', label: 'Time', unit: 's', kind: 'number' },
      { key: 'status', label: 'Status', kind: 'text' },
    ],
    rows: netUnits(plan).map((unit) => {
      const result = results.get(unit.id);
      return {
        variant: variantLabel(unit.variant),
        loss: unit.loss,
        fold: unit.fold,
        seed: String(unit.seed),
        dice:
          result &&
          meanOf(
            result.scans.map(({ metrics }) => ({ dice: metrics.dice ?? Number.NaN })),
            ['dice'],
          ).dice,
        trainDice: result?.trainDice,
        threshold: result?.threshold === null ? null : result && formatThreshold(result.threshold),
        steps: result?.steps,
        finalLoss: result?.finalLoss,
        seconds: result?.seconds,
        status: result ? 'finished' : 'not finished',
      };
    }),
  };
}

/** Finished nets of those planned: a row a loss, a column a variant. */
export function progressTable({ plan, results }: ExperimentResults): Table {
  const nets = netUnits(plan);
  return {
    caption: 'Finished nets of those planned',
    columns: [
      { key: 'what', label: 'Loss', kind: 'text' },
      ...variantColumns(plan).map((column) => ({ ...column, kind: 'text' as const })),
    ],
    rows: plan.losses.map((loss) => ({
      what: loss,
      ...byVariant(plan, (variant) => {
        const planned = nets.filter((unit) => unit.variant === variant && unit.loss === loss);
        return `${planned.filter(({ id }) => results.has(id)).length} of ${planned.length}`;
      }),
    })),
  };
}

/** Every held-out scan of every net with all metrics: what all other tables are made from. */
export function scanTable(scans: readonly JudgedScan[]): Table {
  const words = ['subject', 'session', 'variant', 'loss', 'fold', 'seed'] as const;
  return {
    caption: 'Every held-out scan of every net',
    columns: [
      ...words.map((key) => ({ key, label: key, kind: 'text' as const })),
      ...METRIC_KEYS.map((key) => ({ key, label: key, kind: 'number' as const, digits: 6 })),
    ],
    rows: scans.map(({ subject, session, unit, metrics }) => ({
      subject,
      session: session ?? '',
      variant: unit.variant,
      loss: unit.loss,
      fold: unit.fold,
      seed: String(unit.seed),
      ...metrics,
    })),
  };
}

function variantColumns(plan: ExperimentRecord): Column[] {
  return plan.variants.map((variant) => ({
    key: `variant ${variant}`,
    label: variantLabel(variant),
    kind: 'number',
    digits: 3,
  }));
}

function byVariant(plan: ExperimentRecord, cell: (variant: string) => Cell): Record<string, Cell> {
  return Object.fromEntries(plan.variants.map((variant) => [`variant ${variant}`, cell(variant)]));
}

function estimateOf(observations: readonly Observation[]): Estimate | undefined {
  return observations.length === 0 ? undefined : bootstrapMean(observations);
}

type SizeClass = Pick<LesionSizeCount, 'fromMl' | 'toMl'>;

function sizeClasses(scans: readonly JudgedScan[]): SizeClass[] {
  const classes: SizeClass[] = [];
  for (const size of scans.flatMap(({ sizes }) => sizes))
    if (!classes.some((one) => sameClass(one, size))) classes.push(size);
  return classes.sort((a, b) => a.fromMl - b.fromMl);
}

function sameClass(a: SizeClass, b: SizeClass): boolean {
  return a.fromMl === b.fromMl && a.toMl === b.toMl;
}

function classLabel({ fromMl, toMl }: SizeClass): string {
  if (toMl === null) return `${fromMl} ml and more`;
  return fromMl === 0 ? `below ${toMl} ml` : `${fromMl} to ${toMl} ml`;
}

/** Each scan's lesions once, however many nets were judged on it. */
function lesionsOf(scans: readonly JudgedScan[], one: SizeClass): number {
  const byScan = new Map<string, number>();
  for (const { subject, session, sizes } of scans) {
    const size = sizes.find((each) => sameClass(each, one));
    if (size) byScan.set(JSON.stringify([subject, session]), size.lesions);
  }
  return [...byScan.values()].reduce((sum, lesions) => sum + lesions, 0);
}
