import { SchedulerError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import {
  readJobs,
  SLURM_FOLDER,
  type SubmittedJob,
  tasksOf,
  type UnitTask,
  writeJobs,
} from './slurm-jobs.ts';
import { type RunSlurm, submit, type TaskState, taskStates } from './slurm-queue.ts';
import { sbatchScript, type WaveScript } from './slurm-script.ts';
import { planWaves, type SlurmUnit, withDependents } from './slurm-waves.ts';

/** Work that Slurm does. */
export interface SlurmRequest {
  /** The folder of the results, which every node of the cluster sees. */
  readonly out: FileStore;
  readonly units: readonly SlurmUnit[];
  /** Those of the units that have their results; others may be among them. */
  finishedOf(units: readonly string[]): Promise<ReadonlySet<string>>;
  readonly run: RunSlurm;
}

/** What {@link submitUnits} did. */
export interface Submission {
  readonly submitted: readonly SubmittedJob[];
  /** Units that had their result. */
  readonly finished: number;
  /** Units that an earlier submission had left waiting or running. */
  readonly queued: number;
}

/**
 * Submits what is neither finished nor queued, one job array a wave, and writes down every job as soon as Slurm has
 * taken it. Tasks of earlier submissions that still wait, but need a unit that is submitted anew, are cancelled and
 * submitted after it.
 *
 * @param how what all scripts share
 * @throws SchedulerError where Slurm is not there or refuses a script; what it had taken is kept and found again.
 */
export async function submitUnits(
  { out, units, finishedOf, run }: SlurmRequest,
  how: Pick<WaveScript, 'version' | 'about' | 'most' | 'options' | 'folder' | 'command'>,
): Promise<Submission> {
  const jobs = await readJobs(out);
  const done = await finishedOf(units.map(({ id }) => id));
  const unfinished = units.filter(({ id }) => !done.has(id));
  const finished = units.length - unfinished.length;
  const queued = await queuedTasks(
    run,
    jobs,
    unfinished.map(({ id }) => id),
  );
  const missing = unfinished.filter(({ id }) => !queued.has(id)).map(({ id }) => id);
  const late = [...withDependents(unfinished, missing)].filter((id) => queued.get(id)?.phase === 'waiting');
  if (late.length > 0) {
    await run(
      'scancel',
      late.map((id) => nameOf(queued.get(id)!)),
    );
    for (const id of late) queued.delete(id);
  }
  const submitted: SubmittedJob[] = [];
  // Waves that need nothing of each other run side by side, unless only so many tasks may run at once.
  const inTurn = how.most !== undefined || unfinished.some(({ needs }) => needs.length > 0);
  for (const wave of planWaves(unfinished.filter(({ id }) => !queued.has(id)))) {
    const name = `wave-${jobs.length + 1}`;
    const script = `${name}.sbatch`;
    const older = wave.flatMap(({ needs }) => needs.flatMap((need) => queued.get(need)?.job ?? []));
    const after = [...new Set([...older, ...(inTurn ? submitted.slice(-1) : []).map(({ id }) => id)])];
    const ids = wave.map(({ id }) => id);
    const text = sbatchScript({ ...how, name, units: ids, after });
    await out.write(`${SLURM_FOLDER}/${script}`, new TextEncoder().encode(text));
    const job = { id: await submitAfter(run, script, submitted), script, units: ids };
    submitted.push(job);
    jobs.push(job);
    await writeJobs(out, jobs);
  }
  return { submitted, finished, queued: queued.size };
}

/** Units whose last task waits or runs. */
async function queuedTasks(
  run: RunSlurm,
  jobs: readonly SubmittedJob[],
  unfinished: readonly string[],
): Promise<Map<string, TaskState>> {
  const states = await statesOf(run, tasksOf(jobs), unfinished);
  return new Map([...states].filter(([, { phase }]) => phase !== 'ended'));
}

/** What Slurm says of the units' tasks; those that it no longer knows are left out. @throws SchedulerError */
export async function statesOf(
  run: RunSlurm,
  tasks: ReadonlyMap<string, UnitTask>,
  units: readonly string[],
): Promise<Map<string, TaskState>> {
  const asked = units.flatMap((unit) => tasks.get(unit)?.job ?? []);
  const known = new Map(
    (await taskStates(run, [...new Set(asked)])).map((state) => [nameOf(state), state] as const),
  );
  return new Map(
    units.flatMap((unit) => {
      const task = tasks.get(unit);
      const state = task && known.get(nameOf(task));
      return state ? [[unit, state] as const] : [];
    }),
  );
}

/** `101_3`, as Slurm's commands take it. */
function nameOf({ job, task }: UnitTask): string {
  return `${job}_${task}`;
}

async function submitAfter(
  run: RunSlurm,
  script: string,
  submitted: readonly SubmittedJob[],
): Promise<string> {
  try {
    return await submit(run, script);
  } catch (cause) {
    if (!(cause instanceof SchedulerError) || submitted.length === 0) throw cause;
    const taken = submitted.map(({ id }) => id).join(', ');
    throw new SchedulerError(`${cause.message}; submitted before: ${taken}`, {
      hint: `${cause.hint ?? ''} The same command again submits the rest.`.trim(),
      cause,
    });
  }
}
