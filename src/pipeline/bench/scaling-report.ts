import { html, type Markup } from '../../imaging/report/html.ts';
import { logAxis, coordinate as n, ticksOf } from './log-axis.ts';
import { markdownTable } from './report.ts';
import type { Axis, ScalingPoint, ScalingSeries } from './scaling.ts';

/** What a run of the scaling bench found. */
export interface ScalingReport {
  readonly adapter: string;
  readonly driver: string;
  readonly commit: string | null;
  readonly machine: { readonly cores: number; readonly load: number };
  readonly series: readonly ScalingSeries[];
}

const NAMES: Readonly<Record<Axis, { readonly value: string; readonly size: string }>> = {
  patch: { value: 'patch', size: 'voxels' },
  baseChannels: { value: 'channels at the first level', size: 'channels' },
  batch: { value: 'batch', size: 'voxels' },
};

const QUANTITIES = [
  { name: 'ms', of: ({ ms }: ScalingPoint) => ms, exponent: 'timeExponent', colour: '#0a5fb4' },
  {
    name: 'MB',
    of: (point: ScalingPoint) => point.tensorBytes / 1e6,
    exponent: 'memoryExponent',
    colour: '#b4530a',
  },
] as const;

/** One table an axis, as Markdown: time and memory at each value, with the exponent of each fit. */
export function formatScaling(report: ScalingReport): string {
  const lines = [describe(report)];
  for (const series of report.series) {
    const { value, size } = NAMES[series.axis];
    lines.push(
      '',
      ...markdownTable(
        [value, ...series.points.map((point) => String(point.value)), `exponent in ${size}`],
        QUANTITIES.map(({ name, of, exponent }) => [
          name,
          ...series.points.map((point) => String(Number(of(point).toPrecision(4)))),
          series[exponent].toFixed(2),
        ]),
      ),
    );
  }
  lines.push(
    '',
    'A training step (forward, loss, backward, Adam) of the single network with 4 inputs; 8 channels at the first of 3 levels, patch 32 and batch 1 where they are not varied. ms: the shortest of the replays. MB: activations, gradients, scratch and packed weights. Exponents: least squares through the logarithms.',
  );
  return `${lines.join('\n')}\n`;
}

function describe({ adapter, driver, commit, machine }: ScalingReport): string {
  const where = `${adapter} (${driver} driver)${commit ? `, ${commit}` : ''}`;
  return `${where}, ${machine.cores} cores with a load of ${machine.load} before`;
}

const PANEL = { width: 390, height: 300 } as const;
const INSIDE = { left: 64, right: 370, top: 40, bottom: 250 } as const;
const HEAD = 60;

/** The same as a picture (SVG): time above, memory below, a column an axis, with the line of proportional growth. */
export function scalingPicture(report: ScalingReport): string {
  const width = report.series.length * PANEL.width;
  const height = HEAD + QUANTITIES.length * PANEL.height;
  const panels = report.series.flatMap((series, column) =>
    QUANTITIES.map((quantity, row) => {
      const [x, y] = [column * PANEL.width, HEAD + row * PANEL.height];
      return html`<g transform="translate(${x} ${y})">${panel(series, quantity)}</g>
`;
    }),
  );
  const svg = html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="How a training step grows" font-family="system-ui,-apple-system,'Segoe UI','Liberation Sans',sans-serif" font-size="13" fill="#16202b">
<rect width="${width}" height="${height}" fill="#fff"/>
<text x="24" y="30" font-size="17" font-weight="600">How a training step grows</text>
<text x="24" y="50" fill="#56626f">${describe(report)}; dashed: in proportion to the first</text>
${panels}</svg>`;
  return `${svg.text}\n`;
}

function panel(series: ScalingSeries, { name, of, exponent, colour }: (typeof QUANTITIES)[number]): Markup {
  const { points, axis } = series;
  const first = points[0]!;
  const sizes = points.map(({ size }) => size);
  const [smallest, largest] = [Math.min(...sizes), Math.max(...sizes)];
  const proportional = (size: number): number => (of(first) * size) / first.size;
  const values = [...points.map(of), ...[smallest, largest].map(proportional)];
  const x = logAxis(smallest, largest, INSIDE.left, INSIDE.right);
  const y = logAxis(Math.min(...values), Math.max(...values), INSIDE.bottom, INSIDE.top);
  const at = (size: number, value: number): string => `${n(x.place(size))} ${n(y.place(value))}`;
  const line = points.map((point, i) => `${i === 0 ? 'M' : 'L'}${at(point.size, of(point))}`).join('');
  return html`<text x="${INSIDE.left}" y="${INSIDE.top - 12}">${name}: as ${NAMES[axis].size} to the power ${series[exponent].toFixed(2)}</text>
${ticksOf(y)
  .filter((tick) => /^0?\.?0*1/.test(String(tick)))
  .map(
    (tick) => html`<path d="M${INSIDE.left} ${n(y.place(tick))}H${INSIDE.right}" stroke="#e3e8ed"/>
<text x="${INSIDE.left - 8}" y="${n(y.place(tick) + 4)}" text-anchor="end" fill="#56626f">${tick}</text>
`,
  )}<path d="M${at(smallest, proportional(smallest))}L${at(largest, proportional(largest))}" stroke="#56626f" stroke-dasharray="4 4"/>
<path d="${line}" fill="none" stroke="${colour}" stroke-width="2"/>
${points.map(
  (
    point,
  ) => html`<circle cx="${n(x.place(point.size))}" cy="${n(y.place(of(point)))}" r="4" fill="${colour}"/>
<text x="${n(x.place(point.size))}" y="${INSIDE.bottom + 18}" text-anchor="middle" font-size="11" fill="#56626f">${point.value}</text>
`,
)}<text x="${(INSIDE.left + INSIDE.right) / 2}" y="${INSIDE.bottom + 36}" text-anchor="middle" fill="#56626f">${NAMES[axis].value} (placed by ${NAMES[axis].size}, log scale)</text>
`;
}
