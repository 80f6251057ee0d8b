import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Random } from '../../src/core/random.ts';
import type { Outcome, Workspace } from './workspace.ts';

/** The longest time that a process is let live; its start takes a part of it. */
const LIFE_MS = 8000;

/**
 * Kills training runs with SIGKILL at random moments and in the midst of writing, resumes them, and compares what they end with to a run that
 * was left alone.
 * @param enough asked between two kills
 */
export async function kills(
  workspace: Workspace,
  random: Random,
  enough: (kills: number) => boolean,
): Promise<Outcome> {
  const steps = 150;
  // A checkpoint every step, of a state that takes a while to write: many of the kills come in the midst of it.
  const large = ['--base-channels', '12', '--checkpoint-steps', '1'];
  const words = (out: string): string[] => workspace.train(out, 'single', steps, ...large);
  await workspace.run(words('alone'));
  const alone = readFileSync(join(workspace.path('alone'), 'model.safetensors'));
  let killed = 0;
  let halfWritten = 0;
  let equal = 0;
  let different = 0;
  const errors: string[] = [];
  for (let run = 1; !enough(killed) || run === 1; run++) {
    const out = `killed-${run}`;
    const folder = workspace.path(out);
    for (;;) {
      const resume = existsSync(join(folder, 'config.json')) ? ['--resume'] : [];
      const life = enough(killed) ? 1e9 : 200 + random.integer(LIFE_MS);
      // Every other kill waits for the next checkpoint that is being written.
      const writing = killed % 2 === 1 ? join(folder, 'checkpoints') : undefined;
      const ended = await workspace.kill([...words(out), ...resume], life, writing);
      if (!ended) {
        killed++;
        if (existsSync(folder))
          halfWritten += readdirSync(folder, { recursive: true }).filter((name) =>
            String(name).endsWith('.tmp'),
          ).length;
        continue;
      }
      if (ended.code !== 0) errors.push(ended.stderr);
      break;
    }
    if (errors.length > 0) break;
    const model = readFileSync(join(folder, 'model.safetensors'));
    if (model.equals(alone)) equal++;
    else different++;
    await workspace.run(['verify', folder]);
  }
  if (errors.length > 0) console.error(errors[0]);
  return {
    promise: 'kill -9 loses nothing but the steps since the last checkpoint',
    counts:
      `${killed} kills, ${halfWritten} unfinished files seen and none taken for a checkpoint; ` +
      `${equal} of ${equal + different} finished runs bitwise equal, ${errors.length} refused to resume`,
    kept: different === 0 && errors.length === 0 && equal > 0,
  };
}
