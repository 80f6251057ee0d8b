import type { Cell, Column, Table } from '../evaluate/tables.ts';
import { bestRows, columnHeading, formatBounds, formatCell, isInterval } from '../evaluate/tables.ts';
import { PAGE_STYLE } from './style.ts';

/** HTML that is safe to put on a page as it is. Only {@link html} and {@link trusted} make it. */
export class Markup {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

/** What a template may hold. Text and numbers are escaped, nothing and `false` leave no trace. */
export type HtmlValue = Markup | string | number | false | null | undefined | readonly HtmlValue[];

/** `& < > " '` as entities: safe as text and inside quoted attributes. */
export function escapeHtml(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  };
  return text.replace(/[&<>"']/g, (c) => entities[c]!);
}

/** A template of HTML or SVG whose every value is escaped unless it is {@link Markup} itself. */
export function html(parts: TemplateStringsArray, ...values: readonly HtmlValue[]): Markup {
  return new Markup(parts.reduce((out, part, i) => out + render(values[i - 1]) + part));
}

/** Declares text to be HTML that needs no escaping: for constants of this program, never for data. */
export function trusted(text: string): Markup {
  return new Markup(text);
}

function render(value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return '';
  if (value instanceof Markup) return value.text;
  if (typeof value === 'string') return escapeHtml(value);
  if (typeof value === 'number') return String(value);
  return value.map(render).join('');
}

/** A page of a report. */
export interface Page {
  /** What the browser's tab says. */
  readonly title: string;
  /** The finding, in one sentence: the page's only h1. */
  readonly headline: string;
  /** What was done, under the headline. */
  readonly lead: HtmlValue;
  readonly sections: readonly Section[];
  readonly footer: HtmlValue;
  /** Seconds after which a browser loads the page again (default: never). */
  readonly refresh?: number | undefined;
}

/** A titled part of a page. */
export interface Section {
  /** Unique on the page; letters, digits and hyphens. */
  readonly id: string;
  readonly title: string;
  readonly body: HtmlValue;
}

/**
 * A whole HTML file in one string: style inside, pictures as data URIs, no script and no request to anywhere
 * (its content security policy forbids both). Follows the reader's light or dark setting.
 */
export function page({ title, headline, lead, sections, footer, refresh }: Page): string {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
${refresh !== undefined && html`<meta http-equiv="refresh" content="${refresh}">\n`}<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${trusted(PAGE_STYLE)}</style>
</head>
<body>
<header><h1>${headline}</h1>${lead}</header>
<main>
${sections.map(
  (section) => html`<section aria-labelledby="${section.id}">
<h2 id="${section.id}">${section.title}</h2>
${section.body}
</section>
`,
)}</main>
<footer>${footer}</footer>
</body>
</html>
`.text;
}

/** A table with caption, column headings and the first column as row headings; the best values are bold. */
export function tableHtml(table: Table): Markup {
  const best = table.columns.map((column) => bestRows(table, column));
  const row = (cells: Table['rows'][number], r: number): Markup => {
    const rendered = table.columns.map((column, c) => {
      const text = cellHtml(cells[column.key], column);
      if (c === 0) return html`<th scope="row">${text}</th>`;
      const content = best[c]!.has(r) ? html`<strong>${text}</strong>` : text;
      return html`<td${kindOf(column.kind)}>${content}</td>`;
    });
    return html`<tr${table.summaryRows?.includes(r) && trusted(' class="summary"')}>${rendered}</tr>\n`;
  };
  const heads = table.columns.map(
    (column) => html`<th scope="col"${kindOf(column.kind)}>${columnHeading(column)}</th>`,
  );
  return html`<div class="scroll" role="region" aria-label="${table.caption}" tabindex="0">
<table>
<caption><span>${table.caption}</span></caption>
<thead><tr>${heads}</tr></thead>
<tbody>
${table.rows.map(row)}</tbody>
</table>
</div>`;
}

/** An interval stands below its value, quieter. */
function cellHtml(cell: Cell, column: Column): HtmlValue {
  const bounds = isInterval(cell) && formatBounds(cell, column);
  if (!isInterval(cell) || !bounds) return formatCell(cell, column);
  return html`${formatCell(cell.mean, column)} <small>${bounds}</small>`;
}

function kindOf(kind: 'text' | 'number'): Markup | false {
  return kind === 'number' && trusted(' class="number"');
}

/** Names and values, as a description list. */
export function factList(facts: readonly (readonly [name: string, value: HtmlValue])[]): Markup {
  return html`<dl class="facts">${facts.map(
    ([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`,
  )}</dl>`;
}

/** One picture of a figure. */
export interface Picture {
  /** A data URI (the page's policy blocks all else), or SVG markup. */
  readonly source: string | Markup;
  /** What a reader who cannot see it is told. SVG brings its own. */
  readonly alt: string;
  readonly width: number;
  readonly height: number;
  readonly label?: string | undefined;
  /** Beside the label, quieter. */
  readonly detail?: string | undefined;
}

/** Pictures that are seen together, as many in a row as the window has room for, with one caption. */
export function figure(pictures: readonly Picture[], caption: HtmlValue, kind: 'scans' | 'charts'): Markup {
  const one = ({ source, alt, width, height, label, detail }: Picture): Markup => {
    const picture =
      source instanceof Markup
        ? source
        : html`<img src="${source}" alt="${alt}" width="${width}" height="${height}">`;
    return html`<div class="picture">${picture}${
      label !== undefined &&
      html`<p><b>${label}</b>${detail !== undefined && html` <span>${detail}</span>`}</p>`
    }</div>\n`;
  };
  return html`<figure>
<div class="${kind}" style="--pictures:${pictures.length}">
${pictures.map(one)}</div>
<figcaption>${caption}</figcaption>
</figure>`;
}

/** What the colours of a figure mean. */
export function legend(
  entries: readonly (readonly [label: string, color: readonly [number, number, number]])[],
): Markup {
  return html`<ul class="legend">${entries.map(
    ([label, color]) => html`<li><i style="background:rgb(${color.join(',')})"></i>${label}</li>`,
  )}</ul>`;
}
