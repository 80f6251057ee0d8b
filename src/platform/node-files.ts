import { createHash } from 'node:crypto';
import { constants, type Stats } from 'node:fs';
import { access, type FileHandle, lstat, mkdir, open, readdir, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { Readable } from 'node:stream';
import type { ReadableStream as NodeStream } from 'node:stream/web';
import { createGunzip } from 'node:zlib';
import { StorageError, VoxelgradError } from '../core/errors.ts';
import type { FileContent, FileEntry, FileStore, WrittenContent } from '../core/files.ts';
import { isUnfinished, unfinishedName } from '../core/unfinished-files.ts';
import { renameOver } from './rename-over.ts';
import { codeOf, storageError } from './storage-error.ts';

/** Bytes that a stream reads at a time. */
const PIECE = 1 << 18;

/** What nobody has written to for so long was left by a process that is gone. */
const LEFT_MS = 10 * 60_000;

/** A pipe that nobody writes to would keep a reader, and its process, waiting for ever. */
const FLAGS = {
  r: constants.O_RDONLY | (constants.O_NONBLOCK ?? 0),
  a: constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | (constants.O_NONBLOCK ?? 0),
  wx: constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL,
} as const;

/**
 * A folder of the disk. Paths are relative to its root and `/`-separated; a path that would leave the root
 * (`..`, absolute, NUL, or a backslash) is refused. Reading follows links, since data sets are often made of
 * links into a store; writing never goes through a link out of the root.
 */
export class NodeFolder implements FileStore {
  /** The folder as the user gave it. */
  readonly name: string;
  readonly #root: string;

  constructor(folder: string) {
    if (folder.includes('\0')) throw new StorageError('a folder name holds a NUL character');
    this.name = folder;
    this.#root = resolve(folder);
  }

  /** The folder that this one lies in, and what this one is called there. */
  place(): { readonly parent: NodeFolder; readonly name: string } {
    return { parent: new NodeFolder(dirname(this.#root)), name: basename(this.#root) };
  }

  /** Where another folder lies as seen from this one, with `/`. */
  pathTo(other: NodeFolder): string {
    return relative(this.#root, other.root).split(sep).join('/') || '.';
  }

  /** The absolute path of the root. */
  get root(): string {
    return this.#root;
  }

  /** @throws StorageError where the path leaves the root. */
  #resolve(path: string): string {
    const shown = `${this.name}/${path.replaceAll('\0', '\\0')}`;
    const refuse = (why: string): StorageError =>
      new StorageError(`${shown}: refused, ${why}`, { hint: 'Use a relative path inside the folder.' });
    if (path.includes('\0')) throw refuse('it holds a NUL character');
    if (path.includes('\\')) throw refuse('it holds a backslash');
    if (isAbsolute(path)) throw refuse('it is absolute');
    // Windows takes `C:name` for a path of another drive and `name:part` for a hidden part of a file.
    if (sep === '\\' && path.includes(':')) throw refuse('it holds a colon');
    if (path.split('/').includes('..')) throw refuse('it leaves the folder');
    return join(this.#root, path);
  }

  /**
   * Entries of a folder sorted by name, links by what they point at; devices are left out.
   * @returns nothing where there is no such folder inside the root.
   * @throws StorageError where the root is missing or a folder cannot be read.
   */
  async list(path: string): Promise<FileEntry[]> {
    const full = this.#resolve(path);
    try {
      const entries: FileEntry[] = [];
      for (const entry of await readdir(full, { withFileTypes: true })) {
        const info = entry.isSymbolicLink()
          ? await stat(join(full, entry.name)).catch(() => undefined)
          : entry;
        if (info?.isDirectory()) entries.push({ name: entry.name, kind: 'folder' });
        else if (info?.isFile()) entries.push({ name: entry.name, kind: 'file' });
        else if (!info) entries.push({ name: entry.name, kind: 'broken' });
      }
      return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
    } catch (error) {
      const missing = codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR';
      if (missing && full !== this.#root) return [];
      throw storageError(full, 'read', error);
    }
  }

  /** Whole content, in a buffer of its own. @throws StorageError where it cannot be read. */
  async read(path: string): Promise<Uint8Array> {
    const full = this.#resolve(path);
    try {
      // Not readFile: that one refuses files of 2 GiB and more.
      return await withFile(full, 'r', async (file) => {
        const { size } = await requireRegular(file);
        const bytes = new Uint8Array(size);
        let filled = 0;
        while (filled < size) {
          const length = Math.min(size - filled, 1 << 28);
          const { bytesRead } = await file.read(bytes, filled, length, filled);
          if (bytesRead === 0) break;
          filled += bytesRead;
        }
        return bytes.subarray(0, filled);
      });
    } catch (error) {
      throw storageError(full, 'read', error);
    }
  }

  /** Content that is read as it is needed, 256 kB at a time. @throws StorageError where it cannot be read. */
  async open(path: string): Promise<FileContent> {
    const full = this.#resolve(path);
    try {
      const { size } = await withFile(full, 'r', requireRegular);
      return {
        size,
        stream: () => streamOf(full),
        inflated: () => inflate(streamOf(full)),
        sha256: () => hashOf(streamOf(full)),
      };
    } catch (error) {
      throw storageError(full, 'read', error);
    }
  }

  /**
   * Writes a whole file at once: into a temporary file beside it, synced to the disk, renamed over the old one.
   * At no moment is there a half-written file under the name; a failure leaves the old file as it was.
   * @param content pieces are written as they come
   * @throws StorageError where it cannot be written, and what the making of a piece throws.
   */
  async write(path: string, content: WrittenContent): Promise<void> {
    const full = this.#resolve(path);
    const folder = dirname(full);
    let temporary: string | undefined;
    try {
      await this.#makeFolder(folder);
      // A file or link under the name is replaced; a folder there makes the rename fail.
      temporary = join(folder, unfinishedName(basename(full)));
      await withFile(temporary, 'wx', async (file) => {
        if (content instanceof Uint8Array) await file.writeFile(content);
        else for (const piece of content) await file.writeFile(piece);
        await file.sync();
      });
      await renameOver(temporary, full);
      await syncFolder(folder);
    } catch (error) {
      if (temporary !== undefined) await rm(temporary, { force: true }).catch(() => undefined);
      // An error without a code is no file system's: the making of a piece failed.
      if (error instanceof VoxelgradError || codeOf(error) === '') throw error;
      throw storageError(full, 'written', error);
    }
  }

  /** Adds to the end of a file, making it and its folder where missing. @throws StorageError */
  async append(path: string, bytes: Uint8Array): Promise<void> {
    const full = this.#resolve(path);
    try {
      await this.#makeFolder(dirname(full));
      await withFile(full, 'a', async (file) => {
        await requireRegular(file);
        await file.writeFile(bytes);
      });
    } catch (error) {
      throw storageError(full, 'written', error);
    }
  }

  /** Makes what was appended to a file outlast a power cut. @throws StorageError */
  async sync(path: string): Promise<void> {
    const full = this.#resolve(path);
    try {
      // Not opened to read only: Windows syncs what can be written.
      await withFile(full, 'a', async (file) => {
        await requireRegular(file);
        await file.sync();
      });
    } catch (error) {
      throw storageError(full, 'written', error);
    }
  }

  /** Takes a file or a link away, never what a link points at. @throws StorageError where it cannot be. */
  async remove(path: string): Promise<void> {
    const full = this.#resolve(path);
    try {
      const folder = await realpath(dirname(full)).catch(() => undefined);
      if (folder === undefined) return;
      await this.#requireInside(dirname(full));
      await rm(full, { force: true });
      await syncFolder(folder);
    } catch (error) {
      throw storageError(full, 'removed', error);
    }
  }

  /** Whether there is such a folder. @throws StorageError if that cannot be found out, or if it is a file. */
  async exists(): Promise<boolean> {
    try {
      if ((await stat(this.#root)).isDirectory()) return true;
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw storageError(this.#root, 'read', error);
    }
    throw storageError(this.#root, 'read', Object.assign(new Error(), { code: 'ENOTDIR' }));
  }

  /**
   * Finds out whether files can be written here, making the folder, before hours are spent on what would go
   * into it.
   * @throws StorageError where they cannot.
   */
  async checkWritable(): Promise<void> {
    try {
      await this.#makeFolder(this.#root);
      await access(this.#root, constants.W_OK);
      const probe = join(this.#root, unfinishedName('voxelgrad'));
      try {
        await withFile(probe, 'wx', (file) => file.writeFile('x'));
      } finally {
        await rm(probe, { force: true });
      }
    } catch (error) {
      throw storageError(this.#root, 'written to', error);
    }
  }

  /**
   * Takes away what processes that are gone left half-written here and in the folders inside. Other processes may be
   * at work in the folder: what was written to in the last ten minutes stays.
   * @throws StorageError
   */
  async tidy(): Promise<void> {
    await this.#tidy('', Date.now() - LEFT_MS);
  }

  async #tidy(path: string, before: number): Promise<void> {
    for (const { name, kind } of await this.list(path)) {
      const inside = path === '' ? name : `${path}/${name}`;
      const full = this.#resolve(inside);
      const info = await lstat(full).catch(() => undefined);
      // A folder that is a link may be somebody else's.
      if (kind === 'folder' && info?.isDirectory()) await this.#tidy(inside, before);
      else if (info?.isFile() && isUnfinished(name) && info.mtimeMs < before) await this.remove(inside);
    }
  }

  /** Makes a folder inside the root, checking first that no link on the way leads out of it. */
  async #makeFolder(folder: string): Promise<void> {
    await makeFolders(this.#root);
    let at = this.#root;
    for (const part of relative(this.#root, folder).split(sep)) {
      if (part === '') continue;
      at = join(at, part);
      const info = await lstat(at).catch((error: unknown) => {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw error;
      });
      if (!info) await makeFolders(at);
      await this.#requireInside(at);
    }
  }

  /** @throws StorageError where links lead from a folder below the root out of it. */
  async #requireInside(folder: string): Promise<void> {
    const root = await realpath(this.#root);
    const real = await realpath(folder);
    if (real === root || real.startsWith(root.endsWith(sep) ? root : root + sep)) return;
    throw new StorageError(`${folder}: refused, it is a link that leaves ${this.#root}`, {
      hint: 'Remove the link, or write into the folder that it points at.',
    });
  }
}

/** The bytes of a file; it is closed at the end, at a failure, and where the stream is cancelled. */
function streamOf(path: string): ReadableStream<Uint8Array> {
  let file: FileHandle | undefined;
  const close = async (): Promise<void> => {
    await file?.close();
    file = undefined;
  };
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller): Promise<void> {
        try {
          file ??= await open(path, FLAGS.r);
          const bytes = new Uint8Array(PIECE);
          const { bytesRead } = await file.read(bytes, 0, PIECE, null);
          if (bytesRead > 0) {
            controller.enqueue(bytes.subarray(0, bytesRead));
            return;
          }
          await close();
          controller.close();
        } catch (error) {
          await close().catch(() => undefined);
          throw storageError(path, 'read', error);
        }
      },
      cancel: close,
    },
    // Nothing is opened before it is read.
    { highWaterMark: 0 },
  );
}

/**
 * Inflates gzip as it is read: Node's DecompressionStream takes a whole file in before it is asked for the second piece.
 */
function inflate(stream: ReadableStream<Uint8Array>): ReadableStream<Uint8Array> {
  const packed = Readable.fromWeb(stream as NodeStream<Uint8Array>);
  const gunzip = createGunzip({ chunkSize: PIECE });
  packed.on('error', (error) => gunzip.destroy(error));
  const pieces = packed.pipe(gunzip)[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller): Promise<void> {
        const { done, value } = await pieces.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
      async cancel(): Promise<void> {
        gunzip.destroy();
        packed.destroy();
        await pieces.return?.();
      },
    },
    { highWaterMark: 0 },
  );
}

/**
 * Makes a folder and those above it. Not mkdir's `recursive`: Node 20 loops for ever where a file system answers
 * ENOENT to every mkdir, as /proc does.
 */
async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT' && !(await exists(dirname(path)))) {
      await makeFolders(dirname(path));
      await makeFolders(path);
    } else if (!(await stat(path).catch(() => undefined))?.isDirectory()) {
      throw error;
    }
  }
}

async function exists(path: string): Promise<boolean> {
  return await lstat(path).then(
    () => true,
    () => false,
  );
}

/** @throws what the file system would say of a pipe, a socket or a device: that it is none of the files meant here. */
async function requireRegular(file: FileHandle): Promise<Stats> {
  const info = await file.stat();
  if (info.isFile()) return info;
  throw Object.assign(new Error('not a regular file'), { code: info.isDirectory() ? 'EISDIR' : 'ENXIO' });
}

/** Opens a file, works with it, and closes it whatever happens. */
async function withFile<T>(
  path: string,
  flags: 'r' | 'wx' | 'a',
  work: (file: FileHandle) => Promise<T>,
): Promise<T> {
  const file = await open(path, FLAGS[flags]);
  try {
    return await work(file);
  } finally {
    await file.close();
  }
}

/** Makes a rename last through a power cut; a file system that cannot sync folders has none to offer. */
async function syncFolder(folder: string): Promise<void> {
  try {
    await withFile(folder, 'r', (file) => file.sync());
  } catch {
    // Windows and some network file systems refuse this; the file itself is synced.
  }
}

/** SHA-256 of a stream, in hexadecimal. */
async function hashOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  const hash = createHash('sha256');
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return hash.digest('hex');
    hash.update(value);
  }
}
