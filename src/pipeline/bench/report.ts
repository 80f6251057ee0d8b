import type { Peak } from '../../engine/gpu/peak.ts';
import type { BenchCase } from './cases.ts';
import type { NetworkTiming } from './networks.ts';
import type { CaseTiming } from './run-case.ts';
import type { StepTiming } from './step.ts';

/** Another engine's time for a row. */
export interface PeerTime {
  /** Median. */
  readonly ms: number;
  readonly bestMs: number;
}

/** One row of the bench, as it is recorded. */
export interface BenchRow {
  readonly kernel: string;
  readonly shape: string;
  readonly variant: string;
  /** Median. */
  readonly ms: number;
  readonly bestMs: number;
  /** Distance between the quartiles over the median. */
  readonly spread: number;
  /** 1e9 operations of the plain formula a second; 0 for kernels that are counted in bytes. */
  readonly gflops: number;
  /** 1e9 bytes a second that the operation must move. */
  readonly gbps: number;
  /** Of the multiply-add peak, or of the plain copy for kernels that are counted in bytes. */
  readonly shareOfPeak: number;
  /** By name; a peer that did not run, or cannot do this, is absent. */
  readonly peers: Readonly<Record<string, PeerTime>>;
}

/** A whole network, as it is recorded. */
export interface NetworkRow extends NetworkTiming {
  readonly peers: Readonly<Record<string, PeerTime>>;
}

/** What a run of the bench found. */
export interface BenchReport {
  readonly adapter: string;
  /** `system` or `bundled`; the adapter's description holds the version. */
  readonly driver: string;
  /** Of the checkout that ran; null for an installed package. */
  readonly commit: string | null;
  /** Processor cores, and how many processes wanted one on average in the minute before. */
  readonly machine: { readonly cores: number; readonly load: number };
  readonly peak: Peak;
  readonly rows: readonly BenchRow[];
  readonly networks: readonly NetworkRow[];
  /** Null where the patterns leave the step out. */
  readonly step: StepTiming | null;
}

/** A row from a timing, by the counting rules. */
export function benchRow(bench: BenchCase, timing: CaseTiming, peak: Peak): BenchRow {
  const { ms, bestMs, spread, variant } = timing;
  const [gflops, gbps] = [bench.flops / ms / 1e6, bench.bytes / ms / 1e6];
  return {
    kernel: bench.kernel,
    shape: bench.shape,
    variant,
    ms: round(ms),
    bestMs: round(bestMs),
    spread: round(spread),
    gflops: round(gflops),
    gbps: round(gbps),
    shareOfPeak: round(bench.bound === 'arithmetic' ? gflops / peak.gflops : gbps / peak.gbps),
    peers: {},
  };
}

/** Four digits: more than a timing is worth. */
export function round(value: number): number {
  return Number(value.toPrecision(4));
}

/** How the figures are counted, in words. */
export const COUNTING_RULES: readonly string[] = [
  'A time is the wall time from submission until the device is idle, of one run; short runs are submitted several times between two waits. ms is the median over rounds in which all variants of a row run in turn, best the smallest, spread the distance between the quartiles over the median. GFLOP/s, GB/s and the share of the peak are of the median, “at best” is the share of the smallest time: a machine that others use, too, doubles medians.',
  'A row is a whole operation: weight packing, transforms, partial sums and their reduction are inside.',
  'GFLOP/s count two operations for each multiply-add of the plain formula, taps in the padding included. A variant that needs fewer (Winograd) may pass the arithmetic peak.',
  'GB/s count each byte once for each time that the operation must read or write it: batch norm reads its input once for the sums and once more to normalise.',
  'Share: of the multiply-add peak (shaders/peak.wgsl) for convolutions; of a plain copy kernel, read plus written, for what is counted in bytes. Both peaks are measured in the same run, before and after the rows, and the better one counts.',
  'Networks: the median of whole steps or forward passes with softmax, each waited for; of a volume one run, cutting and blending of its tiles included.',
  'Before it is timed, every variant is held against the plain formula in doubles at 256 random elements; a largest error above 1e-3 of the largest value ends the bench.',
  'A step is forward, loss, backward and Adam of the single network with 4 inputs, 16 channels and 4 levels on one patch of 64³, without the sampler. Host: median and best time to submit it, while the device waits, and to encode the next step, while it is at work; where a software driver’s threads take all cores, the host waits for its turn in some of the steps. Kernels: the sum of the dispatches by timestamps, or repeated one by one where the device has none. Tensors: activations, gradients, scratch and packed weights; parameters, their gradients and moments come on top for every engine.',
];

/** The report as Markdown, for people and for bench/README.md. */
export function formatMarkdown(report: BenchReport): string {
  const { rows, networks, step } = report;
  const lines = [
    describeRun(report),
    '',
    ...markdownTable(
      ['kernel', 'shape', 'variant', 'ms', 'best', 'spread', 'GFLOP/s', 'GB/s', 'of peak', 'at best'],
      rows.map((row) => [
        row.kernel,
        row.shape,
        row.variant,
        row.ms.toPrecision(3),
        row.bestMs.toPrecision(3),
        percent(row.spread),
        row.gflops === 0 ? '' : row.gflops.toFixed(1),
        row.gbps.toFixed(1),
        percent(row.shareOfPeak),
        percent(shareAtBest(row)),
      ]),
    ),
    ...meanLines(rows),
  ];
  if (networks.length > 0)
    lines.push(
      '',
      ...markdownTable(
        ['network', 'shape', 'ms', 'best'],
        networks.map(({ kernel, shape, ms, bestMs }) => [
          kernel,
          shape,
          ms.toPrecision(4),
          bestMs.toPrecision(4),
        ]),
      ),
    );
  if (step) lines.push('', ...stepLines(step));
  lines.push('', 'How this is counted:', '', ...COUNTING_RULES.map((rule) => `- ${rule}`));
  return `${lines.join('\n')}\n`;
}

/** Of the peak, by the least time. */
function shareAtBest({ shareOfPeak, ms, bestMs }: BenchRow): number {
  return (shareOfPeak * ms) / bestMs;
}

/** Geometric means over the shapes of each kernel that has several. */
function meanLines(all: readonly BenchRow[]): string[] {
  const rows = fastestVariants(all);
  const kernels = [...new Set(rows.map(({ kernel }) => kernel))]
    .map((kernel) => ({ kernel, own: rows.filter((row) => row.kernel === kernel) }))
    .filter(({ own }) => own.length > 1);
  if (kernels.length === 0) return [];
  return [
    '',
    ...markdownTable(
      ['geometric mean', 'shapes', 'of peak', 'at best'],
      kernels.map(({ kernel, own }) => [
        kernel,
        String(own.length),
        percent(geometricMean(own.map((row) => row.shareOfPeak))),
        percent(geometricMean(own.map(shareAtBest))),
      ]),
    ),
  ];
}

/** Of positive numbers. */
export function geometricMean(values: readonly number[]): number {
  return Math.exp(values.reduce((sum, value) => sum + Math.log(value), 0) / values.length);
}

/** Of the variants of a row that were timed, the one with the least median. */
export function fastestVariants<T extends Pick<BenchRow, 'kernel' | 'shape' | 'ms'>>(
  rows: readonly T[],
): T[] {
  const best = new Map<string, T>();
  for (const row of rows) {
    const name = `${row.kernel} ${row.shape}`;
    const old = best.get(name);
    if (!old || row.ms < old.ms) best.set(name, row);
  }
  return [...best.values()];
}

/** Adapter, driver, commit, machine and peaks in a line. */
export function describeRun({ adapter, driver, commit, machine, peak }: BenchReport): string {
  const where = `${adapter} (${driver} driver)${commit ? `, ${commit}` : ''}`;
  return `${where}, ${machine.cores} cores with a load of ${machine.load} before: peak ${peak.gflops} GFLOP/s, ${peak.gbps} GB/s`;
}

function stepLines(step: StepTiming): string[] {
  const { ms, bestMs, kernelMs, tensorBytes, livenessBytes, byKernel } = step;
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  return [
    `Training step: ${ms.toFixed(0)} ms median, ${bestMs.toFixed(0)} best, ±${percent(step.marginOfError)}; ` +
      `host ${step.hostMs.toFixed(2)} ms (best ${step.hostBestMs.toFixed(2)}) before the device starts and ${step.encodeMs.toFixed(2)} (${step.encodeBestMs.toFixed(2)}) beside it, kernels ${kernelMs.toFixed(0)} ms (${percent(kernelMs / ms)} of it); ` +
      `tensors ${megabytes(tensorBytes)} MB, least possible ${megabytes(livenessBytes)} MB`,
    '',
    ...markdownTable(
      ['kernel', 'dispatches', 'ms', 'of kernels'],
      byKernel.map((row) => [row.kernel, String(row.count), row.ms.toFixed(2), percent(row.ms / kernelMs)]),
    ),
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

/** A table of Markdown, its columns aligned. */
export function markdownTable(head: readonly string[], body: readonly (readonly string[])[]): string[] {
  const widths = head.map((cell, c) => Math.max(cell.length, ...body.map((row) => row[c]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, c) => cell.padEnd(widths[c]!)).join(' | ')} |`;
  return [line(head), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...body.map(line)];
}
