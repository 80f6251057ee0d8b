import { SchedulerError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import type { AbortSignal } from '../../core/globals.ts';
import { sleep } from '../../core/sleep.ts';
import { readJobs, SLURM_FOLDER, tasksOf, type UnitTask } from './slurm-jobs.ts';
import type { TaskState } from './slurm-queue.ts';
import { taskLog } from './slurm-script.ts';
import { type SlurmRequest, statesOf } from './slurm-submit.ts';

/** How many units are where. */
export interface SlurmProgress {
  readonly total: number;
  readonly finished: number;
  readonly running: number;
  readonly waiting: number;
  readonly failed: number;
}

/** How {@link waitForUnits} waits. */
export interface WaitOptions {
  readonly signal?: AbortSignal;
  onProgress?(progress: SlurmProgress): void;
  /** Told of what is no reason to stop, such as a controller that does not answer. */
  warn?(text: string): void;
  /** Seconds between two looks at the end; it starts with a tenth of them (default 15). */
  readonly seconds?: number;
  /** Seconds for which a result may be missing of a task that did not fail (default 60): file servers are slow. */
  readonly settleSeconds?: number;
}

/** States after which no result will come. In others a task may be queued again, or its result be under way. */
const FINAL = new Set(['FAILED', 'CANCELLED', 'TIMEOUT', 'OUT_OF_MEMORY', 'DEADLINE']);

/** What is known of a unit that has no result. */
interface Ended {
  readonly state: string;
  readonly since: number;
}

/**
 * Waits until every unit is finished, or failed with nothing left to wait for.
 * @throws SchedulerError naming the units that failed, why, and their logs; the signal's reason where it aborts.
 */
export async function waitForUnits(request: SlurmRequest, options: WaitOptions = {}): Promise<void> {
  const { out, units, finishedOf, run } = request;
  const { signal, onProgress, warn, seconds = 15, settleSeconds = 60 } = options;
  const tasks = tasksOf(await readJobs(out));
  const finished = new Set<string>();
  const ended = new Map<string, Ended>();
  let silent = false;
  for (let pause = seconds / 10; ; pause = Math.min(seconds, pause * 1.3)) {
    const before = units.map(({ id }) => id).filter((id) => !finished.has(id));
    // Asked before the results are looked for, so that a task that has ended has had the time to leave one.
    const states = await statesOf(run, tasks, before).catch((error: unknown) => {
      if (!(error instanceof SchedulerError)) throw error;
      if (!silent) warn?.(`${error.message}; asking again until it answers`);
      silent = true;
      return undefined;
    });
    // Of a large cohort most tasks wait: nothing of theirs is looked for.
    const looked = before.filter((id) => states?.get(id)?.phase !== 'waiting');
    const found = looked.length > 0 ? await finishedOf(looked) : new Set<string>();
    for (const id of looked) if (found.has(id)) finished.add(id);
    if (states) silent = false;
    const open = before.filter((id) => !finished.has(id));
    if (states) updateEnded(ended, open, states);
    const count = (phase: TaskState['phase']): number =>
      open.filter((id) => states?.get(id)?.phase === phase).length;
    const failed = open.filter((id) => hasFailed(ended.get(id), settleSeconds));
    onProgress?.({
      total: units.length,
      finished: finished.size,
      running: count('running'),
      waiting: count('waiting'),
      failed: failed.length,
    });
    if (failed.length === open.length) break;
    await sleep(pause * 1000, signal);
  }
  const open = units.filter(({ id }) => !finished.has(id));
  if (open.length === 0) return;
  const failed = open.filter(({ needs }) => needs.every((need) => finished.has(need)));
  throw await failure(
    out,
    failed.map(({ id }) => ({ id, state: ended.get(id)!.state, task: tasks.get(id) })),
    open.length - failed.length,
  );
}

/** Keeps since when tasks have ended without a result; one that was queued again has not ended. */
function updateEnded(
  ended: Map<string, Ended>,
  open: readonly string[],
  states: ReadonlyMap<string, TaskState>,
): void {
  for (const id of open) {
    const { phase, state } = states.get(id) ?? { phase: 'ended', state: undefined };
    const known = ended.get(id);
    // Slurm forgets tasks minutes after their end; what it said last still counts.
    if (phase !== 'ended') ended.delete(id);
    else if (!known) ended.set(id, { state: state ?? 'unknown to Slurm', since: performance.now() });
    else if (state !== undefined) ended.set(id, { ...known, state });
  }
}

function hasFailed(ended: Ended | undefined, settleSeconds: number): boolean {
  if (!ended) return false;
  return FINAL.has(ended.state) || performance.now() - ended.since > settleSeconds * 1000;
}

interface FailedUnit {
  readonly id: string;
  readonly state: string;
  readonly task: UnitTask | undefined;
}

async function failure(
  out: FileStore,
  failed: readonly FailedUnit[],
  blocked: number,
): Promise<SchedulerError> {
  const logs = failed.flatMap(({ task }) =>
    task ? [`${SLURM_FOLDER}/${taskLog(task.job, task.task)}`] : [],
  );
  const first = failed[0];
  const reason = logs[0] === undefined ? undefined : await lastError(out, logs[0]);
  const others = failed.slice(1).map(({ id, state }) => `${id} (${state})`);
  const parts = [
    `unit ${first?.id} failed (Slurm: ${first?.state})${reason === undefined ? '' : `: ${reason}`}`,
    ...(others.length > 0 ? [`so did ${others.join(', ')}`] : []),
    ...(blocked > 0 ? [`${blocked} that need what failed could not run`] : []),
  ];
  const paths = logs.map((log) => `${out.name}/${log}`).join(', ');
  return new SchedulerError(parts.join('; '), {
    hint: `See ${paths}. The same command again resumes what is not finished.`,
  });
}

/** The last line of a log that is an error of ours, without the mark. */
async function lastError(out: FileStore, log: string): Promise<string | undefined> {
  const text = await out.read(log).then(
    (bytes) => new TextDecoder().decode(bytes),
    // Slurm could not even start it.
    () => '',
  );
  return [...text.matchAll(/^(?:slurmstepd: )?error: (.*)$/gm)].at(-1)?.[1];
}
