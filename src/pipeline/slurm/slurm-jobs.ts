import { z } from 'zod/mini';
import { FileFormatError } from '../../core/errors.ts';
import type { FileStore } from '../../core/files.ts';
import { parseJson } from '../../core/json.ts';

/** Folder of what Slurm is given, in the folder of the results. */
export const SLURM_FOLDER = 'slurm';
const JOBS = `${SLURM_FOLDER}/jobs.json`;

/** A job array that was submitted. */
export interface SubmittedJob {
  /** Slurm's number of it. */
  readonly id: string;
  /** The file that was submitted, in the folder `slurm`. */
  readonly script: string;
  /** By number of task. */
  readonly units: readonly string[];
}

/** Where a unit was sent to: one task of a job array. */
export interface UnitTask {
  readonly job: string;
  readonly task: number;
}

const SCHEMA: z.ZodMiniType<{ readonly jobs: readonly SubmittedJob[] }> = z.object({
  format: z.literal('voxelgrad-slurm-jobs'),
  formatVersion: z.literal(1),
  jobs: z.array(
    z.object({ id: z.string().check(z.regex(/^\d+$/)), script: z.string(), units: z.array(z.string()) }),
  ),
});

/** Jobs of a folder, the oldest first; none where none was submitted. @throws FileFormatError */
export async function readJobs(out: FileStore): Promise<SubmittedJob[]> {
  const names = (await out.list(SLURM_FOLDER)).map(({ name }) => `${SLURM_FOLDER}/${name}`);
  if (!names.includes(JOBS)) return [];
  const path = `${out.name}/${JOBS}`;
  const hint =
    'Move it away: voxelgrad then submits whatever is not finished; cancel jobs that are queued before.';
  try {
    return [...SCHEMA.parse(parseJson(new TextDecoder().decode(await out.read(JOBS)))).jobs];
  } catch (cause) {
    if (!(cause instanceof SyntaxError) && !(cause instanceof z.core.$ZodError)) throw cause;
    throw new FileFormatError(path, 'it is not a list of jobs', { hint, cause });
  }
}

/** Replaces the list of jobs. @throws StorageError */
export async function writeJobs(out: FileStore, jobs: readonly SubmittedJob[]): Promise<void> {
  const record = { format: 'voxelgrad-slurm-jobs', formatVersion: 1, jobs };
  await out.write(JOBS, new TextEncoder().encode(`${JSON.stringify(record, null, 2)}\n`));
}

/** The task that each unit was sent to last. */
export function tasksOf(jobs: readonly SubmittedJob[]): Map<string, UnitTask> {
  return new Map(
    jobs.flatMap(({ id, units }) => units.map((unit, task) => [unit, { job: id, task }] as const)),
  );
}
