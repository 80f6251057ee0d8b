import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { link, open, readFile, rename, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { StorageError } from '../core/errors.ts';
import type { NodeFolder } from './node-files.ts';

/** How often a holder shows on its lock that it lives, and how long another machine's may be silent. */
const BEAT_MS = 60_000;
const SILENT_MS = 10 * BEAT_MS;

/** Name of the lock file. */
export const LOCK = '.lock';

/** Who holds a lock. A process id alone may have been given to another process since. */
interface Holder {
  readonly host: string;
  readonly pid: number;
  /** When the process started, in the kernel's own ticks since boot; empty where the system does not tell. */
  readonly started: string;
  /** Tells two locks of one process apart. */
  readonly token: string;
}

/** A folder that another process works in. */
export interface HeldFolder {
  readonly pid: number;
  readonly host: string;
}

/**
 * Takes a folder for this process alone, see {@link tryLockFolder}.
 *
 * @returns gives the folder free again
 * @throws StorageError naming the process that works in the folder.
 */
export async function lockFolder(folder: NodeFolder): Promise<() => Promise<void>> {
  const lock = await tryLockFolder(folder);
  if (typeof lock === 'function') return lock;
  throw new StorageError(`${folder.name}: process ${lock.pid} on ${lock.host} works in this folder`, {
    hint: 'Wait for it, stop it, or choose another folder.',
  });
}

/**
 * Takes a folder for this process alone. The lock is a file that names its process, made at once with its content; one
 * whose process is gone (killed, or of an earlier boot) holds nothing and is taken over. A process of another machine
 * cannot be asked: each holder writes to its lock every minute, and one that has not for ten counts as gone.
 *
 * @returns gives the folder free again; or who holds it
 * @throws StorageError where the folder cannot be written.
 */
export async function tryLockFolder(folder: NodeFolder): Promise<(() => Promise<void>) | HeldFolder> {
  await folder.checkWritable();
  const path = join(folder.root, LOCK);
  const own: Holder = {
    host: hostname(),
    pid: process.pid,
    started: startOf(process.pid),
    token: randomUUID(),
  };
  const temporary = `${path}.${own.token}.tmp`;
  await writeFile(temporary, JSON.stringify(own));
  try {
    while (!(await linked(temporary, path))) {
      const other = await holderOf(path);
      if (other === 'gone') continue;
      if (other && (await isAlive(other, path, temporary))) return { pid: other.pid, host: other.host };
      await takeAway(path, other?.token);
    }
  } finally {
    await rm(temporary, { force: true });
  }
  const beat = setInterval(() => void showLife(path, own.token).catch(() => {}), BEAT_MS).unref();
  return async () => {
    clearInterval(beat);
    const holder = await holderOf(path);
    if (typeof holder === 'object' && holder.token === own.token) await rm(path, { force: true });
  };
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'ENOTSUP') throw lockError(to, error);
  }
  // A file system without links, such as exFAT.
  try {
    await writeFile(to, await readFile(from), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw lockError(to, error);
  }
}

/** Undefined where the file names nobody. */
async function holderOf(path: string): Promise<Holder | 'gone' | undefined> {
  try {
    const value = JSON.parse(await readFile(path, 'utf8')) as Partial<Holder> | null;
    const { host, pid, started, token } = value ?? {};
    const whole =
      typeof host === 'string' &&
      typeof pid === 'number' &&
      typeof started === 'string' &&
      typeof token === 'string';
    return whole ? { host, pid, started, token } : undefined;
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? 'gone' : undefined;
  }
}

/**
 * Takes a dead lock away. Renamed first: if another process was quicker and the file is its new lock by now, it is
 * put back.
 */
async function takeAway(path: string, token: string | undefined): Promise<void> {
  const aside = `${path}.${randomUUID()}.tmp`;
  try {
    await rename(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw lockError(path, error);
  }
  const taken = await holderOf(aside);
  if (typeof taken === 'object' && taken.token !== token) await link(aside, path).catch(() => undefined);
  await unlink(aside);
}

/** Adds a line break to one's own lock: the file server, whose clock both sides read, then dates it anew. */
async function showLife(path: string, token: string): Promise<void> {
  const holder = await holderOf(path);
  if (typeof holder !== 'object' || holder.token !== token) return;
  // Not `a`, which would make a lock anew that has just been given back.
  const file = await open(path, 'r+');
  try {
    await file.write('\n', (await file.stat()).size);
  } finally {
    await file.close();
  }
}

/** @param fresh a file in the same folder that was just written */
async function isAlive({ host, pid, started }: Holder, path: string, fresh: string): Promise<boolean> {
  if (host !== hostname()) {
    const now = (await stat(fresh)).mtimeMs;
    const last = await stat(path).catch(() => undefined);
    return last === undefined || now - last.mtimeMs < SILENT_MS;
  }
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Another user's process must not be signalled, but is there.
    if (codeOf(error) !== 'EPERM') return false;
  }
  return started === startOf(pid);
}

/** Boot and start time of a process on Linux: together with its number they name it for good. */
function startOf(pid: number): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    // A zombie has ended; its parent has only not asked for it yet.
    return fields[0] === 'Z' ? 'ended' : `${boot}:${fields[19]}`;
  } catch {
    return '';
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function lockError(path: string, cause: unknown): StorageError {
  return new StorageError(
    `${path}: cannot be made: ${cause instanceof Error ? cause.message : String(cause)}`,
    {
      hint: 'Check the permissions and the free space of the folder.',
      cause,
    },
  );
}
