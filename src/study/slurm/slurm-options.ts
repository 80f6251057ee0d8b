import { UsageError } from '../../core/errors.ts';

/** What the executor itself decides, by option of sbatch: it could not find its tasks, logs or units otherwise. */
const OWN: ReadonlySet<string> = new Set([
  'array',
  'chdir',
  'clusters',
  'dependency',
  'error',
  'help',
  'hold',
  'ignore-pbs',
  'input',
  'job-name',
  'open-mode',
  'output',
  'parsable',
  'quiet',
  'requeue',
  'no-requeue',
  'test-only',
  'uid',
  'usage',
  'version',
  'wait',
  'wrap',
]);

/**
 * Options of sbatch for every job, as they go behind `#SBATCH`: `partition=gpu gres=gpu:1` or
 * `--partition=gpu --gres=gpu:1`, in the long form, with blanks between them.
 *
 * @returns `--partition=gpu`, `--gres=gpu:1`
 * @throws UsageError naming the word that is no such option, or that would change what the executor relies on.
 */
export function parseSlurmOptions(text: string): string[] {
  // A line break would end the comment that an #SBATCH line is, and start a command of the script.
  if (/[^ -~]/.test(text))
    throw new UsageError('--slurm-options must be one line of ASCII characters', {
      hint: 'Write blanks between options: --slurm-options "partition=gpu gres=gpu:1".',
    });
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const [, name, value] = /^(?:--)?([a-z][a-z0-9-]*)(=[\w@%+=:,./[\]()*&|!-]+)?$/.exec(word) ?? [];
      if (name === undefined)
        throw new UsageError(`--slurm-options: ${JSON.stringify(word)} is no option of sbatch`, {
          hint: 'Write long options with "=" and without quotes: --slurm-options "partition=gpu time=8:00:00".',
        });
      if (OWN.has(name))
        throw new UsageError(`--slurm-options: --${name} is set by voxelgrad itself`, {
          hint:
            name === 'array'
              ? 'Limit the tasks that run at once by --slurm-max.'
              : 'Leave it out, or submit shards by hand: --shard k/n.',
        });
      return `--${name}${value ?? ''}`;
    });
}
