/** Flags of other programs, by the file that speaks of them. */
const OTHER_PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  'src/platform/checkout.ts': ['always', 'dirty'], // git describe
  // sbatch and squeue
  'src/pipeline/slurm/slurm-options.ts': ['partition', 'gres'],
  'src/pipeline/slurm/slurm-queue.ts': ['array', 'format', 'jobs', 'noheader', 'parsable', 'states'],
  'src/pipeline/slurm/slurm-script.ts': ['array', 'dependency', 'job-name', 'open-mode', 'output', 'requeue'],
};

/** A flag, as against `i--`, `a --b` and the custom properties of CSS (`--ground:#fff`, `var(--ground)`). */
const FLAG = /(?<![\w)\]-]|var\()--([a-z][a-z0-9-]*)(?![\w-]*:[^ ])/g;

/** Where a voxelgrad command (\`npx voxelgrad predict --help\`) is what the page tells its reader to run. */
const COMMAND = /<code>npx voxelgrad [^<]*<\/code>/g;

/**
 * Every mention of a command-line flag outside src/cli, comments included: what lies below it names settings, and
 * the command line translates.
 *
 * @param sources text by path
 * @returns one line per mention
 */
export function flagMentions(sources: ReadonlyMap<string, string>): string[] {
  return [...sources].flatMap(([path, text]) => {
    if (path.startsWith('src/cli/')) return [];
    return text
      .split('\n')
      .flatMap((line, i) =>
        [...line.replace(COMMAND, '').matchAll(FLAG)]
          .filter(([, name]) => !OTHER_PROGRAMS[path]?.includes(name!))
          .map(([flag]) => `${path}:${i + 1}: ${flag}`),
      );
  });
}
