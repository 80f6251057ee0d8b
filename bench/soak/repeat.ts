import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { VARIANTS } from '../../src/study/presets/index.ts';
import type { Outcome, Workspace } from './workspace.ts';

/** Every variant twice, in processes of their own, with the hash of the whole state compared after each step. */
export async function repeat(workspace: Workspace, steps: number): Promise<Outcome> {
  let same = 0;
  for (const variant of VARIANTS) {
    const every = ['--hash-every', '1'];
    await workspace.run(workspace.train(`first-${variant}`, variant, steps, ...every));
    const log = join(workspace.path(`first-${variant}`), 'log.jsonl');
    await workspace.run(workspace.train(`second-${variant}`, variant, steps, ...every, '--verify-log', log));
    const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
    same += lines.filter((line) => line.includes('"hash"')).length;
  }
  return {
    promise: 'bitwise repeatable in separate processes',
    counts: `${VARIANTS.length} variants, ${steps} steps each, ${same} equal hashes of the state`,
    kept: same === steps * VARIANTS.length,
  };
}
