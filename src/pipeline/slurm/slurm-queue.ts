import { SchedulerError } from '../../core/errors.ts';

/**
 * Runs one of Slurm's commands in the folder of its scripts.
 * @returns what it printed on stdout
 * @throws SchedulerError with what it said where it fails or is not installed.
 */
export type RunSlurm = (
  program: 'sbatch' | 'squeue' | 'scancel',
  words: readonly string[],
) => Promise<string>;

/** Where a task of a job array is. */
export interface TaskState {
  readonly job: string;
  readonly task: number;
  /** As Slurm calls it: `PENDING`, `RUNNING`, `FAILED`, `TIMEOUT`. */
  readonly state: string;
  readonly phase: 'waiting' | 'running' | 'ended';
}

/** Submits a script. @returns the id of its job */
export async function submit(run: RunSlurm, script: string): Promise<string> {
  const printed = await run('sbatch', ['--parsable', script]);
  // A cluster's name may follow the id.
  const id = /^(\d+)(?:;\S+)?\s*$/.exec(printed)?.[1];
  if (id === undefined)
    throw new SchedulerError(
      `sbatch did not answer with the number of a job, but with ${JSON.stringify(printed)}`,
    );
  return id;
}

const FORMAT = '%F|%K|%T';

/**
 * States of all tasks of some jobs that Slurm still knows. Those that ended minutes ago (MinJobAge) may be missing.
 * @throws SchedulerError where Slurm does not answer.
 */
export async function taskStates(run: RunSlurm, jobs: readonly string[]): Promise<TaskState[]> {
  if (jobs.length === 0) return [];
  const words = [
    '--array',
    '--noheader',
    '--states=all',
    `--format=${FORMAT}`,
    // An unknown job alone is an error to squeue; among several, the same one twice included, it is passed over.
    `--jobs=${[...jobs, jobs[0]].join(',')}`,
  ];
  return parseStates(await run('squeue', words));
}

/** Reads what `squeue --array --noheader --format='%F|%K|%T'` prints; lines of other jobs than arrays are left out. */
export function parseStates(text: string): TaskState[] {
  return text.split('\n').flatMap((line) => {
    const [, job, task, state] = /^\s*(\d+)\|(\d+)\|([A-Z_]+)\s*$/.exec(line) ?? [];
    if (job === undefined || task === undefined || state === undefined) return [];
    return [{ job, task: Number(task), state, phase: phaseOf(state) }];
  });
}

const WAITING = new Set([
  'PENDING',
  'CONFIGURING',
  'REQUEUED',
  'REQUEUE_FED',
  'REQUEUE_HOLD',
  'SPECIAL_EXIT',
]);
const RUNNING = new Set([
  'RUNNING',
  'COMPLETING',
  'SUSPENDED',
  'STOPPED',
  'SIGNALING',
  'RESIZING',
  'STAGE_OUT',
]);

function phaseOf(state: string): TaskState['phase'] {
  if (WAITING.has(state)) return 'waiting';
  return RUNNING.has(state) ? 'running' : 'ended';
}
