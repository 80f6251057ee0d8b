import { readdirSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { Random } from '../../src/core/random.ts';
import { experimentBitsOf } from '../../test/support/experiment-bits.ts';
import { finishedUnits, killExperiment } from '../../test/support/killed-experiment.ts';
import type { Outcome, Workspace } from './workspace.ts';

/** The longest time that a process is let live after its start or a unit's end. */
const LIFE_MS = 2000;

/**
 * Kills experiments (tissue maps, stage-1 nets, corrections, nets) with SIGKILL at random moments, continues them, and
 * compares all that they leave with an experiment that was left alone.
 * @param enough asked between two kills
 */
export async function experiments(
  workspace: Workspace,
  random: Random,
  enough: () => boolean,
): Promise<Outcome> {
  const data = workspace.path('three');
  const size = ['--shape', '24,28,24', '--spacing', '7'];
  await workspace.run(['phantom', data, '--subjects', '3', '--visits', '1', ...size]);
  const net = ['--steps', '20', '--patch', '16', '--levels', '2', '--base-channels', '2'];
  const words = (out: string): string[] => [
    ...['experiment', data, workspace.path(out)],
    ...['--variants', 'multi-input,multi-output', ...net],
  ];
  await workspace.run(words('whole'));
  const whole = experimentBitsOf(workspace.path('whole'));
  const units = finishedUnits(workspace.path('whole'));
  let kills = 0;
  let halfWritten = 0;
  let equal = 0;
  let rounds = 0;
  while (rounds === 0 || !enough()) {
    const out = `killed-experiment-${++rounds}`;
    const folder = workspace.path(out);
    for (;;) {
      const done = finishedUnits(folder);
      // A step of up to three units, so that a round takes some kills and comes to its end.
      const next = done + random.integer(4);
      if (next >= units - 1 || (rounds > 1 && enough())) break;
      const { child } = workspace.start(words(out));
      if (!(await killExperiment(child, folder, next, random.integer(LIFE_MS)))) break;
      kills++;
      halfWritten += readdirSync(folder, { recursive: true }).filter((name) =>
        String(name).endsWith('.tmp'),
      ).length;
    }
    await workspace.run(words(out));
    if (isDeepStrictEqual(experimentBitsOf(folder), whole)) equal++;
  }
  return {
    promise: 'an experiment that is killed goes on to the same bits',
    counts:
      `${kills} kills in ${rounds} experiments of ${units} units, ${halfWritten} unfinished files seen; ` +
      `${equal} of ${rounds} equal in all ${whole.size} files`,
    kept: equal === rounds && kills > 0,
  };
}
