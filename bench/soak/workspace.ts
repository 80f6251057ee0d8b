import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, type FSWatcher, mkdtempSync, rmSync, watch } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLI_MAIN, type CliRun, runCli } from '../../test/support/cli.ts';

/** A row of the table of promises. */
export interface Outcome {
  readonly promise: string;
  /** What was counted, as text. */
  readonly counts: string;
  readonly kept: boolean;
}

/** A folder with a small data set, and runs of the real program on it. */
export class Workspace {
  readonly root: string = mkdtempSync(join(tmpdir(), 'voxelgrad-soak-'));
  readonly dataset: string = join(this.root, 'phantoms');

  static async create(): Promise<Workspace> {
    const workspace = new Workspace();
    await workspace.run([
      'phantom',
      workspace.dataset,
      '--subjects',
      '2',
      '--shape',
      '24,28,24',
      '--spacing',
      '7',
    ]);
    return workspace;
  }

  path(name: string): string {
    return join(this.root, name);
  }

  /** Words of a small training run into a folder. */
  train(out: string, variant: string, steps: number, ...more: string[]): string[] {
    const size = ['--patch', '16', '--levels', '2'];
    if (!more.includes('--base-channels')) size.push('--base-channels', '2');
    return [
      'train',
      this.dataset,
      this.path(out),
      '--variant',
      variant,
      '--steps',
      String(steps),
      ...size,
      ...more,
    ];
  }

  /** Runs the program to its end. @throws where it fails. */
  async run(words: readonly string[]): Promise<void> {
    const { code, stderr } = await runCli(words);
    if (code !== 0) throw new Error(`${words.join(' ')}: exit code ${code}\n${stderr}`);
  }

  /** Starts the program; `end` comes when it is gone. */
  start(words: readonly string[]): { readonly child: ChildProcess; readonly end: Promise<CliRun> } {
    const child = spawn(process.execPath, [CLI_MAIN, ...words], { stdio: ['ignore', 'ignore', 'pipe'] });
    const end = ended(child);
    return { child, end };
  }

  /** Runs the program to its end. @returns the most bytes that were resident. @throws where it fails. */
  async peak(words: readonly string[]): Promise<number> {
    return await this.peakOf([CLI_MAIN, ...words]);
  }

  /** {@link peak} of another script. @param words of Node */
  async peakOf(words: readonly string[]): Promise<number> {
    const watch = 'process.on("exit",()=>console.error("peak "+process.resourceUsage().maxRSS))';
    const child = spawn(process.execPath, ['--import', `data:text/javascript,${watch}`, ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    const { code, stderr } = await ended(child);
    const peak = /^peak (\d+)$/m.exec(stderr)?.[1];
    if (code !== 0 || peak === undefined) throw new Error(`${words.join(' ')}: exit code ${code}\n${stderr}`);
    return Number(peak) * 1024;
  }

  /**
   * Starts the program and kills it, with SIGKILL.
   * @param afterMs how long it lives at least
   * @param writing a folder: the kill then waits for the next file that is being written in it
   * @returns null where it was killed, else how it ended: a crash is no kill
   */
  async kill(words: readonly string[], afterMs: number, writing?: string): Promise<CliRun | null> {
    const { child, end } = this.start(words);
    let watcher: FSWatcher | undefined;
    const timer = setTimeout(() => {
      if (writing === undefined || !existsSync(writing)) child.kill('SIGKILL');
      else
        watcher = watch(writing, (_, name) => {
          if (name?.endsWith('.tmp')) child.kill('SIGKILL');
        });
    }, afterMs);
    const run = await end;
    clearTimeout(timer);
    watcher?.close();
    return child.signalCode === 'SIGKILL' ? null : run;
  }

  destroy(): void {
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** How a process ends that writes nothing but errors. */
function ended(child: ChildProcess): Promise<CliRun> {
  let stderr = '';
  child.stderr?.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve) =>
    child.on('close', (code, signal) =>
      resolve({ code: code ?? -1, stdout: '', stderr: signal ? `${stderr}\nended by ${signal}` : stderr }),
    ),
  );
}
