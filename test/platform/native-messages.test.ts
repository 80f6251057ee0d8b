import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, describe, expect, it } from 'vitest';
import { CLI_MAIN } from '../support/cli.ts';

const MODULE = fileURLToPath(new URL('../../dist/platform/native-messages.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-stderr-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NOISE = ['Uniform', 'Storage'].map(
  (kind) =>
    `Warning: maxDynamic${kind}BuffersPerPipelineLayout artificially reduced from 1000000 to 16 to fit dynamic offset allocation limit.\n`,
);

/** Writes past Node's streams, as Dawn does, before, in and after the work; also through the streams. */
const PROGRAM = `
import { writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
const { withoutLimitWarnings } = await import(${JSON.stringify(MODULE)});
process.stderr.write('before\\n');
const beside = readFile(process.execPath);
const answer = await withoutLimitWarnings(async () => {
  writeSync(2, ${JSON.stringify(`${NOISE[0]}Warning: found no drivers\n${NOISE[1]}`)});
  return 7;
});
writeSync(2, 'after ' + answer + '\\n');
process.stderr.write('last\\n');
await beside;
await withoutLimitWarnings(() => { writeSync(2, 'thrown\\n'); throw new Error('as it is'); }).catch(({ message }) => process.stderr.write(message + '\\n'));
`;
const SCREENED = 'before\nWarning: found no drivers\nafter 7\nlast\nthrown\nas it is\n';
const AS_IT_IS = `before\n${NOISE[0]}Warning: found no drivers\n${NOISE[1]}after 7\nlast\nthrown\nas it is\n`;
const ARGUMENTS = ['--input-type=module', '-e', PROGRAM];

/** The program's stderr, where a shell puts it. */
function through(redirection: string): void {
  const quoted = ARGUMENTS.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(' ');
  execFileSync('bash', ['-c', `'${process.execPath}' ${quoted} ${redirection}`], { stdio: 'ignore' });
}

describe.skipIf(process.platform !== 'linux')("Dawn's lines about dynamic buffers", () => {
  it('do not come through a pipe, and all else does, in order', () => {
    const log = join(folder, 'piped');
    through(`2>&1 | cat >'${log}'`);
    expect(readFileSync(log, 'utf8')).toBe(SCREENED);
  });

  it('do not come to a file that is appended to, which other programs write to as well', () => {
    const log = join(folder, 'appended');
    through(`2>>'${log}'; echo other >>'${log}'`);
    expect(readFileSync(log, 'utf8')).toBe(`${SCREENED}other\n`);
  });

  it('do not come from a command that opens a GPU', () => {
    const log = join(folder, 'doctor');
    execFileSync('bash', [
      '-c',
      `"$0" "$1" doctor 2>&1 >/dev/null | cat >'${log}'`,
      process.execPath,
      CLI_MAIN,
    ]);
    expect(readFileSync(log, 'utf8')).toBe('');
  });

  it('do not come to a terminal', () => {
    // Given a terminal of its own by script(1), which copies what is shown.
    const log = join(folder, 'terminal');
    const program = join(folder, 'program.mjs');
    writeFileSync(program, PROGRAM);
    execFileSync('script', ['-qec', `'${process.execPath}' '${program}'`, log], { stdio: 'ignore' });
    expect(readFileSync(log, 'utf8').replaceAll('\r', '')).toContain(SCREENED);
  });

  it('are left where stderr could not be had again as it was', async () => {
    // Node gives its children sockets.
    const { stderr } = await promisify(execFile)(process.execPath, ARGUMENTS);
    expect(stderr).toBe(AS_IT_IS);
    // Its position is shared with whoever writes there next.
    const log = join(folder, 'shared');
    through(`2>'${log}' 3>&2; (echo other) >>'${log}'`);
    expect(readFileSync(log, 'utf8')).toBe(`${AS_IT_IS}other\n`);
    const both = join(folder, 'both');
    execFileSync('bash', [
      '-c',
      `(echo first; "$0" --input-type=module -e "$1"; echo last) >'${both}' 2>&1`,
      process.execPath,
      PROGRAM,
    ]);
    expect(readFileSync(both, 'utf8')).toBe(`first\n${AS_IT_IS}last\n`);
  });

  it('do no harm where nobody reads stderr, or stdin is closed', async () => {
    const alone = spawn(process.execPath, ARGUMENTS, { stdio: ['ignore', 'ignore', 'pipe'] });
    alone.stderr!.destroy();
    // Node ends on a closed pipe; it must end, and not wait for a reader.
    await new Promise((resolve) => alone.once('exit', resolve));
    const log = join(folder, 'no-stdin');
    through(`<&- 2>>'${log}'`);
    expect(readFileSync(log, 'utf8')).toMatch(/before[\s\S]*last/);
  });
});
