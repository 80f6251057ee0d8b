import type { Gpu } from '../gpu/gpu.ts';

/** Something that submits work to a GPU. */
export interface Timed {
  /** Submits once. */
  run(): void;
}

/** How long {@link timeRoundRobin} goes on. */
export interface TimingOptions {
  /** Rounds at least. */
  readonly least: number;
  /** After this many seconds for each of the candidates no new round is begun. */
  readonly seconds: number;
}

/** Work between two waits, in milliseconds: long against what a wait costs. */
const LONG_ENOUGH = 10;
const MOST_REPEATS = 200;

/**
 * Times several runs against each other: each in turn, round after round, so that what else the machine does falls on
 * all of them. Short runs are submitted several times between two waits. Each runs once before, untimed.
 * @throws GpuError, DeviceLostError.
 */
export async function timeRoundRobin(
  gpu: Gpu,
  candidates: readonly Timed[],
  { least, seconds }: TimingOptions,
): Promise<number[][]> {
  const repeats: number[] = [];
  for (const candidate of candidates) {
    await timeRuns(gpu, candidate, 1);
    const once = await timeRuns(gpu, candidate, 1);
    repeats.push(Math.max(1, Math.min(MOST_REPEATS, Math.round(LONG_ENOUGH / Math.max(0.01, once)))));
  }
  const samples: number[][] = candidates.map(() => []);
  const until = performance.now() + 1000 * seconds * candidates.length;
  for (let round = 0; round < least || performance.now() < until; round++)
    for (const [i, candidate] of candidates.entries())
      samples[i]!.push(await timeRuns(gpu, candidate, repeats[i]!));
  return samples;
}

/** Milliseconds of one of `times` runs, from the first submission until the device is idle. */
export async function timeRuns(gpu: Gpu, candidate: Timed, times: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < times; i++) candidate.run();
  await gpu.idle();
  return (performance.now() - start) / times;
}

/** The middle value; of an even number, the mean of the two middle ones. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
