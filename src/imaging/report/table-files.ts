import type { Json } from '../../core/json.ts';
import {
  type Cell,
  type Column,
  columnHeading,
  formatCell,
  isInterval,
  type Table,
} from '../evaluate/tables.ts';

/**
 * A table as CSV (RFC 4180, with plain line feeds): headings, then one line per row. Numbers have all their digits, an
 * interval fills three columns (`Dice`, `Dice low`, `Dice high`), and what is not there is empty.
 */
export function tableCsv(table: Table): string {
  const wide = new Set(
    table.columns.filter((column) => table.rows.some((row) => isInterval(row[column.key]))),
  );
  const heads = table.columns.flatMap((column) => {
    const head = columnHeading(column);
    return wide.has(column) ? [head, `${head} low`, `${head} high`] : [head];
  });
  const lines = table.rows.map((row) =>
    table.columns.flatMap((column) => {
      const cell = row[column.key];
      if (!wide.has(column)) return [csvCell(cell)];
      return isInterval(cell) ? [cell.mean, cell.low, cell.high].map(csvCell) : [csvCell(cell), '', ''];
    }),
  );
  return [heads.map(quoted), ...lines].map((cells) => `${cells.join(',')}\n`).join('');
}

/**
 * A table as BIDS has them: the columns' keys, then one line per row, with tabs between cells and `n/a` for what is not
 * there. Numbers have six digits that count, texts no tabs, line ends or formulas.
 */
export function tableTsv({ columns, rows }: Table): Uint8Array {
  const lines = [
    columns.map(({ key }) => tsvText(key)),
    ...rows.map((row) => columns.map(({ key }) => tsvCell(row[key]))),
  ];
  return new TextEncoder().encode(lines.map((cells) => `${cells.join('\t')}\n`).join(''));
}

/** What BIDS wants beside a table: what each column is, by its key. */
export function dataDictionary({ columns }: Table): Record<string, Record<string, Json>> {
  return Object.fromEntries(
    columns.map(({ key, label, description, unit, levels }) => [
      key,
      {
        LongName: label,
        Description: description ?? label,
        ...(unit === undefined ? {} : { Units: unit }),
        ...(levels === undefined ? {} : { Levels: levels }),
      },
    ]),
  );
}

/** A table in GitHub's Markdown: its caption in bold, headings, one line per row; numbers as on a page. */
export function tableMarkdown(table: Table): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const text = (cell: Cell, column: Column): string => markdownText(formatCell(cell, column));
  return [
    `**${markdownText(table.caption)}**`,
    '',
    line(table.columns.map((column) => markdownText(columnHeading(column)))),
    line(table.columns.map(({ kind }) => (kind === 'number' ? '---:' : ':---'))),
    ...table.rows.map((row) => line(table.columns.map((column) => text(row[column.key], column)))),
  ].join('\n');
}

/** Text that Markdown shows as it is, on one line. */
export function markdownText(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_[\]<>|&#~]/g, (c) => `\\${c}`);
}

function csvCell(cell: Cell): string {
  if (typeof cell === 'number') return Number.isFinite(cell) ? String(cell) : '';
  return typeof cell === 'string' ? quoted(cell) : '';
}

function tsvCell(cell: Cell): string {
  if (typeof cell === 'number') return Number.isFinite(cell) ? String(Number(cell.toPrecision(6))) : 'n/a';
  return typeof cell === 'string' && cell !== '' ? tsvText(cell) : 'n/a';
}

function tsvText(text: string): string {
  return inert(text.replace(/\s+/g, ' '));
}

function quoted(text: string): string {
  const safe = inert(text);
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A spreadsheet would compute a text that begins as a formula does: an apostrophe before it makes it a text again. */
function inert(text: string): string {
  return /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
}
