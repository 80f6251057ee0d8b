import type { ScanMetrics } from '../evaluate/metrics.ts';
import { CORRECTED_METRIC_COLUMNS, METRIC_COLUMNS } from '../evaluate/tables.ts';
import { OVERLAY_COLORS, paintOverlay, pngDataUri } from '../report/figures.ts';
import { factList, figure, html, legend, page, type Section, tableHtml } from '../report/html.ts';
import { paintedSlices } from '../report/painted-slices.ts';
import type { Grid } from '../volume/volume.ts';
import { describeGrid } from '../volume/volume.ts';
import { partWords } from './part-words.ts';
import { type Part, partTable } from './parts.ts';

/** What is reported of one segmented scan. Arrays have the grid's voxels. */
export interface ScanReportData {
  /** How the page calls the scan. */
  readonly name: string;
  readonly grid: Grid;
  /** The image that the overlay is painted on, and what it is: `FLAIR`. */
  readonly image: { readonly name: string; readonly data: Float32Array };
  readonly brain: Uint8Array;
  readonly mask: Uint8Array;
  /** What the mask is of (default `lesion`). */
  readonly label?: string | undefined;
  readonly truth?: Uint8Array | undefined;
  /** Whether somebody corrected the mask: tables then do not call it predicted. */
  readonly corrected?: boolean | undefined;
  readonly metrics?: ScanMetrics | undefined;
  readonly lesions: readonly Part[];
  /** What made the mask, by name, in this order: model, threshold, adapter, time. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** Who made the true mask: the name of its file. */
  readonly reference?: string | undefined;
  /** What a reader must know before the numbers, a sentence each. */
  readonly caveats?: readonly string[];
  /** Where all of it comes from: date, versions, files and their hashes. */
  readonly provenance?: readonly (readonly [name: string, value: string])[];
}

/** The report of one scan: one HTML file that needs nothing beside it. */
export function scanReport(data: ScanReportData): string {
  const { name, grid, lesions, metrics, label = 'lesion' } = data;
  const ml = lesions.reduce((sum, lesion) => sum + lesion.ml, 0);
  const { one, many } = partWords(label);
  const title = label === 'lesion' ? 'Lesions' : label;
  const count = `${lesions.length} ${lesions.length === 1 ? one : many}`;
  const sections: Section[] = [{ id: 'overlay', title: 'Overlay', body: overlay(data) }];
  if (metrics) {
    const reference = data.reference === undefined ? '' : ` (${data.reference})`;
    sections.push({
      id: 'agreement',
      title: 'Agreement with the true mask',
      body: tableHtml({
        caption: `Agreement with the true mask${reference}, which was given as a file`,
        columns: (data.corrected ? CORRECTED_METRIC_COLUMNS : METRIC_COLUMNS).map(
          ({ better: _, ...column }) => column,
        ),
        rows: [{ ...metrics }],
      }),
    });
  }
  sections.push({
    id: 'lesions',
    title,
    body:
      lesions.length > 0
        ? tableHtml(partTable(lesions, label, data.corrected))
        : html`<p>No ${label} ${data.corrected ? 'is left' : 'was predicted'}.</p>`,
  });
  if (data.provenance)
    sections.push({ id: 'provenance', title: 'Where this comes from', body: factList(data.provenance) });
  return page({
    title: `${title} of ${name}`,
    headline: `${name}: ${count}, ${ml.toFixed(2)} ml in all${metrics ? `, Dice ${metrics.dice.toFixed(3)}` : ''}`,
    lead: [
      (data.caveats ?? []).map((caveat) => html`<p>${caveat}</p>`),
      factList([['Grid', describeGrid(grid)], ...data.facts]),
    ],
    sections,
    footer: html`<p>For research use. Not a medical device: not for diagnosis, treatment or any other clinical decision.</p>`,
  });
}

function overlay({
  image,
  brain,
  mask,
  truth,
  grid,
  label = 'lesion',
  corrected = false,
}: ScanReportData): Section['body'] {
  const [made, what] = corrected ? ['corrected', 'corrected mask'] : ['predicted', 'prediction'];
  const target = truth ?? new Uint8Array(mask.length);
  const pictures = paintedSlices(image.data, brain, mask, grid).map(({ view, gray, where }) => ({
    source: pngDataUri(paintOverlay(view, gray, target, mask)),
    alt: `${where}: ${made} ${label === 'lesion' ? 'lesions' : label}${truth ? ' and true ones' : ''} on ${image.name}`,
    width: view.width,
    height: view.height,
    label: where,
  }));
  const colors = legend(
    truth
      ? [
          [`found (truth and ${what})`, OVERLAY_COLORS.found],
          ['missed (truth only)', OVERLAY_COLORS.missed],
          [`extra (${what} only)`, OVERLAY_COLORS.extra],
        ]
      : [[what, OVERLAY_COLORS.extra]],
  );
  const caption = `${image.name}, each plane where it holds most ${made} ${label}. Radiological view: the patient’s right is on the left of axial and coronal pictures.`;
  return [colors, figure(pictures, caption, 'scans')];
}
