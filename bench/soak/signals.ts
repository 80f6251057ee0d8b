import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../src/core/random.ts';
import type { Outcome, Workspace } from './workspace.ts';

const CODES = { SIGINT: 130, SIGTERM: 143 } as const;
const STEPS = 150;

/** Stops training runs by SIGINT and SIGTERM at random steps, and resumes them. @param enough asked between runs */
export async function signals(workspace: Workspace, random: Random, enough: () => boolean): Promise<Outcome> {
  await workspace.run(workspace.train('unstopped', 'single', STEPS));
  const whole = readFileSync(join(workspace.path('unstopped'), 'model.safetensors'));
  let stopped = 0;
  let inTime = 0;
  let equal = 0;
  let slowest = 0;
  for (let run = 1; run === 1 || !enough(); run++) {
    const out = `stopped-${run}`;
    const log = join(workspace.path(out), 'log.jsonl');
    const name = random.integer(2) === 0 ? 'SIGINT' : 'SIGTERM';
    const at = random.integer(STEPS - 10);
    const steps = (): number => (existsSync(log) ? readFileSync(log, 'utf8').split('\n').length - 1 : 0);
    const { child, end } = workspace.start(workspace.train(out, 'single', STEPS));
    while (steps() <= at && child.exitCode === null) await sleep(10);
    const sent = performance.now();
    child.kill(name);
    const { code } = await end;
    const took = performance.now() - sent;
    if (code === 0) continue;
    stopped++;
    slowest = Math.max(slowest, took);
    if (code === CODES[name] && took < 5000) inTime++;
    await workspace.run([...workspace.train(out, 'single', STEPS), '--resume']);
    if (readFileSync(join(workspace.path(out), 'model.safetensors')).equals(whole)) equal++;
  }
  return {
    promise: 'SIGINT and SIGTERM save and exit with 130 or 143 within 5 s',
    counts: `${stopped} runs stopped at random steps: ${inTime} with their code in time (slowest ${(slowest / 1000).toFixed(1)} s), ${equal} resumed to equal bits`,
    kept: inTime === stopped && equal === stopped,
  };
}

/** Starts many processes on one folder at once: one works, the others are refused. */
export async function crowds(workspace: Workspace, rounds: number): Promise<Outcome> {
  const size = 6;
  let good = 0;
  for (let round = 1; round <= rounds; round++) {
    const words = workspace.train(`crowd-${round}`, 'single', 1000);
    const crowd = Array.from({ length: size }, () => workspace.start(words));
    const refused = new Set<number>();
    const ends = crowd.map(async ({ child, end }, i) => {
      const { code, stderr } = await end;
      if (code === 1 && /works in this folder/.test(stderr)) refused.add(i);
      if (refused.size === size - 1) for (const other of crowd) other.child.kill('SIGKILL');
      return child.signalCode;
    });
    const killed = (await Promise.all(ends)).filter((signal) => signal === 'SIGKILL').length;
    if (killed === 1 && refused.size === size - 1) good++;
  }
  return {
    promise: 'one process at a time in a folder',
    counts: `${rounds} times ${size} processes at once: one worked and ${size - 1} were refused ${good} times`,
    kept: good === rounds,
  };
}
