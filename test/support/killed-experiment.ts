import type { ChildProcess } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** Units of an experiment's folder that are finished. */
export function finishedUnits(out: string): number {
  const units = join(out, 'units');
  if (!existsSync(units)) return 0;
  return readdirSync(units).filter((unit) => existsSync(join(units, unit, 'result.json'))).length;
}

/**
 * Kills a process that works on an experiment, with SIGKILL.
 * @param finished units that must be finished before
 * @param afterMs how long it lives on then
 * @returns whether it was killed: false where it ended by itself before
 */
export async function killExperiment(
  child: ChildProcess,
  out: string,
  finished: number,
  afterMs: number,
): Promise<boolean> {
  const gone = new Promise<void>((resolve) => child.once('close', () => resolve()));
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  while (!ended() && finishedUnits(out) < finished) await sleep(5);
  await sleep(afterMs);
  child.kill('SIGKILL');
  await gone;
  return child.signalCode === 'SIGKILL';
}
