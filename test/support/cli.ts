import { execFile, execFileSync, spawn } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** The built program. */
export const CLI_MAIN: string = join(ROOT, 'dist/cli/main.js');

/** The exit code, or what a shell shows where a signal ended a process. */
export function exitCodeOf(code: number | null, signal: NodeJS.Signals | null): number {
  return code ?? 128 + (signal === null ? 0 : constants.signals[signal]);
}

/** How a run of the program ended. */
export interface CliRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Builds the program where a source file is newer than it (`npm test` builds before; a single test may not). */
export function buildCli(): void {
  const built = statSync(CLI_MAIN, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const stale = ['src', 'shaders'].some((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true }).some(
      (entry) => entry.isFile() && statSync(join(entry.parentPath, entry.name)).mtimeMs > built,
    ),
  );
  if (!stale) return;
  try {
    execFileSync('npm', ['run', '-s', 'build'], { cwd: ROOT, stdio: 'pipe' });
  } catch (error) {
    // tsc writes its output in spite of type errors, which are the type check's to report.
    if (!statSync(CLI_MAIN, { throwIfNoEntry: false })) throw error;
  }
}

/** Runs the real program in a process of its own. */
export function runCli(
  words: readonly string[],
  options: { readonly cwd?: string; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<CliRun> {
  return new Promise((resolve) => {
    const env = { ...process.env, ...options.env };
    const child = execFile(
      process.execPath,
      [CLI_MAIN, ...words],
      { cwd: options.cwd ?? ROOT, env, maxBuffer: 1 << 26 },
      (_, stdout, stderr) => resolve({ code: exitCodeOf(child.exitCode, child.signalCode), stdout, stderr }),
    );
  });
}

/** A program that runs until it is stopped. */
export interface RunningCli {
  /** What it has printed on stdout so far. */
  readonly stdout: () => string;
  /** Asks it to end, as Ctrl+C does. */
  stop(): Promise<CliRun>;
}

/** Starts the real program, and waits until it has printed a line. */
export function startCli(
  words: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<RunningCli> {
  const child = spawn(process.execPath, [CLI_MAIN, ...words], { cwd: options.cwd ?? ROOT });
  const text = { stdout: '', stderr: '' };
  const ended = new Promise<CliRun>((resolve) => {
    child.on('exit', (code, signal) => resolve({ code: exitCodeOf(code, signal), ...text }));
  });
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    text.stderr += part;
  });
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (part: string) => {
      text.stdout += part;
      if (!text.stdout.includes('\n')) return;
      const stop = (): Promise<CliRun> => {
        child.kill('SIGINT');
        return ended;
      };
      resolve({ stdout: () => text.stdout, stop });
    });
    void ended.then(({ code, stderr }) => reject(new Error(`${words[0]} ended with ${code}: ${stderr}`)));
  });
}

/** Lines of stderr that are neither empty nor the driver's own. */
export function errorLines(run: CliRun): string[] {
  return run.stderr.split('\n').filter((line) => line !== '' && !line.startsWith('Warning: max'));
}
