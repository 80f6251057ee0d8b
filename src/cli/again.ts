import { shellWord } from '../core/shell-word.ts';
import { commandLine } from '../platform/terminal.ts';
import { PROGRAM } from './command.ts';

/** This command as it was given, to be copied into a shell. */
export function sameCommand(): string {
  return [PROGRAM, ...commandLine()].map(shellWord).join(' ');
}

/** The command that resumes where this one stopped. */
export function resumeCommand(): string {
  const words = commandLine().filter((word) => word !== '--overwrite' && word !== '--resume');
  return [PROGRAM, ...words, '--resume'].map(shellWord).join(' ');
}
