import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

/** Words of the command line after the program's name. */
export function commandLine(): string[] {
  return process.argv.slice(2);
}

/** What starts this program again: Node with its own options, and the program's file. */
export function ownProgram(): string[] {
  return [process.execPath, ...process.execArgv, process.argv[1]!];
}

/** The folder that relative paths of the command line begin at. */
export function workingFolder(): string {
  return process.cwd();
}

/** Control characters but line feed and tab, and those that turn the direction of text. */
const UNPRINTABLE = /[^\P{Cc}\n\t]|[\u202a-\u202e\u2066-\u2069]/gu;

/**
 * Text as a terminal may show it: a file's name, a model or a header may hold escape sequences that would move the cursor,
 * hide lines or rename the window.
 */
export function printable(text: string): string {
  return stripVTControlCharacters(text).replace(UNPRINTABLE, '');
}

/** Writes to stdout: results only. */
export function writeOut(text: string): void {
  process.stdout.write(printable(text));
}

/** Writes to stderr: progress, notes and errors. */
export function writeError(text: string): void {
  process.stderr.write(printable(text));
}

/** Where progress bars are drawn. */
export function errorStream(): NodeJS.WriteStream {
  return process.stderr;
}

/** Whether somebody watches stderr, so that a bar may redraw its line. */
export function isInteractive(): boolean {
  return process.stderr.isTTY === true && process.env.TERM !== 'dumb';
}

/** The code that the process ends with once nothing is left to do. */
export function setExitCode(code: number): void {
  process.exitCode = code;
}

/**
 * Reports errors that no code waits for, and ends the process. A reader that closes our stdout early (`| head`) is
 * no error.
 * @param report writes the error and returns the exit code.
 */
export function onFatalError(report: (error: unknown) => number): void {
  const fatal = (error: unknown): void => process.exit(report(error));
  process.on('uncaughtException', fatal);
  process.on('unhandledRejection', fatal);
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    error.code === 'EPIPE' ? process.exit() : fatal(error),
  );
  process.stderr.on('error', () => process.exit());
}

/** Version of the package, from its own package.json. */
export function packageVersion(): string {
  // Two folders up from src/platform as from dist/platform.
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}

/** The folder that `npm run build:web` writes, and that comes with the package. */
export function webFolder(): string {
  return fileURLToPath(new URL('../../dist/web', import.meta.url));
}

/** Resolves when somebody asks the program to end: Ctrl+C, or a TERM signal. */
export function untilInterrupted(): Promise<void> {
  return new Promise((resolve) => {
    process.once('SIGINT', () => resolve());
    process.once('SIGTERM', () => resolve());
  });
}
