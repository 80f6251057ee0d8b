import type { Markup } from './html.ts';
import { html } from './html.ts';

/** How a learning curve is drawn. */
export interface LearningCurveOptions {
  /** What the picture shows, for readers who cannot see it. */
  readonly title: string;
  /** Step of each loss; 1, 2, 3, … unless told. */
  readonly steps?: readonly number[];
  readonly scale?: 'linear' | 'log';
  readonly yLabel?: string;
}

const WIDTH = 360;
const HEIGHT = 220;
const NOTHING = 'no finite loss was logged';
const PLOT = { left: 46, right: 340, top: 28, bottom: 182 } as const;

/**
 * Loss against step as SVG: each value (faint) and their moving average (bold). Own code, because the plotting
 * libraries that draw without a browser's DOM are larger than all of this report, and this is one kind of chart.
 * Colours come from the page's custom properties, with fallbacks for a file of its own.
 *
 * Values that are not finite (on a log scale: not positive) are left out.
 */
export function learningCurve(losses: readonly number[], options: LearningCurveOptions): Markup {
  const log = options.scale === 'log';
  const points = losses
    .map((y, i) => ({ x: options.steps?.[i] ?? i + 1, y }))
    .filter(({ y }) => Number.isFinite(y) && (!log || y > 0));
  const label = `${options.title}: ${summary(points.map(({ y }) => y))}`;
  if (points.length === 0) return drawing(label, nothingLogged());
  const smooth = movingAverage(points, smoothing(points.length));
  const { px, py, marks } = axes(points, options);
  return drawing(
    label,
    html`${marks}<path d="${path(envelope(points), px, py)}" fill="none" stroke="var(--raw, #9db8d6)" stroke-linejoin="round"/>
${bold(thin(smooth), px, py)}`,
  );
}

/** The loss of a training run near one step. */
export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

/**
 * The losses of a run's steps in at most `bins` points, each the mean of as many steps as the others (the last may have
 * fewer) at the last of these steps: a long run's course without its length.
 */
export function binLosses(losses: readonly number[], bins = 150): LossPoint[] {
  const size = Math.max(1, Math.ceil(losses.length / bins));
  const points: LossPoint[] = [];
  for (let from = 0; from < losses.length; from += size) {
    const bin = losses.slice(from, from + size);
    points.push({ step: from + bin.length, loss: bin.reduce((sum, v) => sum + v, 0) / bin.length });
  }
  return points;
}

/**
 * Loss against step of several runs as SVG: each run smoothed (faint), and the mean of those runs that have a value at
 * a step (bold). Values that are not finite are left out.
 */
export function learningCurves(
  runs: readonly (readonly LossPoint[])[],
  options: Omit<LearningCurveOptions, 'steps'>,
): Markup {
  const log = options.scale === 'log';
  const lines = runs
    .map((run) =>
      run
        .map(({ step, loss }) => ({ x: step, y: loss }))
        .filter(({ y }) => Number.isFinite(y) && (!log || y > 0)),
    )
    .filter((line) => line.length > 0)
    .map((line) => movingAverage(line, smoothing(line.length)));
  const count = `${lines.length} ${lines.length === 1 ? 'run' : 'runs'}`;
  if (lines.length === 0) return drawing(`${options.title}: ${NOTHING}`, nothingLogged());
  const mean = meanLine(lines);
  const { px, py, marks } = axes(lines.flat(), options);
  return drawing(
    `${options.title}: ${count}, ${ends(mean.map(({ y }) => y))}`,
    html`${marks}${
      lines.length > 1 &&
      lines.map(
        (line) =>
          html`<path d="${path(line, px, py)}" fill="none" stroke="var(--raw, #9db8d6)" stroke-linejoin="round"/>
`,
      )
    }${bold(mean, px, py)}`,
  );
}

type Scale = (value: number) => number;

/** Grid lines, tick labels and axis titles around a set of points, and where a point goes. */
function axes(
  points: readonly Point[],
  options: LearningCurveOptions,
): { readonly px: Scale; readonly py: Scale; readonly marks: Markup } {
  const log = options.scale === 'log';
  const low = points.reduce((least, { y }) => Math.min(least, y), Number.POSITIVE_INFINITY);
  const high = points.reduce((most, { y }) => Math.max(most, y), Number.NEGATIVE_INFINITY);
  const yTicks = log ? logTicks(low, high) : linearTicks(low, high, 4);
  const lastStep = points.reduce((most, { x }) => Math.max(most, x), points[0]!.x + 1);
  const xTicks = linearTicks(0, lastStep, 4).filter((t) => t <= lastStep && Number.isInteger(t));
  const bend = log ? Math.log : (v: number): number => v;
  const [bottom, top] = [bend(yTicks[0]!), bend(yTicks.at(-1)!)];
  const px = (x: number): number => PLOT.left + (x / lastStep) * (PLOT.right - PLOT.left);
  const py = (y: number): number =>
    PLOT.bottom - ((bend(y) - bottom) / (top - bottom)) * (PLOT.bottom - PLOT.top);
  const decimals = tickDecimals(yTicks);
  const marks = html`<text x="0" y="12">${options.yLabel ?? 'loss'}${log && ' (log scale)'}</text>
${yTicks.map(
  (t) => html`<path d="M${PLOT.left} ${py(t).toFixed(1)}H${PLOT.right}" stroke="var(--line, #d5dbe1)"/>
<text x="${PLOT.left - 6}" y="${(py(t) + 4).toFixed(1)}" text-anchor="end">${log ? String(t) : t.toFixed(decimals)}</text>
`,
)}${xTicks.map(
  (t) => html`<text x="${px(t).toFixed(1)}" y="${PLOT.bottom + 17}" text-anchor="middle">${t}</text>
`,
)}<text x="${(PLOT.left + PLOT.right) / 2}" y="${HEIGHT - 5}" text-anchor="middle">step</text>
`;
  return { px, py, marks };
}

function drawing(label: string, content: Markup): Markup {
  return html`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${label}" font-size="12" fill="var(--quiet, #56626f)">
${content}
</svg>`;
}

function nothingLogged(): Markup {
  return html`<text x="${WIDTH / 2}" y="${HEIGHT / 2}" text-anchor="middle">${NOTHING}</text>`;
}

function path(line: readonly Point[], px: Scale, py: Scale): string {
  return line.map(({ x, y }, i) => `${i === 0 ? 'M' : 'L'}${px(x).toFixed(1)} ${py(y).toFixed(1)}`).join('');
}

function bold(line: readonly Point[], px: Scale, py: Scale): Markup {
  return html`<path d="${path(line, px, py)}" fill="none" stroke="var(--curve, #0a5fb4)" stroke-width="2.5" stroke-linejoin="round" stroke-linecap="round"/>`;
}

/** At each step that a line has a point at: the mean of all lines that reach it. */
function meanLine(lines: readonly (readonly Point[])[]): Point[] {
  const steps = [...new Set(lines.flatMap((line) => line.map(({ x }) => x)))].sort((a, b) => a - b);
  return thin(
    steps.map((x) => {
      const values = lines.flatMap((line) => valueAt(line, x) ?? []);
      return { x, y: values.reduce((sum, v) => sum + v, 0) / values.length };
    }),
  );
}

/** Linear between points; undefined beyond the line's ends. */
function valueAt(line: readonly Point[], x: number): number | undefined {
  const after = line.findIndex((point) => point.x >= x);
  if (after < 0) return undefined;
  const [a, b] = [line[after - 1], line[after]!];
  if (b.x === x) return b.y;
  return a && a.y + ((b.y - a.y) * (x - a.x)) / (b.x - a.x);
}

/** Values that one moving average spans: a twentieth of a run. */
function smoothing(length: number): number {
  return Math.max(1, Math.round(length / 20));
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Centred mean over `window` values (fewer at the ends). */
function movingAverage(points: readonly Point[], window: number): Point[] {
  const sums = [0];
  for (const { y } of points) sums.push(sums.at(-1)! + y);
  const reach = Math.floor(window / 2);
  return points.map(({ x }, i) => {
    const from = Math.max(0, i - reach);
    const to = Math.min(points.length, i + reach + 1);
    return { x, y: (sums[to]! - sums[from]!) / (to - from) };
  });
}

/** At most 300 buckets, each as its smallest and largest value: a long run stays light and keeps its spread. */
function envelope(points: readonly Point[]): Point[] {
  if (points.length <= 600) return [...points];
  const size = Math.ceil(points.length / 300);
  const out: Point[] = [];
  for (let at = 0; at < points.length; at += size) {
    const bucket = points.slice(at, at + size);
    const low = bucket.reduce((a, b) => (b.y < a.y ? b : a));
    const high = bucket.reduce((a, b) => (b.y > a.y ? b : a));
    out.push(...(low.x <= high.x ? [low, high] : [high, low]));
  }
  return out;
}

/** At most some 300 points, first and last included. */
function thin(points: readonly Point[]): Point[] {
  const size = Math.ceil(points.length / 300);
  return points.filter((_, i) => i % size === 0 || i === points.length - 1);
}

/** Multiples of 1, 2 or 5 times a power of ten that enclose the range, about `count` intervals. */
function linearTicks(low: number, high: number, count: number): number[] {
  const span = high - low || Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(span / count));
  const step = power * ([1, 2, 5].find((m) => m * power * count >= span) ?? 10);
  const first = Math.floor(low / step + 1e-9);
  const last = Math.max(Math.ceil(high / step - 1e-9), first + 1);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** Powers of ten that enclose the range, with 2 and 5 between them where there are few. */
function logTicks(low: number, high: number): number[] {
  const marks = high / low > 1000 ? [1] : [1, 2, 5];
  const ticks: number[] = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++)
    for (const m of marks) ticks.push(Number((m * 10 ** e).toPrecision(6)));
  const first = Math.max(
    0,
    ticks.findLastIndex((t) => t <= low),
  );
  const last = ticks.findIndex((t, i) => t >= high && i > first);
  return ticks.slice(first, last === -1 ? undefined : last + 1);
}

function tickDecimals(ticks: readonly number[]): number {
  return Math.max(...ticks.map((t) => (String(t).split('.')[1] ?? '').length));
}

function summary(values: readonly number[]): string {
  return values.length === 0 ? NOTHING : `${values.length} steps, ${ends(values)}`;
}

function ends(values: readonly number[]): string {
  const tenth = Math.max(1, Math.floor(values.length / 10));
  const mean = (part: readonly number[]): string =>
    (part.reduce((sum, v) => sum + v, 0) / part.length).toPrecision(3);
  return `mean loss ${mean(values.slice(0, tenth))} at the start and ${mean(values.slice(-tenth))} at the end`;
}
