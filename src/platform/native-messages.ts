import { randomUUID } from 'node:crypto';
import { closeSync, constants, fstatSync, openSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { isMainThread } from 'node:worker_threads';

const STDERR = 2;
const { O_WRONLY, O_RDWR, O_APPEND, O_CREAT, O_EXCL, O_NOCTTY, O_NONBLOCK } = constants;

/**
 * What Dawn prints of each adapter whose driver takes more dynamic buffers than Dawn does. voxelgrad uses none. No toggle,
 * callback or limit turns it off: `NormalizeLimits` writes it to stderr as it lists the adapters.
 */
const NOISE =
  /^Warning: maxDynamic(?:Uniform|Storage)BuffersPerPipelineLayout artificially reduced from \d+ to \d+ to fit dynamic offset allocation limit\.$/;

/** Milliseconds in which another thread's file must leave the number of stderr. */
const PATIENCE = 1000;

/**
 * Does work during whose synchronous part Dawn lists adapters, without Dawn's lines about dynamic buffers; all else that
 * native code says on stderr comes out, after the work's synchronous part.
 *
 * Native code writes to file descriptor 2, which points to a file without a name meanwhile. That is done only on Linux, in
 * the main thread, while nothing is read or written beside it, and only if stderr can be had again as it was: a
 * terminal, a pipe, or a file opened for appending. Else the work is done as it is, and the lines are seen.
 *
 * @throws what the work throws
 */
export async function withoutLimitWarnings<T>(work: () => Promise<T>): Promise<T> {
  if (process.platform !== 'linux' || !isMainThread) return await work();
  // Threads that open files could be given stderr's number in the moment that it is free.
  while (process.getActiveResourcesInfo().some((name) => /^FSReq|^WriteWrap/.test(name)))
    await setImmediate();
  const screen = openScreen();
  if (screen === undefined) return await work();
  const { stderr, screened } = screen;
  pointStderrTo(screened, O_WRONLY | O_APPEND);
  let result: Promise<T>;
  try {
    result = work();
  } finally {
    pointStderrTo(stderr, O_WRONLY | O_APPEND | O_NOCTTY);
    const kept = readFileSync(screened, 'utf8')
      .split(/(?<=\n)/)
      .filter((line) => !NOISE.test(line.trimEnd()));
    closeSync(screened);
    closeSync(stderr);
    if (kept.length > 0) writeSync(STDERR, kept.join(''));
  }
  return await result;
}

/**
 * Stderr once more, and an empty file that has no name.
 * @returns their descriptors; undefined if stderr cannot be had again as it is, or there is no place for the file
 */
function openScreen(): { readonly stderr: number; readonly screened: number } | undefined {
  const opened: number[] = [];
  const open = (path: string, flags: number): number => {
    opened.push(openSync(path, flags, 0o600));
    return opened.at(-1)!;
  };
  try {
    const kind = fstatSync(STDERR);
    const info = readFileSync('/proc/self/fdinfo/2', 'utf8');
    const flags = Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? '', 8);
    // A file that is written from a position which others share would be overwritten by them.
    const same = kind.isFIFO() || kind.isCharacterDevice() || (kind.isFile() && (flags & O_APPEND) !== 0);
    if (!same || (flags & (O_WRONLY | O_RDWR)) === 0) return undefined;
    // Refused if nobody reads the pipe any more; the one below would wait for somebody.
    closeSync(openSync('/proc/self/fd/2', O_WRONLY | O_APPEND | O_NOCTTY | O_NONBLOCK));
    const stderr = open('/proc/self/fd/2', O_WRONLY | O_APPEND | O_NOCTTY);
    // The smallest free number is given next: it must be stderr's own then.
    if (stderr < STDERR) throw new Error('stdin or stdout is closed');
    const path = join(tmpdir(), `.voxelgrad-${randomUUID()}.tmp`);
    const screened = open(path, O_RDWR | O_CREAT | O_EXCL | O_APPEND);
    unlinkSync(path);
    return { stderr, screened };
  } catch {
    for (const descriptor of opened) closeSync(descriptor);
    return undefined;
  }
}

/** @throws Error if another thread does not give back stderr's number. */
function pointStderrTo(descriptor: number, flags: number): void {
  closeSync(STDERR);
  const end = performance.now() + PATIENCE;
  for (;;) {
    const opened = openSync(`/proc/self/fd/${descriptor}`, flags);
    if (opened === STDERR) return;
    closeSync(opened);
    if (performance.now() > end) throw new Error('another thread of this process opened a file as stderr');
  }
}
