import { sha256Bytes } from '../../core/hash.ts';
import { escapeHtml, html, type Markup, trusted } from '../report/html.ts';
import { PAGE_STYLE } from '../report/style.ts';
import { OUTLIER_SCORE, type Outlyingness } from './outliers.ts';
import { formatMl, tellParts } from './part-words.ts';
import { QC_SCRIPT } from './qc-script.ts';
import type { ScanSummary } from './volumes.ts';

/** A rating that a reader gave. */
export interface Rating {
  readonly rating: string;
  readonly comment: string;
}

/** One scan of the page. */
export interface QcScan {
  readonly summary: ScanSummary;
  readonly outlying: Outlyingness;
  /** The mosaic as a PNG; undefined if there is none. */
  readonly picture: Uint8Array | undefined;
}

/** What the page of a cohort is made from. */
export interface QcPage {
  /** How the page calls the folder. */
  readonly name: string;
  /** In the order of the page. */
  readonly scans: readonly QcScan[];
  /** By the name of the scan. */
  readonly ratings: ReadonlyMap<string, Rating>;
  readonly version: string;
}

const STYLE = `
body{max-width:1240px}
header{position:sticky;top:0;z-index:1;padding:12px 0;background:var(--ground);border-bottom:1px solid var(--line)}
h1{margin:0;max-width:none;font-size:1.1rem}
.bar{display:flex;flex-wrap:wrap;gap:6px 16px;align-items:center;margin-top:6px;font-size:.875rem}
kbd{padding:0 5px;border:1px solid var(--line);border-radius:4px;font:inherit;font-size:.8125rem}
button,select,input{font:inherit;font-size:.875rem;color:inherit;background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:3px 10px}
button[aria-pressed=true][value=pass]{background:#1a7f37;color:#fff}
button[aria-pressed=true][value=fail]{background:#b42318;color:#fff}
article{content-visibility:auto;contain-intrinsic-size:auto 250px;margin:12px 0;padding:10px 14px;border:1px solid var(--line);border-left:5px solid var(--line);border-radius:8px;scroll-margin:140px}
article[hidden]{display:none}
article[data-rating=pass]{border-left-color:#1a7f37}
article[data-rating=fail]{border-left-color:#b42318}
article[aria-current]{outline:2px solid var(--accent)}
article h2{margin:0 0 2px;font-size:1rem}
article p{margin:0 0 6px;max-width:none;font-size:.875rem}
article img{display:block;width:100%;height:auto;background:#000;border-radius:4px}
.odd{color:#b42318;font-weight:600}
@media(prefers-color-scheme:dark){.odd{color:#ff9b8f}}
.rate{display:flex;gap:8px;margin-top:8px}
.rate input{flex:1;min-width:0}
details{font-size:.8125rem;color:var(--quiet);overflow-wrap:anywhere}
`;

/**
 * The page of a cohort, piece by piece: scans with their mosaics and numbers, as they come, to be marked with pass or
 * fail. One HTML file that needs nothing beside it; pictures far from the window are not decoded.
 */
export async function qcPage(page: QcPage): Promise<Iterable<Uint8Array>> {
  const hash = base64(await sha256Bytes(new TextEncoder().encode(QC_SCRIPT)));
  return pieces(page, hash);
}

/** @param hash of the script, by which the page's policy lets it run */
function* pieces({ name, scans, ratings, version }: QcPage, hash: string): Generator<Uint8Array> {
  const text = new TextEncoder();
  const policy = `default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-${hash}'`;
  const odd = scans.filter(({ outlying }) => outlying.score >= OUTLIER_SCORE).length;
  const warned = scans.filter(({ summary }) => summary.warnings.length > 0).length;
  const given = Object.fromEntries(ratings);
  yield text.encode(
    html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<title>Quality control: ${name}</title>
<style>${trusted(PAGE_STYLE + STYLE)}</style>
</head>
<body data-cohort="${name}">
<header><h1>${name}: ${scans.length} ${scans.length === 1 ? 'scan' : 'scans'}, ${odd} unusual, ${warned} with warnings; <span id="count"></span></h1>
<div class="bar">
<label>Show <select id="filter"><option value="all">all</option><option value="todo">to do</option><option value="odd">unusual or warned</option><option value="fail">fail</option><option value="pass">pass</option></select></label>
<label>Order <select id="order"><option value="odd">most unusual first</option><option value="name">by name</option></select></label>
<span><kbd>j</kbd> <kbd>k</kbd> next, previous</span><span><kbd>p</kbd> pass</span><span><kbd>f</kbd> fail</span><span><kbd>u</kbd> undo</span><span><kbd>c</kbd> comment</span>
<button id="save">Save qc.tsv (s)</button>
</div></header>
<main id="scans">
`.text,
  );
  for (const [i, scan] of scans.entries()) yield text.encode(article(scan, i).text);
  yield text.encode(
    `</main>
<footer>For research use. Not a medical device. Made by voxelgrad ${escapeHtml(version)}. Unusual: a robust z of at least ${OUTLIER_SCORE} among these scans.</footer>
<script type="application/json" id="ratings">${JSON.stringify(given).replaceAll('<', '\\u003c')}</script>
<script>${QC_SCRIPT}</script>
</body>
</html>
`,
  );
}

function article({ summary, outlying, picture: png }: QcScan, index: number): Markup {
  const { subject, session, labels, warnings, sidecar } = summary;
  const id = `sub-${subject}${session === null ? '' : `_ses-${session}`}`;
  const isOdd = outlying.score >= OUTLIER_SCORE;
  const found = labels.map(({ Label, Count, VolumeMl, SmallCount }) => {
    const small = SmallCount > 0 ? `, ${SmallCount} below 3 mm` : '';
    return `${tellParts(Label, Count, VolumeMl)}${small}`;
  });
  const brain = labels[0] ? `brain ${formatMl(labels[0].BrainMl)}` : '';
  const size = png && pngSize(png);
  return html`<article id="${id}" data-index="${index}" data-participant="sub-${subject}" data-session="${session === null ? '' : `ses-${session}`}" data-score="${outlying.score.toFixed(2)}" data-odd="${isOdd || warnings.length > 0 ? 'yes' : 'no'}">
<h2>${id}</h2>
<p>${[...found, brain].filter((part) => part !== '').join('; ')}${
    isOdd &&
    html` <span class="odd">${outlying.by} is ${outlying.z > 0 ? 'high' : 'low'} (robust z ${outlying.z.toFixed(1)})</span>`
  }</p>
${warnings.map((warning) => html`<p class="odd">Warning: ${warning}</p>`)}${
  png && size
    ? html`<img alt="Axial slices of ${id} with contours" width="${size[0]}" height="${size[1]}" style="aspect-ratio:${size[0]}/${size[1]}"><script type="text/plain" id="picture-${index}">${trusted(base64(png))}</script>`
    : html`<p>There is no picture of this scan.</p>`
}
<div class="rate"><button value="pass">Pass</button><button value="fail">Fail</button><input aria-label="Comment on ${id}" placeholder="Comment"></div>
<details><summary>Where this comes from</summary>${JSON.stringify({
    Sources: sidecar.Sources,
    Model: sidecar.Model,
    Method: sidecar.Method,
    GeneratedBy: sidecar.GeneratedBy,
  })}</details>
</article>
`;
}

/** Width and height, as a PNG's header has them. */
function pngSize(png: Uint8Array): readonly [number, number] {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  return [view.getUint32(16), view.getUint32(20)];
}

function base64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += 8192)
    binary += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(binary);
}
