#!/usr/bin/env node
import { UsageError } from '../core/errors.ts';
import { printableJson } from '../core/json.ts';
import {
  commandLine,
  onFatalError,
  packageVersion,
  setExitCode,
  writeError,
  writeOut,
} from '../platform/terminal.ts';
import { bench } from './bench.ts';
import { bids } from './bids.ts';
import { type Command, PROGRAM } from './command.ts';
import { correctTissue } from './correct-tissue.ts';
import { demo } from './demo.ts';
import { doctor } from './doctor.ts';
import { evaluate } from './evaluate.ts';
import { experiment } from './experiment.ts';
import { exportCommand } from './export.ts';
import { importCommand } from './import.ts';
import { models } from './models.ts';
import { reportError } from './output.ts';
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

const COMMANDS: readonly Command[] = [
  demo,
  doctor,
  phantom,
  synthesize,
  tissue,
  train,
  prepare,
  segment,
  predict,
  correctTissue,
  importCommand,
  exportCommand,
  models,
  bids,
  qc,
  evaluate,
  score,
  report,
  submission,
  experiment,
  bench,
  tune,
  serve,
  verify,
];

function overview(): string {
  const width = Math.max(...COMMANDS.map((command) => command.name.length));
  return [
    `${PROGRAM} ${packageVersion()}: trains and runs 3D U-Nets that segment lesions in brain MRI, on WebGPU`,
    '',
    `USAGE ${PROGRAM} COMMAND [OPTIONS]`,
    '',
    'COMMANDS',
    ...COMMANDS.map((command) => `  ${command.name.padEnd(width)}  ${command.description}`),
    '',
    `${PROGRAM} COMMAND --help shows a command's options and examples.`,
    'Exit codes: 0 success, 2 wrong usage, 130 and 143 stopped by a signal, 1 any other failure.',
    '',
  ].join('\n');
}

async function run(words: readonly string[]): Promise<void> {
  const [name, ...rest] = words;
  if (name === undefined) throw new UsageError('no command is given', { hint: `See \`${PROGRAM} --help\`.` });
  if (name === '--help' || name === '-h' || name === 'help') {
    writeOut(overview());
    return;
  }
  if (name === '--version' || name === '-v') {
    writeOut(`${packageVersion()}\n`);
    return;
  }
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (!command) {
    const what = name.startsWith('-')
      ? `option ${name} before the command`
      : `unknown command ${JSON.stringify(name)}`;
    throw new UsageError(what, { hint: `Commands are ${COMMANDS.map((c) => c.name).join(', ')}.` });
  }
  if (wants(rest, '--help') || wants(rest, '-h')) writeOut(await command.help());
  else await command.run(rest);
}

/** Whether an option stands before `--`. */
function wants(words: readonly string[], option: string): boolean {
  const end = words.indexOf('--');
  return (end < 0 ? words : words.slice(0, end)).includes(option);
}

const words = commandLine();

function fail(error: unknown): number {
  const report = reportError(error, wants(words, '--debug'));
  writeError(report.text);
  if (wants(words, '--json')) writeOut(`${printableJson(report.json)}\n`);
  return report.exitCode;
}

onFatalError(fail);
try {
  await run(words);
} catch (error) {
  setExitCode(fail(error));
}
