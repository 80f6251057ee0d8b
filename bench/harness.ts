/**
 * Times compiled plans. A figure is the wall time of one replay (submit to done); several replays go into one
 * submission-to-idle interval where one is short. Rates count the operations that the plain formula needs,
 * two for a multiply-add, padding included, so a variant that needs fewer (Winograd) may pass the arithmetic peak.
 */
import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdirSync } from 'node:fs';
import type { Gpu } from '../src/gpu/gpu.ts';
import type { Plan } from '../src/tape/plan.ts';

/** One line of bench/results. */
export interface BenchRow {
  /** `conv3d/forward`. */
  readonly kernel: string;
  readonly shape: string;
  readonly variant: string;
  /** Median and best wall time of one replay. */
  readonly ms: number;
  readonly bestMs: number;
  /** Least CPU time of the process over its cores: on a software driver, what a quiet machine would show. */
  readonly cpuMs: number;
  /** 1e9 operations a second, from the median. */
  readonly gflops: number;
  /** The same from the best wall time and from the CPU time. */
  readonly bestGflops: number;
  readonly cpuGflops: number;
}

export interface Timing {
  readonly ms: number;
  readonly bestMs: number;
  readonly cpuMs: number;
  readonly firstMs: number;
}

/** Replays a plan for about `seconds` (at least 5 times) after one replay that compiles. */
export async function timePlan(gpu: Gpu, plan: Plan, seconds = 1): Promise<Timing> {
  const replay = async (times: number): Promise<number> => {
    const start = performance.now();
    for (let i = 0; i < times; i++) plan.run();
    await gpu.idle();
    return (performance.now() - start) / times;
  };
  const firstMs = await replay(1);
  const repeats = Math.max(1, Math.round(10 / Math.max(0.1, await replay(1))));
  const walls: number[] = [];
  let cpuMs = Number.POSITIVE_INFINITY;
  const until = performance.now() + seconds * 1000;
  while (walls.length < 5 || performance.now() < until) {
    const before = process.cpuUsage();
    walls.push(await replay(repeats));
    const used = process.cpuUsage(before);
    cpuMs = Math.min(cpuMs, (used.user + used.system) / 1000 / repeats / 2);
  }
  walls.sort((a, b) => a - b);
  return { ms: walls[walls.length >> 1]!, bestMs: walls[0]!, cpuMs, firstMs };
}

/** A row from a timing and the operations of one replay. */
export function benchRow(
  kernel: string,
  shape: string,
  variant: string,
  operations: number,
  timing: Timing,
): BenchRow {
  const rate = (ms: number): number => Number((operations / ms / 1e6).toFixed(2));
  const { ms, bestMs, cpuMs } = timing;
  const round = (value: number): number => Number(value.toFixed(3));
  return {
    kernel,
    shape,
    variant,
    ms: round(ms),
    bestMs: round(bestMs),
    cpuMs: round(cpuMs),
    gflops: rate(ms),
    bestGflops: rate(bestMs),
    cpuGflops: rate(cpuMs),
  };
}

/** Prints rows as they come and appends them to bench/results/<file>.jsonl with adapter and commit. */
export class BenchLog {
  readonly #file: string;
  readonly #adapter: string;
  readonly #commit: string;

  constructor(file: string, gpu: Gpu) {
    this.#file = `bench/results/${file}.jsonl`;
    this.#adapter = gpu.capabilities.description;
    this.#commit = execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
    mkdirSync('bench/results', { recursive: true });
    console.log(`${this.#adapter}, ${this.#commit}`);
  }

  add(row: BenchRow): void {
    const line = { adapter: this.#adapter, commit: this.#commit, ...row };
    appendFileSync(this.#file, `${JSON.stringify(line)}\n`);
    console.log(
      `${row.kernel.padEnd(24)} ${row.shape.padEnd(24)} ${row.variant.padEnd(32)} ` +
        `${row.ms.toFixed(2).padStart(8)} ms median ${row.bestMs.toFixed(2).padStart(8)} best ` +
        `${row.gflops.toFixed(1).padStart(6)} GFLOP/s ${row.bestGflops.toFixed(1).padStart(6)} best ` +
        `${row.cpuGflops.toFixed(1).padStart(6)} by CPU time`,
    );
  }
}
