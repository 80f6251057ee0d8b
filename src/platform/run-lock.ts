import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import {
  type FileHandle,
  link,
  lstat,
  open,
  readdir,
  readFile,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { FolderLostError, StorageError } from '../core/errors.ts';
import type { AbortSignal } from '../core/globals.ts';
import type { FolderLock } from '../core/locked-files.ts';
import { sleep } from '../core/sleep.ts';
import type { NodeFolder } from './node-files.ts';
import {
  hasJobEnded,
  isNeighbour,
  isRunning,
  ownIdentity,
  type ProcessIdentity,
  wasRequeued,
} from './process-identity.ts';
import { renameOver } from './rename-over.ts';
import { codeOf, storageError } from './storage-error.ts';

/** How often a holder shows on its lock that it lives, and how long one that cannot be asked may be silent. */
const BEAT_MS = 15_000;
const SILENT_MS = 12 * BEAT_MS;

/** Name of the lock file. */
export const LOCK = '.lock';
const TEMPORARY = /^\.lock\.[\w-]+\.tmp$/;
/** A lock names one process. */
const MOST_BYTES = 65_536;

/** Who holds a lock. A process id alone may have been given to another process since. */
interface Holder extends ProcessIdentity {
  /** Tells two locks of one process apart. */
  readonly token: string;
}

/** A folder that another process works in. */
export interface HeldFolder {
  readonly pid: number;
  readonly host: string;
  /** Slurm's number of its job, if it runs in one. */
  readonly job?: string | undefined;
  /**
   * Seconds until the folder counts as free if its holder does not show that it lives; undefined if the holder can be
   * seen from here, and runs.
   */
  readonly freeIn?: number | undefined;
}

/** `process 7 on node3 (Slurm job 41)`. */
export function describeHolder({ pid, host, job }: HeldFolder): string {
  return `process ${pid} on ${host}${job === undefined ? '' : ` (Slurm job ${job})`}`;
}

/**
 * Takes a folder for this process alone, see {@link tryLockFolder}. A holder that cannot be asked whether it lives is
 * watched: until it shows that it does, or has been silent for so long that it counts as gone.
 *
 * @param onWait told once, before it waits
 * @throws StorageError naming the process that works in the folder; the signal's reason.
 */
export async function lockFolder(
  folder: NodeFolder,
  onWait: (text: string) => void = () => {},
  signal?: AbortSignal,
): Promise<FolderLock> {
  let shortest = Number.POSITIVE_INFINITY;
  for (let tries = 0; ; tries++) {
    const lock = await tryLockFolder(folder);
    if ('release' in lock) return lock;
    const freeIn = lock.freeIn ?? Number.POSITIVE_INFINITY;
    // The time only grows if the holder has shown life meanwhile.
    if (lock.freeIn === undefined || freeIn > shortest)
      throw new StorageError(`${folder.name}: ${describeHolder(lock)} works in this folder`, {
        hint: 'Wait for it, stop it, or choose another folder.',
      });
    if (tries === 0)
      onWait(
        `${folder.name}: ${describeHolder(lock)} has the folder and cannot be asked from here; it counts as gone in ${Math.ceil(freeIn)} s unless it shows that it lives`,
      );
    shortest = freeIn;
    await sleep(1000, signal);
  }
}

/**
 * Takes a folder for this process alone. The lock is a file that names its process, made at once with its content. A
 * lock holds nothing if its process is gone: it was killed, or Slurm says that its job has ended or was put back into
 * the queue. A process of another machine or container cannot be asked, and outside Linux the system does not tell whether
 * a process id is still the same process: each holder writes to its lock every 15 seconds, and one that has not for three
 * minutes counts as gone.
 *
 * @returns the lock; or who holds it
 * @throws StorageError if the folder cannot be written, or if something else than a lock has its name.
 */
export async function tryLockFolder(folder: NodeFolder): Promise<FolderLock | HeldFolder> {
  await folder.checkWritable();
  const path = join(folder.root, LOCK);
  const own: Holder = { ...ownIdentity(), token: randomUUID() };
  const text = JSON.stringify(own);
  const temporary = `${path}.${own.token}.tmp`;
  try {
    await writeFile(temporary, text, { flag: 'wx' });
    while (!(await linked(temporary, path))) {
      const other = await holderOf(path);
      if (other === 'gone') continue;
      if (other?.token === own.token) break;
      const held = other && (await heldBy(other, own, path, temporary));
      if (held) return held;
      if (await replaceLock(path, other?.token, own, temporary)) break;
    }
    await removeTemporaries(folder.root, temporary, own);
  } catch (error) {
    throw storageError(path, 'made', error);
  } finally {
    await rm(temporary, { force: true });
  }
  const beat = setInterval(() => void showLife(path, own.token, text.length).catch(() => {}), BEAT_MS);
  beat.unref();
  return {
    requireHeld: () => requireHeld(folder, path, own.token),
    async release() {
      clearInterval(beat);
      if (await isOwn(path, own.token)) await rm(path, { force: true });
    },
  };
}

async function linked(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (codeOf(error) !== 'EPERM' && codeOf(error) !== 'ENOTSUP') throw error;
  }
  // A file system without links, such as exFAT.
  try {
    await writeFile(to, await readFile(from), { flag: 'wx' });
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/** Undefined if the file names nobody. @throws StorageError if it is no file. */
async function holderOf(path: string): Promise<Holder | 'gone' | undefined> {
  let file: FileHandle | undefined;
  try {
    // Neither a link, which may lead nowhere, nor a pipe, which would keep a reader waiting.
    if (!(await lstat(path)).isFile()) throw notALock(path);
    file = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    if ((await file.stat()).size > MOST_BYTES) return undefined;
    const value = JSON.parse(await file.readFile('utf8')) as Partial<Holder> | null;
    const { host, pid, started, token, namespace, job } = value ?? {};
    const whole =
      typeof host === 'string' &&
      typeof pid === 'number' &&
      typeof started === 'string' &&
      typeof token === 'string';
    if (!whole) return undefined;
    const named = typeof job === 'object' && job !== null ? { job } : {};
    // Earlier versions wrote no namespace; theirs is taken to be ours.
    return { host, pid, started, token, namespace: namespace ?? ownIdentity().namespace, ...named };
  } catch (error) {
    if (error instanceof StorageError) throw error;
    return codeOf(error) === 'ENOENT' ? 'gone' : undefined;
  } finally {
    await file?.close();
  }
}

function notALock(path: string): StorageError {
  return new StorageError(`${path}: is in the way: it is not the file that this program keeps there`, {
    hint: 'Move it away, or choose another folder.',
  });
}

/**
 * Puts the own lock in the place of a dead one. Of all processes that find the same dead lock one makes a file that is
 * named after it, and that one alone may replace it: a new lock is never taken for the dead one.
 * @returns false if another process was quicker, or may be
 */
async function replaceLock(
  path: string,
  dead: string | undefined,
  own: Holder,
  temporary: string,
): Promise<boolean> {
  const claim = `${path}.${dead !== undefined && /^[\w-]{1,64}$/.test(dead) ? dead : 'damaged'}.tmp`;
  if (!(await linked(temporary, claim))) {
    const rival = await holderOf(claim);
    if (rival === 'gone') return false;
    // One that was killed right here would be in the way for ever.
    if (rival && (await heldBy(rival, own, claim, temporary))) await sleep(20);
    else await rm(claim, { force: true });
    return false;
  }
  const now = await holderOf(path);
  if (now === 'gone' || now?.token !== dead) {
    await rm(claim, { force: true });
    return false;
  }
  await renameOver(claim, path).catch((error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
  });
  return await isOwn(path, own.token);
}

async function isOwn(path: string, token: string): Promise<boolean> {
  const holder = await holderOf(path);
  return typeof holder === 'object' && holder.token === token;
}

/** What processes that were killed while they took the folder have left: at once if it is known that they are gone. */
async function removeTemporaries(folder: string, fresh: string, own: Holder): Promise<void> {
  const before = (await stat(fresh)).mtimeMs - SILENT_MS;
  for (const name of await readdir(folder)) {
    const path = join(folder, name);
    if (!TEMPORARY.test(name) || path === fresh) continue;
    const holder = await holderOf(path).catch(() => undefined);
    const isDead = typeof holder === 'object' && isNeighbour(holder, own) && !isRunning(holder);
    if (isDead || ((await lstat(path).catch(() => undefined))?.mtimeMs ?? before) < before)
      await rm(path, { force: true });
  }
}

/** Writes a line break behind one's own lock: the file server, whose clock both sides read, then dates it anew. */
async function showLife(path: string, token: string, length: number): Promise<void> {
  if (!(await isOwn(path, token))) return;
  // Not `a`, which would make a lock anew that has just been given back.
  const file = await open(path, 'r+');
  try {
    await file.write('\n', length);
  } finally {
    await file.close();
  }
}

/** @param fresh a file in the same folder that was just written */
async function heldBy(
  other: Holder,
  own: Holder,
  path: string,
  fresh: string,
): Promise<HeldFolder | undefined> {
  const held = { pid: other.pid, host: other.host, job: other.job?.id };
  if (isNeighbour(other, own)) {
    if (!isRunning(other)) return undefined;
    // Without a start time, as on Windows and macOS, the number may be another process's by now: silence tells.
    if (other.started !== '') return held;
  }
  if (wasRequeued(other, own) || (await hasJobEnded(other, own))) return undefined;
  const last = await stat(path).catch(() => undefined);
  const now = (await stat(fresh)).mtimeMs;
  // A date in the future says nothing; when it was set, the system knows.
  let silent = now - Math.min(last?.mtimeMs ?? now, last?.ctimeMs ?? now);
  if (silent < -BEAT_MS) {
    // The server's clock was set back: it counts from now on.
    await utimes(path, new Date(now), new Date(now)).catch(() => undefined);
    silent = 0;
  }
  return silent < SILENT_MS ? { ...held, freeIn: (SILENT_MS - silent) / 1000 } : undefined;
}

/** @throws FolderLostError, StorageError */
async function requireHeld(folder: NodeFolder, path: string, token: string): Promise<void> {
  const holder = await holderOf(path);
  if (typeof holder === 'object' && holder.token === token) return;
  if (holder === 'gone')
    throw new StorageError(`${folder.name}: the folder was removed while this process worked in it`, {
      hint: 'Nothing more is written to it; run the command again to start anew.',
    });
  const now = holder
    ? `${describeHolder({ ...holder, job: holder.job?.id })} works in it now`
    : 'its lock was changed';
  throw new FolderLostError(`${folder.name}: the folder was taken over: ${now}`, {
    hint: 'This process was stopped or silent for too long and has given way; nothing more is written to the folder by it.',
  });
}
