import type { InputFile } from '../../imaging/dataset/inputs.ts';
import type { Observation } from '../../imaging/evaluate/bootstrap.ts';
import type { LesionSizeCount } from '../../imaging/evaluate/lesion-sizes.ts';
import type { LossPoint } from '../../imaging/report/chart.ts';
import type { ExperimentRecord, NetUnit, RecordedMetrics, UnitResult } from './experiment-record.ts';

/** What an experiment's folder holds, as far as it is finished. */
export interface ExperimentResults {
  readonly plan: ExperimentRecord;
  /** Of the finished units, by the unit's name. */
  readonly results: ReadonlyMap<string, UnitResult>;
  /** Training loss of nets, by the unit's name: also of those that are under way. */
  readonly curves: ReadonlyMap<string, readonly LossPoint[]>;
  /** Where the nets come from, by the unit's name: of those that are trained. */
  readonly sources: ReadonlyMap<string, NetSource>;
  /** What could not be read and is left out, a sentence each. */
  readonly problems: readonly string[];
}

/** Where a net comes from. */
export interface NetSource {
  /** SHA-256 of its model.safetensors. */
  readonly model: string;
  readonly trainedOn: readonly string[];
  /** Chosen on these patients' scans; null if none decides. */
  readonly threshold: number | null;
  /** The files that it was trained on, by scan; nothing if an earlier version trained it. */
  readonly inputs: Readonly<Record<string, readonly InputFile[]>>;
}

/** A held-out scan as one net predicted it. */
export interface JudgedScan {
  readonly unit: NetUnit;
  readonly subject: string;
  readonly session: string | null;
  readonly metrics: RecordedMetrics;
  readonly sizes: readonly LesionSizeCount[];
}

/** A variant trained with a loss, and its weight in a {@link contrast}. */
export interface Term {
  readonly variant: string;
  readonly loss: string;
  readonly weight: number;
}

/** Reads a number off a scan; null where it is not defined. */
export type ScanValue = (scan: JudgedScan) => number | null | undefined;

/** The nets of a plan, in its order. */
export function netUnits(plan: ExperimentRecord): NetUnit[] {
  return plan.units.filter((unit): unit is NetUnit => unit.kind === 'net');
}

/** Every held-out scan of every finished net, in the plan's order. */
export function judgedScans({ plan, results }: Pick<ExperimentResults, 'plan' | 'results'>): JudgedScan[] {
  return netUnits(plan).flatMap((unit) =>
    (results.get(unit.id)?.scans ?? []).map((scan) => ({ unit, ...scan })),
  );
}

/**
 * One number a scan: the weighted sum of what nets of different variants and losses made of it. Seeds are averaged
 * within a scan first, so that they are no observations of their own. A scan that one of the terms has no value for is
 * left out, so that every difference is paired.
 *
 * One term of weight 1 gives that net's own values; +1 and -1 a paired difference; +1, -1, -1, +1 an interaction.
 */
export function contrast(
  scans: readonly JudgedScan[],
  terms: readonly Term[],
  value: ScanValue,
): Observation[] {
  const columns = terms.map((term) => meanOfSeeds(scans, term, value));
  const [first] = columns;
  if (!first) return [];
  return [...first].flatMap(([key, { patient, session }]) => {
    const values = columns.map((column) => column.get(key)?.value);
    if (values.some((each) => each === undefined)) return [];
    const sum = terms.reduce((total, { weight }, i) => total + weight * values[i]!, 0);
    // What cancels must be 0: rounding errors all lie on one side of it often enough.
    return [{ patient, session, value: Math.abs(sum) < 1e-12 ? 0 : sum }];
  });
}

function meanOfSeeds(
  scans: readonly JudgedScan[],
  { variant, loss }: Term,
  value: ScanValue,
): Map<string, Observation> {
  const found = new Map<string, { readonly scan: JudgedScan; readonly values: number[] }>();
  for (const scan of scans) {
    if (scan.unit.variant !== variant || scan.unit.loss !== loss) continue;
    const number = value(scan);
    if (number === null || number === undefined || !Number.isFinite(number)) continue;
    const key = JSON.stringify([scan.subject, scan.session]);
    const entry = found.get(key) ?? { scan, values: [] };
    entry.values.push(number);
    found.set(key, entry);
  }
  return new Map(
    [...found].map(([key, { scan, values }]) => [
      key,
      {
        patient: scan.subject,
        session: scan.session,
        value: values.reduce((sum, v) => sum + v, 0) / values.length,
      },
    ]),
  );
}

/** Losses that two variants have both been judged with; `judged` says which pairs of variant and loss have scans. */
export function commonLosses(
  plan: ExperimentRecord,
  scans: readonly JudgedScan[],
  variants: readonly string[],
): string[] {
  return plan.losses.filter((loss) => variants.every((variant) => hasCell(scans, variant, loss)));
}

/** Variants that have been judged with each of the losses. */
export function commonVariants(
  plan: ExperimentRecord,
  scans: readonly JudgedScan[],
  losses: readonly string[],
): string[] {
  return plan.variants.filter((variant) => losses.every((loss) => hasCell(scans, variant, loss)));
}

/** Whether a variant was judged with a loss on one scan at least. */
export function hasCell(scans: readonly JudgedScan[], variant: string, loss: string): boolean {
  return scans.some(({ unit }) => unit.variant === variant && unit.loss === loss);
}

/** `a` less `b` with one loss each or, for several losses, the mean of these differences: the main effect. */
export function variantTerms(a: string, b: string, losses: readonly string[]): Term[] {
  return losses.flatMap((loss) => [
    { variant: a, loss, weight: 1 / losses.length },
    { variant: b, loss, weight: -1 / losses.length },
  ]);
}

/** Loss `a` less loss `b`, averaged over variants. */
export function lossTerms(a: string, b: string, variants: readonly string[]): Term[] {
  return variants.flatMap((variant) => [
    { variant, loss: a, weight: 1 / variants.length },
    { variant, loss: b, weight: -1 / variants.length },
  ]);
}

/** How much more variant `a` gains over `b` with the first loss than with the second. */
export function interactionTerms(
  [a, b]: readonly [string, string],
  [first, second]: readonly [string, string],
): Term[] {
  return [
    ...variantTerms(a, b, [first]),
    ...variantTerms(a, b, [second]).map((term) => ({ ...term, weight: -term.weight })),
  ];
}

/** Every pair of a list, the later one first: (b, a), (c, a), (c, b). */
export function pairs<T>(list: readonly T[]): [T, T][] {
  return list.flatMap((b, i) => list.slice(0, i).map((a): [T, T] => [b, a]));
}
