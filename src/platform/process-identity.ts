import { execFile } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

/** A job of Slurm, as its processes know it. */
export interface SlurmJob {
  readonly cluster: string;
  readonly id: string;
  /** How often it was put back into the queue. */
  readonly restarts: number;
}

/** What names a process among all that may reach a folder, of this machine and of others. */
export interface ProcessIdentity {
  readonly host: string;
  readonly pid: number;
  /** Boot of the machine, and when the process started, in the kernel's ticks since: `boot:ticks`. Empty if untold. */
  readonly started: string;
  /** What the process id counts in: containers have numbers of their own. Empty if untold. */
  readonly namespace: string;
  readonly job?: SlurmJob | undefined;
}

/** Who this process is. */
export function ownIdentity(environment: NodeJS.ProcessEnv = process.env): ProcessIdentity {
  const job = jobOf(environment);
  return {
    host: hostname(),
    pid: process.pid,
    started: startOf('self'),
    namespace: namespace(),
    ...(job ? { job } : {}),
  };
}

function jobOf(environment: NodeJS.ProcessEnv): SlurmJob | undefined {
  const { SLURM_JOB_ID: id, SLURM_CLUSTER_NAME: cluster, SLURM_RESTART_COUNT: restarts } = environment;
  return id && cluster ? { cluster, id, restarts: Number(restarts) || 0 } : undefined;
}

/** Whether the kernel here can be asked for another process by its number: same boot, same numbers. */
export function isNeighbour(other: ProcessIdentity, own: ProcessIdentity): boolean {
  const [boot, ownBoot] = [other.started.split(':')[0], own.started.split(':')[0]];
  if (boot === '' || ownBoot === '') return boot === ownBoot && other.host === own.host;
  return boot === ownBoot && other.namespace === own.namespace;
}

/** Whether a process for which {@link isNeighbour} holds still runs: not only one that has its number now. */
export function isRunning({ pid, started }: ProcessIdentity): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Another user's process must not be signalled, but is there.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPERM')) return false;
  }
  // A container may see the /proc of the machine, which knows its processes by other numbers.
  return !showsOwnProcesses() || started === startOf(pid);
}

/** Whether a job is the same one, put back into the queue since: Slurm has ended the earlier one then. */
export function wasRequeued(other: ProcessIdentity, own: ProcessIdentity): boolean {
  const [before, now] = [other.job, own.job];
  if (!before || !now || before.cluster !== now.cluster || before.id !== now.id) return false;
  return before.restarts < now.restarts;
}

/** States in which processes of a job may run, as squeue calls them. */
const RUNS = /^(RUNNING|COMPLETING|SUSPENDED|STOPPED|SIGNALING|RESIZING|STAGE_OUT)$/m;

/**
 * Whether another job of the cluster that this process runs on has ended, as Slurm says.
 * @returns undefined if it cannot be asked
 */
export async function hasJobEnded(
  { job: other }: ProcessIdentity,
  { job: own }: ProcessIdentity,
): Promise<boolean | undefined> {
  if (!other || !own || other.cluster !== own.cluster || other.id === own.id) return undefined;
  // An unknown job alone is an error to squeue; named twice it is passed over.
  const words = ['-h', '-t', 'all', '-o', '%T', '-j', `${other.id},${other.id}`];
  return await new Promise((resolve) => {
    execFile('squeue', words, { timeout: 20_000 }, (error, stdout) =>
      resolve(error ? undefined : !RUNS.test(stdout)),
    );
  });
}

/** Boot and start time of a process on Linux: together with its number they name it for good. */
function startOf(pid: number | 'self'): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    // A zombie has ended; its parent has only not asked for it yet.
    return fields[0] === 'Z' ? 'ended' : `${boot}:${fields[19]}`;
  } catch {
    return '';
  }
}

function namespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

function showsOwnProcesses(): boolean {
  try {
    return readlinkSync('/proc/self') === String(process.pid);
  } catch {
    return false;
  }
}
