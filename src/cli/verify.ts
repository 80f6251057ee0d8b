import { VerificationError } from '../core/errors.ts';
import { verifyRun } from '../pipeline/train/verify-run.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { packageVersion } from '../platform/terminal.ts';
import { type Command, command } from './command.ts';

export const verify: Command = command({
  name: 'verify',
  description: "Re-check a run's files against each other and against the hashes recorded",
  args: { run: { type: 'positional', description: 'Folder that `voxelgrad train` wrote' } },
  examples: [{ line: 'verify ./run', does: 'exits with 1 where a file was damaged, changed or mixed up' }],
  async run(options, output) {
    const run = new NodeFolder(options.required('run'));
    const { status, version, checks } = await verifyRun(run);
    const failed = checks.filter(({ passed }) => !passed);
    if (version !== null && version !== packageVersion())
      output.note(`note: the run is of version ${version}, this is ${packageVersion()}`);
    const list = checks.map(({ file, passed, text }) => `${passed ? 'ok' : 'WRONG'}  ${file}: ${text}`);
    for (const line of list) output.note(line);
    if (status === 'empty')
      throw new VerificationError(`${run.name}: holds no run`, { hint: 'Check the path.' });
    if (failed.length > 0)
      throw new VerificationError(
        `${run.name}: ${failed.length} of ${checks.length} checks failed, first ${failed[0]!.file}: ${failed[0]!.text}`,
        { hint: 'Restore the run from a copy, or resume from a sound checkpoint by `train --resume`.' },
      );
    output.result(
      { run: run.name, status, version, checks },
      `${run.name}: ${status}, ${checks.length} checks passed`,
    );
  },
});
