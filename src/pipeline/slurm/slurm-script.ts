import { shellWord } from '../../core/shell-word.ts';

/** What one job array runs. */
export interface WaveScript {
  /** Of voxelgrad. */
  readonly version: string;
  /** What a task does and what becomes of one that is interrupted, for readers of the script; lines of a comment. */
  readonly about: string;
  readonly name: string;
  /** One task each, in this order. */
  readonly units: readonly string[];
  /** Jobs that must have ended before the first task starts. */
  readonly after: readonly string[];
  /** Most tasks at once; undefined for as many as Slurm grants. */
  readonly most?: number | undefined;
  /** From `parseSlurmOptions`. */
  readonly options: readonly string[];
  /** Where the tasks run: relative paths of the command begin there. */
  readonly folder: string;
  /** Program and words; the name of the unit follows as the last word. */
  readonly command: readonly string[];
}

/** Folder of the tasks' logs, seen from where a script is submitted. */
export const LOGS = 'logs';

/** Path of a task's log, seen from where its script was submitted. */
export function taskLog(job: string, task: number | '%a'): string {
  return `${LOGS}/${job}_${task}.log`;
}

/**
 * The file that is handed to sbatch, in the folder that holds it and its logs: complete, for people to read, to keep
 * and to submit again. No path stands in an `#SBATCH` line, where Slurm reads `%` and quotes in its own way; in the
 * script they are quoted for the shell. `exec` puts voxelgrad in the place of the shell, so that Slurm's signals reach
 * it and it saves a checkpoint before it ends.
 */
export function sbatchScript(wave: WaveScript): string {
  const { version, about, name, units, after, most, options, folder, command } = wave;
  const dependency = [
    '# Not afterok: a unit that fails must not hold up those that do not need it.',
    `#SBATCH --dependency=afterany:${after.join(':')}`,
  ];
  return `${[
    '#!/bin/bash',
    ...`Written by voxelgrad ${version}. ${about}`.split('\n').map((line) => `# ${line}`),
    `#SBATCH --job-name=voxelgrad-${name}`,
    `#SBATCH --array=0-${units.length - 1}${most === undefined ? '' : `%${most}`}`,
    ...(after.length > 0 ? dependency : []),
    `#SBATCH --output=${taskLog('%A', '%a')}`,
    '#SBATCH --open-mode=append',
    '#SBATCH --requeue',
    ...options.map((option) => `#SBATCH ${option}`),
    '',
    'units=(',
    ...units.map((unit) => `  ${shellWord(unit)}`),
    ')',
    `cd ${shellWord(folder)} || exit`,
    `exec ${command.map(shellWord).join(' ')} "\${units[SLURM_ARRAY_TASK_ID]}"`,
  ].join('\n')}\n`;
}
