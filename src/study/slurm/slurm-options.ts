import { UsageError } from '../../core/errors.ts';
import { setting, worded } from '../../core/wording.ts';

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

const OPTIONS = setting('slurmOptions');

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
    throw new UsageError(worded`${OPTIONS} must be one line of ASCII characters`, {
      hint: worded`Write blanks between options: ${setting('slurmOptions', '"partition=gpu gres=gpu:1"')}.`,
    });
  return text
    .split(' ')
    .filter((word) => word !== '')
    .map((word) => {
      const [, name, value] = /^(?:--)?([a-z][a-z0-9-]*)(=[\w@%+=:,./[\]()*&|!-]+)?$/.exec(word) ?? [];
      if (name === undefined)
        throw new UsageError(worded`${OPTIONS}: ${JSON.stringify(word)} is not an option of sbatch`, {
          hint: worded`Write long options with "=" and without quotes: ${setting('slurmOptions', '"partition=gpu time=8:00:00"')}.`,
        });
      if (OWN.has(name))
        throw new UsageError(worded`${OPTIONS}: --${name} is set by voxelgrad itself`, {
          hint:
            name === 'array'
              ? worded`Limit the tasks that run at once by ${setting('slurmMax')}.`
              : worded`Leave it out, or submit shards by hand: ${setting('shard', 'k/n')}.`,
        });
      return `--${name}${value ?? ''}`;
    });
}
