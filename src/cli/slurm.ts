import type { ArgDef } from 'citty';
import { StoppedError, UsageError } from '../core/errors.ts';
import { removeUnfinished } from '../core/unfinished-files.ts';
import { SLURM_FOLDER } from '../pipeline/slurm/slurm-jobs.ts';
import { parseSlurmOptions } from '../pipeline/slurm/slurm-options.ts';
import { LOGS } from '../pipeline/slurm/slurm-script.ts';
import { type SlurmRequest, type Submission, submitUnits } from '../pipeline/slurm/slurm-submit.ts';
import { waitForUnits } from '../pipeline/slurm/slurm-wait.ts';
import type { SlurmUnit } from '../pipeline/slurm/slurm-waves.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { lockFolder } from '../platform/run-lock.ts';
import { openSlurm } from '../platform/slurm.ts';
import { watchStopSignals } from '../platform/stop-signals.ts';
import { ownProgram, packageVersion, workingFolder } from '../platform/terminal.ts';
import type { Options } from './common.ts';
import type { Output } from './output.ts';

export type ExecutorOption = 'executor' | 'slurm-options' | 'slurm-max' | 'submit-only';

/** Who does the units. */
export const EXECUTOR_ARGS: Readonly<Record<ExecutorOption, ArgDef>> = {
  executor: {
    type: 'enum',
    options: ['local', 'slurm'],
    description: 'local does the units here; slurm submits them as job arrays and waits (default local)',
  },
  'slurm-options': {
    type: 'string',
    valueHint: 'OPTIONS',
    description: 'Options of sbatch for every job: "partition=gpu gres=gpu:1 time=8:00:00"',
  },
  'slurm-max': {
    type: 'string',
    valueHint: 'N',
    description: 'Most units that Slurm runs at once (default: as many as it grants)',
  },
  'submit-only': { type: 'boolean', description: 'Submit to Slurm and do not wait' },
};

/** How Slurm is to be used. */
export interface SlurmSettings {
  readonly options: readonly string[];
  readonly most: number | undefined;
  readonly submitOnly: boolean;
}

/** What Slurm is to do. */
export interface SlurmWork {
  readonly units: readonly SlurmUnit[];
  /** Those of the units that have their results, others perhaps among them. */
  finishedOf(units: readonly string[]): Promise<ReadonlySet<string>>;
  /** How scripts describe their tasks: lines of a comment. */
  readonly about: string;
  /** Words after the program's name; the name of a unit follows. */
  readonly command: readonly string[];
}

/** Reads the options; undefined if everything is done here. @throws UsageError naming the option. */
export function gatherExecutor(options: Options<ExecutorOption>): SlurmSettings | undefined {
  if (options.text('executor') === 'slurm')
    return {
      options: parseSlurmOptions(options.text('slurm-options') ?? ''),
      most: options.integer('slurm-max', { min: 1 }),
      submitOnly: options.flag('submit-only'),
    };
  const given = (['slurm-options', 'slurm-max', 'submit-only'] as const).find(
    (name) => options.text(name) !== undefined || options.flag(name),
  );
  if (given !== undefined)
    throw new UsageError(`--${given} means nothing without --executor slurm`, {
      hint: 'Add --executor slurm, or leave it out.',
    });
  return undefined;
}

/**
 * Submits units to Slurm and waits for them. Ctrl+C ends the waiting alone: what is submitted runs on.
 *
 * @throws SchedulerError if Slurm is not there, refuses a job, or a unit failed.
 */
export async function runOnSlurm(
  { units, finishedOf, about, command }: SlurmWork,
  out: NodeFolder,
  { options, most, submitOnly }: SlurmSettings,
  output: Output,
): Promise<Submission> {
  const request: SlurmRequest = {
    out,
    units,
    finishedOf,
    run: await openSlurm(out, SLURM_FOLDER, LOGS),
  };
  // Two who submit at once would submit everything twice.
  const lock = await lockFolder(new NodeFolder(`${out.root}/${SLURM_FOLDER}`), (text) =>
    output.note(`waiting: ${text}`),
  );
  await removeUnfinished(out, SLURM_FOLDER);
  const submission = await submitUnits(request, {
    version: packageVersion(),
    about,
    most,
    options,
    folder: workingFolder(),
    command: [...ownProgram(), ...command],
  }).finally(() => lock.release());
  for (const { id, script, units } of submission.submitted)
    output.note(`submitted ${out.name}/${SLURM_FOLDER}/${script} as job ${id}: ${units.length} units`);
  if (submitOnly) return submission;
  const { finished } = submission;
  const bar = output.progress({ label: 'slurm', total: units.length - finished, unit: 'unit' });
  const again = 'The jobs continue; the same command again waits for them.';
  const stop = watchStopSignals(
    () => output.note(`${again} To end them: scancel.`),
    () => output.note(again),
  );
  try {
    await waitForUnits(request, {
      signal: stop.signal,
      warn: (text) => output.note(`note: ${text}`),
      onProgress: ({ running, waiting, failed, ...now }) =>
        bar.update(
          now.finished - finished,
          `${running} running, ${waiting} waiting${failed > 0 ? `, ${failed} failed` : ''}`,
        ),
    });
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error;
    throw new StoppedError('stopped waiting for Slurm', error.exitCode, { hint: again });
  } finally {
    bar.stop();
    stop.release();
  }
  return submission;
}
