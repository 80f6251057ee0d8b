#!/usr/bin/env node
import { printableJson } from '../core/json.ts';
import {
  commandLine,
  onFatalError,
  packageVersion,
  setExitCode,
  writeError,
  writeOut,
} from '../platform/terminal.ts';
import { PROGRAM } from './command.ts';
import { COMMAND_GROUPS, COMMANDS, FIRST_COMMANDS, findCommand } from './commands.ts';
import { row } from './help.ts';
import { reportError } from './output.ts';

/** Columns of a command's name. */
const NAME_WIDTH = Math.max(...COMMANDS.map((command) => command.name.length));

function overview(): string {
  return [
    `${PROGRAM} ${packageVersion()}: trains and runs 3D segmentation networks on WebGPU`,
    '',
    `USAGE ${PROGRAM} COMMAND [OPTIONS]`,
    ...COMMAND_GROUPS.flatMap(([title, commands]) => [
      '',
      title.toUpperCase(),
      '',
      ...commands.flatMap(({ name, description }) => row(name, description, NAME_WIDTH)),
    ]),
    '',
    `${PROGRAM} COMMAND --help shows a command's options and examples.`,
    'Exit codes: 0 success, 2 wrong usage, 130 and 143 stopped by a signal, 1 any other failure.',
    '',
  ].join('\n');
}

/** What there is to begin with. */
function welcome(): string {
  return [
    `${PROGRAM} ${packageVersion()}: trains and runs 3D segmentation networks on WebGPU`,
    '',
    ...FIRST_COMMANDS.flatMap(({ name, description }) => row(name, description, NAME_WIDTH)),
    '',
    `${PROGRAM} COMMAND --help shows a command's examples and options, ${PROGRAM} --help all commands.`,
    '',
  ].join('\n');
}

async function run(words: readonly string[]): Promise<void> {
  const [name, ...rest] = words;
  if (name === undefined) {
    writeOut(welcome());
    return;
  }
  if (name === '--help' || name === '-h' || name === 'help') {
    const [about] = name === 'help' ? rest : [];
    writeOut(about === undefined || about.startsWith('-') ? overview() : findCommand(about).help());
    return;
  }
  if (name === '--version' || name === '-v') {
    writeOut(`${packageVersion()}\n`);
    return;
  }
  const command = findCommand(name);
  if (wants(rest, '--help') || wants(rest, '-h')) writeOut(command.help());
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
