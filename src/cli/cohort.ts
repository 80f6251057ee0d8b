import type { ArgDef } from 'citty';
import { UsageError } from '../core/errors.ts';
import type { Json } from '../core/json.ts';
import { type Scan, scanName } from '../imaging/dataset/dataset.ts';
import { readJobs, SLURM_FOLDER, tasksOf } from '../pipeline/slurm/slurm-jobs.ts';
import {
  readUnitRecord,
  recordedUnits,
  removeUnitRecord,
  writeUnitRecord,
} from '../pipeline/slurm/unit-records.ts';
import type { NodeFolder } from '../platform/node-files.ts';
import { withoutOptions } from './arguments.ts';
import type { Options } from './common.ts';
import { SESSIONS_ARG } from './dataset-options.ts';
import type { Output } from './output.ts';
import { EXECUTOR_ARGS, type ExecutorOption, runOnSlurm, type SlurmSettings } from './slurm.ts';

export type CohortOption = ExecutorOption | 'sessions' | 'unit';

/** What commands take that work on one scan after the other. */
export const COHORT_ARGS: Readonly<Record<CohortOption, ArgDef>> = {
  sessions: SESSIONS_ARG,
  ...EXECUTOR_ARGS,
  unit: {
    type: 'string',
    valueHint: 'SCAN',
    description: `Do this scan alone, such as sub-07_ses-01, and leave its record in OUT/${SLURM_FOLDER}; tables over all scans are made later. Tasks of Slurm are such commands`,
  },
};

/** Options that say which scans are done and who does them, rather than what is done to a scan. */
const ABOUT_COHORT = {
  valued: [
    ...['executor', 'slurm-options', 'slurm-max', 'subjects', 'sessions'],
    ...['participant-label', 'session-label', 'n-procs', 'unit'],
  ],
  flags: ['submit-only', 'overwrite', 'json'],
};

/** What stands at the head of the scripts for Slurm. */
const ABOUT_TASKS = [
  'One task of the job array does one scan; a scan that was interrupted',
  'is done again from its beginning, and one that is done is not submitted again.',
].join('\n');

/** The words that say what is done to each scan. */
function commandOf(options: Options<CohortOption>): string[] {
  return withoutOptions(options.line, ABOUT_COHORT.valued, ABOUT_COHORT.flags);
}

/** Which scans of a data set are meant, as `findScans` takes them. */
export interface ChosenScans {
  readonly ids: readonly string[] | undefined;
  readonly visits: readonly string[] | undefined;
  /** The subject whose folder alone is to be looked at. */
  readonly only?: string | undefined;
}

/** The unit alone, or the subjects and visits that are named. @throws UsageError */
export function chosenScans(options: Options<CohortOption | 'subjects'>): ChosenScans {
  const unit = options.text('unit');
  if (unit === undefined) return { ids: options.list('subjects'), visits: options.list('sessions') };
  const given = (['subjects', 'sessions', 'executor'] as const).find(
    (name) => options.text(name) !== undefined,
  );
  if (given !== undefined)
    throw new UsageError(`--unit and --${given} exclude each other`, { hint: 'Give one of them.' });
  return { ids: [unit], visits: undefined, only: unit.replace(/^sub-/, '').replace(/_ses-.*$/, '') };
}

/** Leaves the record of a scan that `--unit` named. @throws StorageError */
export async function recordUnit(
  out: NodeFolder,
  scan: Pick<Scan, 'subject' | 'session'>,
  options: Options<CohortOption>,
  result: object,
): Promise<void> {
  // As JSON holds it.
  const plain = JSON.parse(JSON.stringify(result)) as Record<string, Json>;
  await writeUnitRecord(out, scanName(scan), { command: commandOf(options), result: plain });
}

/** The scans that were never given to Slurm: what the folder holds of them is not an interrupted task's. */
export async function neverSubmitted(out: NodeFolder, scans: readonly Scan[]): Promise<Scan[]> {
  const sent = tasksOf(await readJobs(out));
  return scans.filter((scan) => !sent.has(scanName(scan)));
}

/**
 * Has Slurm do scans, one task each, and gathers their records. Scans that are done already by the same command are not
 * done again.
 * @param again whether scans that are done are done again
 * @returns the records in the order of the scans; undefined if they were submitted only
 * @throws UsageError for scans that were done by another command; FileFormatError, StorageError, SchedulerError.
 */
export async function scansOnSlurm<Row extends object>(
  scans: readonly Scan[],
  out: NodeFolder,
  slurm: SlurmSettings,
  options: Options<CohortOption>,
  again: boolean,
  output: Output,
): Promise<Row[] | undefined> {
  const command = commandOf(options);
  const done = await recordedUnits(out);
  for (const name of scans.map(scanName)) {
    if (!done.has(name)) continue;
    if (again) await removeUnitRecord(out, name);
    else await requireSameCommand(out, name, command);
  }
  const submission = await runOnSlurm(
    {
      units: scans.map((scan) => ({ id: scanName(scan), needs: [] })),
      finishedOf: () => recordedUnits(out),
      about: ABOUT_TASKS,
      command: [...command, '--unit'],
    },
    out,
    slurm,
    output,
  );
  if (slurm.submitOnly) {
    output.result(
      { out: out.name, ...submission },
      `${out.name}: submitted; the same command again waits for the scans and makes the tables`,
    );
    return undefined;
  }
  const rows: Row[] = [];
  for (const scan of scans) rows.push((await readUnitRecord(out, scanName(scan))).result as Row);
  return rows;
}

async function requireSameCommand(out: NodeFolder, unit: string, command: readonly string[]): Promise<void> {
  const earlier = (await readUnitRecord(out, unit)).command;
  if (earlier.join('\n') === command.join('\n')) return;
  throw new UsageError(
    `${out.name}: ${unit} was done by another command: ${earlier.join(' ')}; this one is ${command.join(' ')}`,
    { hint: 'Give the same options, choose another folder, or do all again with --overwrite.' },
  );
}
