import type { Gpu } from '../../engine/gpu/gpu.ts';
import { measurePeak, type Peak } from '../../engine/gpu/peak.ts';
import { chooseCases, STEP } from './catalogue.ts';
import { copyCase } from './copy-case.ts';
import { describeNetwork, timeNetwork } from './networks.ts';
import { type BenchReport, type BenchRow, benchRow, type NetworkRow, round } from './report.ts';
import { runCase } from './run-case.ts';
import { STEP_SHAPE, type StepTiming, timeStep } from './step.ts';

/** What the bench is asked to do. */
export interface BenchRequest {
  /** Parts of rows' names; none for all rows. */
  readonly patterns: readonly string[];
  /** Time every variant that can run, not only the one that would be chosen. */
  readonly variants: boolean;
  /** Seconds for each row's variant. */
  readonly seconds: number;
  readonly commit: string | null;
  readonly machine: BenchReport['machine'];
  /** Tuned choices by slot. */
  wanted?(slot: string): string | undefined;
  /** Called before each row. */
  onRow?(done: number, total: number, name: string): void;
}

/** Of 8 KiB each. Software drivers copy 16 MiB, GPUs 256 MiB, which with the copy is larger than any cache. */
const COPIED_GROUPS = { software: 2048, gpu: 32768 } as const;

/**
 * Measures the peaks, checks and times the chosen rows, then whole networks and a training step, then the peaks again.
 * @throws UsageError for a pattern that means no row; GpuError where a kernel computes something else; OutOfMemoryError.
 */
export async function runBench(gpu: Gpu, request: BenchRequest): Promise<BenchReport> {
  const { cases, networks: wantedNetworks, step: wantsStep } = chooseCases(request.patterns);
  const { seconds, variants, wanted, onRow } = request;
  const total = cases.length + wantedNetworks.length + (wantsStep ? 1 : 0);
  const options = { seconds, variants, wanted };
  let peak = await measurePeaks(gpu, seconds);
  const timed = [];
  for (const [i, bench] of cases.entries()) {
    onRow?.(i, total, `${bench.kernel} ${bench.shape}`);
    timed.push({ bench, timings: await runCase(gpu, bench, options) });
  }
  const networks: NetworkRow[] = [];
  for (const [i, one] of wantedNetworks.entries()) {
    onRow?.(cases.length + i, total, `${one.kernel} ${describeNetwork(one)}`);
    const { ms, bestMs, ...timing } = await timeNetwork(gpu, one, options);
    networks.push({ ...timing, ms: round(ms), bestMs: round(bestMs), peers: {} });
  }
  let step: StepTiming | null = null;
  if (wantsStep) {
    onRow?.(cases.length + wantedNetworks.length, total, STEP);
    step = await timeStep(gpu, STEP_SHAPE, { ...options, seconds: 4 * seconds });
  }
  const after = await measurePeaks(gpu, seconds);
  peak = {
    gflops: round(Math.max(peak.gflops, after.gflops)),
    gbps: round(Math.max(peak.gbps, after.gbps)),
  };
  onRow?.(total, total, 'done');
  const { description, driver } = gpu.capabilities;
  const rows: BenchRow[] = timed.flatMap(({ bench, timings }) =>
    timings.map((timing) => benchRow(bench, timing, peak)),
  );
  const { commit, machine } = request;
  return { adapter: description, driver, commit, machine, peak, rows, networks, step };
}

async function measurePeaks(gpu: Gpu, seconds: number): Promise<Peak> {
  const { software, maxBindingBytes, maxWorkgroups } = gpu.capabilities;
  const wanted = COPIED_GROUPS[software ? 'software' : 'gpu'];
  const copy = copyCase(Math.min(wanted, maxWorkgroups, Math.floor(maxBindingBytes / 8192)));
  const [timing] = await runCase(gpu, copy, { variants: false, seconds });
  const { gflops } = await measurePeak(gpu);
  return { gflops, gbps: copy.bytes / timing!.bestMs / 1e6 };
}
