import { html, type Markup } from '../../imaging/report/html.ts';
import { logAxis, coordinate as n, ticksOf } from './log-axis.ts';
import { type BenchReport, type BenchRow, fastestVariants } from './report.ts';
import type { StepKernel } from './step.ts';

const WIDTH = 1180;
const PLOT = { left: 64, right: 640, top: 92, bottom: 490 } as const;
const LIST = 680;
const BARS = { left: 320, right: 640 } as const;
const LINE = 20;
const STEP_KERNELS = 12;

/** One mark a pass: shape and colour, so that either alone tells them apart. */
const PASSES = [
  { name: 'forward', colour: '#0a5fb4', mark: 'circle' },
  { name: 'backward_input', colour: '#b4530a', mark: 'square' },
  { name: 'backward_weight', colour: '#2c7a3f', mark: 'diamond' },
] as const;

/**
 * The bench as a picture (SVG): the roofline with every convolution on it, numbered and listed; the kernels that are
 * counted in bytes as bars against a plain copy; and where a training step's time goes. Of several variants of a row
 * the fastest is drawn.
 */
export function rooflinePicture(report: BenchReport): string {
  const fastest = fastestVariants(report.rows);
  const arithmetic = fastest.filter((row) => row.gflops > 0);
  const bandwidth = fastest.filter((row) => row.gflops === 0);
  const step = (report.step?.byKernel ?? []).slice(0, STEP_KERNELS);
  let y = 24;
  const parts: Markup[] = [];
  if (arithmetic.length > 0) {
    parts.push(roofline(report, arithmetic));
    y = Math.max(PLOT.bottom + 70, PLOT.top + arithmetic.length * LINE + 20);
  } else y = PLOT.top;
  const bars = (title: string, items: readonly Bar[], unit: string): void => {
    if (items.length === 0) return;
    parts.push(barChart(title, items, unit, y));
    y += 44 + items.length * LINE;
  };
  bars('Share of a plain copy’s bandwidth', bandwidth.map(bandwidthBar), '%');
  bars(
    'Where a training step’s time goes',
    step.map((row) => stepBar(row, report)),
    '% of the kernels',
  );
  const { adapter, commit, peak } = report;
  const svg = html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" width="${WIDTH}" height="${y}" role="img" aria-label="Roofline of ${adapter}" font-family="system-ui,-apple-system,'Segoe UI','Liberation Sans',sans-serif" font-size="13" fill="#16202b">
<rect width="${WIDTH}" height="${y}" fill="#fff"/>
<text x="24" y="30" font-size="17" font-weight="600">${adapter}${commit && `, ${commit}`}</text>
<text x="24" y="50" fill="#56626f">measured peaks: ${peak.gflops} GFLOP/s of multiply-adds, ${peak.gbps} GB/s of a plain copy</text>
${parts}</svg>`;
  return `${svg.text}\n`;
}

function roofline({ peak }: BenchReport, rows: readonly BenchRow[]): Markup {
  const intensity = (row: BenchRow): number => row.gflops / row.gbps;
  const ridge = peak.gflops / peak.gbps;
  const xs = [...rows.map(intensity), ridge];
  const ys = [...rows.map((row) => row.gflops), peak.gflops];
  const x = logAxis(Math.min(...xs), Math.max(...xs), PLOT.left, PLOT.right);
  const y = logAxis(Math.min(...ys), Math.max(...ys) * 1.3, PLOT.bottom, PLOT.top);
  const roof = (at: number): number => Math.min(peak.gflops, at * peak.gbps);
  // The roof enters the plot from the left or from below.
  const start = Math.max(x.low, y.low / peak.gbps);
  const corners = [start, ...(ridge > start && ridge < x.high ? [ridge] : []), x.high];
  const path = corners
    .map((at, i) => `${i === 0 ? 'M' : 'L'}${n(x.place(at))} ${n(y.place(roof(at)))}`)
    .join('');
  return html`${ticksOf(x).map(
    (t) => html`<path d="M${n(x.place(t))} ${PLOT.top}V${PLOT.bottom}" stroke="#e3e8ed"/>
<text x="${n(x.place(t))}" y="${PLOT.bottom + 18}" text-anchor="middle" fill="#56626f">${t}</text>
`,
  )}${ticksOf(y).map(
    (t) => html`<path d="M${PLOT.left} ${n(y.place(t))}H${PLOT.right}" stroke="#e3e8ed"/>
<text x="${PLOT.left - 8}" y="${n(y.place(t) + 4)}" text-anchor="end" fill="#56626f">${t}</text>
`,
  )}<text x="${(PLOT.left + PLOT.right) / 2}" y="${PLOT.bottom + 38}" text-anchor="middle" fill="#56626f">operations of the plain formula for each byte that must move (log scale)</text>
<text x="${PLOT.left}" y="${PLOT.top - 8}" fill="#56626f">GFLOP/s (log scale)</text>
<path d="${path}" fill="none" stroke="#16202b" stroke-width="2"/>
${points(rows, (row) => [x.place(intensity(row)), y.place(row.gflops)])}${legend(rows)}`;
}

/** Marks, and beside them their numbers: those of marks too close together for one each follow one another. */
function points(rows: readonly BenchRow[], place: (row: BenchRow) => readonly [number, number]): Markup {
  const places = rows.map(place);
  const labels: { readonly x: number; readonly y: number; readonly numbers: number[] }[] = [];
  for (const [i, [x, y]] of places.entries()) {
    const near = labels.find((label) => Math.abs(label.x - x) < 24 && Math.abs(label.y - y) < 11);
    if (near) near.numbers.push(i + 1);
    else labels.push({ x, y, numbers: [i + 1] });
  }
  return html`${rows.map((row, i) => html`${mark(row, ...places[i]!)}\n`)}${labels.map(
    ({ x, y, numbers }) => {
      const text = numbers.join(', ');
      const end = x + 16 + 6 * text.length;
      const isFree = places.every(
        ([otherX, otherY]) => Math.abs(otherY - y) > 9 || otherX < x + 6 || otherX > end,
      );
      const [at, anchor] = isFree ? [x + 9, 'start'] : [x - 9, 'end'];
      return html`<text x="${n(at)}" y="${n(y + 4)}" text-anchor="${anchor}" font-size="11">${text}</text>\n`;
    },
  )}`;
}

function mark(row: BenchRow, x: number, y: number): Markup {
  const pass = PASSES.find(({ name }) => row.kernel.endsWith(`/${name}`)) ?? PASSES[0];
  // Hollow for transposed convolutions.
  const paint = row.kernel.startsWith('conv3d')
    ? html`fill="${pass.colour}"`
    : html`fill="#fff" stroke="${pass.colour}" stroke-width="2"`;
  if (pass.mark === 'circle') return html`<circle cx="${n(x)}" cy="${n(y)}" r="5" ${paint}/>`;
  const square = html`<rect x="${n(x - 4.5)}" y="${n(y - 4.5)}" width="9" height="9" ${paint}`;
  return pass.mark === 'square'
    ? html`${square}/>`
    : html`${square} transform="rotate(45 ${n(x)} ${n(y)})"/>`;
}

function legend(rows: readonly BenchRow[]): Markup {
  return html`<text x="${LIST}" y="${PLOT.top - 8}" fill="#56626f">GFLOP/s, share of peak</text>
${rows.map((row, i) => {
  const y = PLOT.top + 12 + i * LINE;
  return html`${mark(row, LIST + 26, y - 4)}<text x="${LIST + 16}" y="${y}" text-anchor="end">${i + 1}</text>
<text x="${LIST + 40}" y="${y}" font-size="12">${row.kernel} ${row.shape}</text>
<text x="${WIDTH - 16}" y="${y}" text-anchor="end" font-size="12">${row.gflops.toFixed(1)}, ${(100 * row.shareOfPeak).toFixed(0)} %</text>
`;
})}`;
}

interface Bar {
  readonly name: string;
  /** 1 is the whole width. */
  readonly share: number;
  readonly detail: string;
}

function bandwidthBar(row: BenchRow): Bar {
  return {
    name: `${row.kernel} ${row.shape}`,
    share: row.shareOfPeak,
    detail: `${row.gbps.toFixed(1)} GB/s, ${row.ms.toPrecision(3)} ms`,
  };
}

function stepBar({ kernel, count, ms }: StepKernel, { step }: BenchReport): Bar {
  return { name: kernel, share: ms / step!.kernelMs, detail: `${ms.toFixed(1)} ms in ${count}` };
}

function barChart(title: string, items: readonly Bar[], unit: string, top: number): Markup {
  const longest = Math.max(1, ...items.map(({ share }) => share));
  return html`<text x="24" y="${top + 6}" font-weight="600">${title}</text>
${items.map(({ name, share, detail }, i) => {
  const y = top + 16 + i * LINE;
  const width = ((BARS.right - BARS.left) * share) / longest;
  return html`<text x="${BARS.left - 8}" y="${y + 12}" text-anchor="end" font-size="12">${name}</text>
<rect x="${BARS.left}" y="${y + 2}" width="${n(Math.max(1, width))}" height="13" fill="#0a5fb4"/>
<text x="${LIST}" y="${y + 12}" font-size="12">${(100 * share).toFixed(0)} ${unit}: ${detail}</text>
`;
})}`;
}
