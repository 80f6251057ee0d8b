import type { Seen } from '../dataset/sidecar.ts';
import type { ScanMetrics } from './metrics.ts';

/** A value with the bounds of its interval; NaN bounds where there is none. */
export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** What a table's cell can hold. `null`, `undefined` and numbers that are not finite read "n/a". */
export type Cell = string | number | Interval | null | undefined;

/** One column: numbers are right-aligned and rounded, text is left-aligned. */
export interface Column {
  /** The rows' property that fills it. */
  readonly key: string;
  readonly label: string;
  readonly kind: 'text' | 'number';
  /** Written after the label, in brackets. */
  readonly unit?: string;
  /** Decimals of numbers; 0 unless told. */
  readonly digits?: number;
  /** What it is, for the dictionary beside a file. */
  readonly description?: string;
  /** What each of a few values means, for the same. */
  readonly levels?: Readonly<Record<string, string>>;
  /** Which end is better; the HTML table then marks the best of the column. */
  readonly better?: 'high' | 'low';
}

/** A table before it has a form: a page, a terminal and a file show the same one. */
export interface Table {
  readonly caption: string;
  readonly columns: readonly Column[];
  readonly rows: readonly Readonly<Record<string, Cell>>[];
  /** Index of rows that sum up the others, set apart by a rule. */
  readonly summaryRows?: readonly number[];
}

/** A column's heading: label and unit. */
export function columnHeading(column: Column): string {
  return column.unit ? `${column.label} (${column.unit})` : column.label;
}

/** Whether a cell is a value with an interval. */
export function isInterval(cell: Cell): cell is Interval {
  return typeof cell === 'object' && cell !== null;
}

/** A cell as text: numbers with the column's decimals, intervals as `0.61 (0.55 to 0.67)`, nothing as "n/a". */
export function formatCell(cell: Cell, column: Column): string {
  if (cell === null || cell === undefined) return 'n/a';
  if (typeof cell === 'string') return cell;
  if (isInterval(cell)) {
    const bounds = formatBounds(cell, column);
    return `${formatCell(cell.mean, column)}${bounds === undefined ? '' : ` (${bounds})`}`;
  }
  if (!Number.isFinite(cell)) return 'n/a';
  const text = cell.toFixed(column.digits ?? 0);
  // No "-0.00".
  return Number(text) === 0 ? text.replace('-', '') : text;
}

/** `0.55 to 0.67` with the column's decimals; undefined where an interval has no bounds. */
export function formatBounds({ low, high }: Interval, column: Column): string | undefined {
  if (!Number.isFinite(low) || !Number.isFinite(high)) return undefined;
  return `${formatCell(low, column)} to ${formatCell(high, column)}`;
}

/** Rows whose value is the best of a column; none where the column has no better end or all are equal. */
export function bestRows(table: Table, column: Column): ReadonlySet<number> {
  if (!column.better) return new Set();
  const text = table.rows.map((row, i) => {
    const cell = row[column.key];
    if (table.summaryRows?.includes(i)) return 'n/a';
    return formatCell(isInterval(cell) ? cell.mean : cell, column);
  });
  const values = text.filter((t) => t !== 'n/a').map(Number);
  const best = column.better === 'high' ? Math.max(...values) : Math.min(...values);
  const indices = text.flatMap((t, i) => (t !== 'n/a' && Number(t) === best ? [i] : []));
  return new Set(values.length > 1 && indices.length < values.length ? indices : []);
}

/** The table as aligned plain text for a terminal: a heading, a rule, one line a row; no trailing newline. */
export function formatTable(table: Table): string {
  const heads = table.columns.map(columnHeading);
  const body = table.rows.map((row) => table.columns.map((column) => formatCell(row[column.key], column)));
  const width = (text: string): number => [...text].length;
  const widths = heads.map((head, c) => Math.max(width(head), ...body.map((row) => width(row[c]!))));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, c) => {
        const space = ' '.repeat(widths[c]! - width(cell));
        return table.columns[c]!.kind === 'number' ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  const rule = widths.map((w) => '─'.repeat(w)).join('──');
  const lines = body.flatMap((cells, r) =>
    table.summaryRows?.includes(r) ? [rule, line(cells)] : [line(cells)],
  );
  return [line(heads), rule, ...lines].join('\n');
}

/** A column of {@link METRIC_COLUMNS}. */
export type MetricColumn = Column & { readonly key: keyof ScanMetrics };

/** The columns of {@link ScanMetrics}, in the order that reports show them. */
export const METRIC_COLUMNS: readonly MetricColumn[] = [
  { key: 'dice', label: 'Dice', kind: 'number', digits: 3, better: 'high' },
  { key: 'tpr', label: 'TPR', kind: 'number', digits: 3, better: 'high' },
  { key: 'ppv', label: 'PPV', kind: 'number', digits: 3, better: 'high' },
  { key: 'ltpr', label: 'Lesion TPR', kind: 'number', digits: 3, better: 'high' },
  { key: 'lfpr', label: 'Lesion FPR', kind: 'number', digits: 3, better: 'low' },
  { key: 'volumeDifference', label: 'Vol. diff.', kind: 'number', digits: 3, better: 'low' },
  { key: 'truthMl', label: 'True vol.', unit: 'ml', kind: 'number', digits: 2 },
  { key: 'predictionMl', label: 'Pred. vol.', unit: 'ml', kind: 'number', digits: 2 },
];

/** {@link METRIC_COLUMNS} for a mask that somebody corrected: it is not a prediction. */
export const CORRECTED_METRIC_COLUMNS: readonly MetricColumn[] = METRIC_COLUMNS.map((column) =>
  column.key === 'predictionMl' ? { ...column, label: 'Corrected vol.' } : column,
);

/** One evaluated scan. */
export interface EvaluatedScan extends ScanMetrics {
  readonly subject: string;
  /** Absent for a subject with one session. */
  readonly session?: string | undefined;
  /** Whether the model was trained on the scan. */
  readonly trainedOn?: Seen;
}

/** How a table tells it. */
const SEEN: Readonly<Record<Exclude<Seen, null>, string>> = { images: 'yes', name: 'same name', no: 'no' };

/** The table of `voxelgrad evaluate`: a row a scan, and their mean. */
export function evaluationTable(scans: readonly EvaluatedScan[], mean: ScanMetrics): Table {
  const sessions = scans.some((scan) => scan.session !== undefined);
  const columns: Column[] = [{ key: 'subject', label: 'Subject', kind: 'text' }];
  if (sessions) columns.push({ key: 'session', label: 'Session', kind: 'text' });
  if (scans.some(({ trainedOn }) => trainedOn !== undefined))
    columns.push({ key: 'trained', label: 'Trained on', kind: 'text' });
  return {
    caption: 'Agreement with the true lesion masks',
    columns: [...columns, ...METRIC_COLUMNS.map(({ better: _, ...column }) => column)],
    rows: [
      ...scans.map(({ trainedOn = null, ...scan }) => ({
        ...scan,
        session: scan.session ?? '',
        trained: trainedOn === null ? null : SEEN[trainedOn],
      })),
      { ...mean, subject: 'mean', session: '', trained: '' },
    ],
    summaryRows: [scans.length],
  };
}
