import { UsageError } from '../core/errors.ts';
import { editDistance } from './arguments.ts';
import { bench } from './bench.ts';
import { bids } from './bids.ts';
import { type Command, PROGRAM } from './command.ts';
import { completionCommand } from './completion.ts';
import { correctTissue } from './correct-tissue.ts';
import { demo } from './demo.ts';
import { doctor } from './doctor.ts';
import { evaluate } from './evaluate.ts';
import { experiment } from './experiment.ts';
import { exportCommand } from './export.ts';
import { importCommand } from './import.ts';
import { models } from './models.ts';
import { phantom } from './phantom.ts';
import { predict } from './predict.ts';
import { prepare } from './prepare.ts';
import { qc } from './qc.ts';
import { report } from './report.ts';
import { score } from './score.ts';
import { segment } from './segment.ts';
import { serve } from './serve.ts';
import { submission } from './submission.ts';
import { synthesize } from './synthesize.ts';
import { tissue } from './tissue.ts';
import { train } from './train.ts';
import { tune } from './tune.ts';
import { verify } from './verify.ts';

/** Commands under titles, in the order of the overview and of the reference. */
export const COMMAND_GROUPS: readonly (readonly [string, readonly Command[]])[] = [
  ['Start', [demo, doctor, serve, phantom]],
  ['Segment', [prepare, segment, predict, bids, models]],
  ['Train', [train, verify, tune, synthesize, tissue, correctTissue]],
  ['Evaluate', [evaluate, score, qc, report]],
  ['Exchange', [importCommand, exportCommand, submission]],
  ['Study', [experiment, bench]],
  ['Shell', [completionCommand(() => COMMANDS)]],
];

export const COMMANDS: readonly Command[] = COMMAND_GROUPS.flatMap(([, commands]) => commands);

/** What `voxelgrad` alone shows. */
export const FIRST_COMMANDS: readonly Command[] = [serve, segment, train, predict, doctor];

/** @throws UsageError naming the nearest command if there is none of that name. */
export function findCommand(name: string): Command {
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command) return command;
  if (name.startsWith('-'))
    throw new UsageError(`option ${name} before the command`, { hint: 'Write the command first.' });
  const [near] = COMMANDS.map((candidate) => ({
    name: candidate.name,
    distance: candidate.name.startsWith(name) ? 1 : editDistance(name, candidate.name),
  })).sort((a, b) => a.distance - b.distance);
  const names = `Commands are ${COMMANDS.map((candidate) => candidate.name).join(', ')}.`;
  throw new UsageError(`unknown command ${JSON.stringify(name)}`, {
    hint: near && near.distance <= 2 ? `Did you mean \`${PROGRAM} ${near.name}\`? ${names}` : names,
  });
}
