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
 * Options of sbatch that may be given, by their whole names: sbatch also takes the beginnings of names, so that `arra` is
 * `array`. (slurm.schedmd.com/sbatch.html, versions 20.11 to 25.05)
 */
const ALLOWED: readonly string[] = [
  ...['account', 'acctg-freq', 'batch', 'bb', 'bbf', 'begin', 'cluster-constraint', 'comment', 'constraint'],
  ...['container', 'container-id', 'contiguous', 'core-spec', 'cores-per-socket', 'cpu-freq', 'cpus-per-gpu'],
  ...[
    'cpus-per-task',
    'deadline',
    'delay-boot',
    'distribution',
    'exclude',
    'exclusive',
    'export',
    'export-file',
  ],
  ...['extra', 'extra-node-info', 'get-user-env', 'gid', 'gpu-bind', 'gpu-freq', 'gpus', 'gpus-per-node'],
  ...['gpus-per-socket', 'gpus-per-task', 'gres', 'gres-flags', 'hint', 'kill-on-invalid-dep', 'licenses'],
  ...[
    'mail-type',
    'mail-user',
    'mcs-label',
    'mem',
    'mem-bind',
    'mem-per-cpu',
    'mem-per-gpu',
    'mincpus',
    'network',
  ],
  ...['nice', 'no-kill', 'nodefile', 'nodelist', 'nodes', 'ntasks', 'ntasks-per-core', 'ntasks-per-gpu'],
  ...[
    'ntasks-per-node',
    'ntasks-per-socket',
    'oom-kill-step',
    'overcommit',
    'oversubscribe',
    'partition',
    'power',
  ],
  ...['prefer', 'priority', 'profile', 'propagate', 'qos', 'reboot', 'reservation', 'segment', 'signal'],
  ...[
    'sockets-per-node',
    'spread-job',
    'stepmgr',
    'switches',
    'thread-spec',
    'threads-per-core',
    'time',
    'time-min',
  ],
  ...['tmp', 'tres-bind', 'tres-per-task', 'use-min-nodes', 'verbose', 'wait-all-nodes', 'wckey'],
];

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
      if (!ALLOWED.includes(name))
        throw new UsageError(worded`${OPTIONS}: ${name} is not the whole name of an option of sbatch`, {
          hint: `There are ${ALLOWED.join(', ')}.`,
        });
      return `--${name}${value ?? ''}`;
    });
}
