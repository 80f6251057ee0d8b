import { type ExecFileException, execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { SchedulerError, UsageError } from '../core/errors.ts';
import { setting, worded } from '../core/wording.ts';
import type { NodeFolder } from './node-files.ts';

/** A controller that is busy may take long; one that does not answer at all is an error then. */
const TIMEOUT_MS = 120_000;

/**
 * Slurm's commands, run in a folder where scripts are submitted and logs are written.
 * @param env in place of the process's own variables
 * @returns runs one, and resolves with what it printed
 * @throws UsageError where Slurm cannot write logs into such a folder.
 */
export async function openSlurm(
  folder: NodeFolder,
  name: string,
  logs: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): Promise<(program: string, words: readonly string[]) => Promise<string>> {
  const cwd = join(folder.root, name);
  // It puts the folder before the pattern of the logs' names, and reads both as one pattern.
  const bad = /[%\\\n]/.exec(cwd)?.[0];
  if (bad !== undefined)
    throw new UsageError(
      `${cwd}: holds ${JSON.stringify(bad)}, which Slurm does not take in a path of logs`,
      {
        hint: 'Choose a folder without %, backslashes and line breaks in its path.',
      },
    );
  // Slurm makes no folders for logs.
  await mkdir(join(cwd, logs), { recursive: true });
  return (program, words) =>
    new Promise((resolve, reject) => {
      execFile(program, words, { cwd, env, timeout: TIMEOUT_MS }, (error, stdout, stderr) => {
        if (error) reject(slurmError(program, error, stderr));
        else resolve(stdout);
      });
    });
}

function slurmError(program: string, cause: ExecFileException, stderr: string): SchedulerError {
  if (cause.code === 'ENOENT')
    return new SchedulerError(`${program} is not on this machine's PATH: there is no Slurm here`, {
      hint: worded`Run this on a login node of the cluster; under another batch system, run shares of the work in jobs of your own: ${setting('shard', '1/4')}, ${setting('shard', '2/4')} and so on.`,
      cause,
    });
  // Such as `sbatch: error: invalid partition specified: gpu`, often two lines of it.
  const said = stderr
    .split('\n')
    .map((line) => line.replace(/^\w+: (error: )?/, '').trim())
    .filter((line) => line !== '');
  return new SchedulerError(`${program}: ${said.join('; ') || cause.message}`, {
    hint: worded`Check ${setting('slurmOptions')}, and whether the cluster is up: sinfo.`,
    cause,
  });
}
