import { StorageError } from '../core/errors.ts';
import {
  collect,
  type FileContent,
  type FileEntry,
  type FileStore,
  type WrittenContent,
  withFailures,
} from '../core/files.ts';

/**
 * A folder of the browser's origin-private file system: it belongs to the page's origin, stays on the machine and
 * outlives the tab. A write is made beside the old file and takes its place when it is whole, so a tab that is closed
 * leaves the old content or the new one.
 */
export class OriginFiles implements FileStore {
  readonly name: string;
  readonly #root: FileSystemDirectoryHandle;

  private constructor(root: FileSystemDirectoryHandle, name: string) {
    this.#root = root;
    this.name = name;
  }

  /**
   * Opens a folder, making it where there is none.
   * @param name of one folder below the root of the file system
   * @returns undefined where the browser has no such storage: in private windows of some, without https
   */
  static async open(name: string): Promise<OriginFiles | undefined> {
    try {
      const root = await navigator.storage.getDirectory();
      return new OriginFiles(await root.getDirectoryHandle(name, { create: true }), name);
    } catch {
      return undefined;
    }
  }

  async list(path: string): Promise<FileEntry[]> {
    const folder = await this.#folder(parts(path));
    const entries: FileEntry[] = [];
    if (!folder) return entries;
    for await (const [name, { kind }] of folder.entries())
      entries.push({ name, kind: kind === 'file' ? 'file' : 'folder' });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async read(path: string): Promise<Uint8Array> {
    try {
      const [folder, name] = await this.#place(path, false);
      const file = await (await folder.getFileHandle(name)).getFile();
      return new Uint8Array(await file.arrayBuffer());
    } catch (error) {
      throw this.#failure(path, 'read', error);
    }
  }

  async open(path: string): Promise<FileContent> {
    try {
      const [folder, name] = await this.#place(path, false);
      const file = await (await folder.getFileHandle(name)).getFile();
      return withFailures(file, (cause) => this.#failure(path, 'read', cause));
    } catch (error) {
      throw this.#failure(path, 'read', error);
    }
  }

  async write(path: string, content: WrittenContent): Promise<void> {
    await this.#put(path, collect(content), false);
  }

  async append(path: string, bytes: Uint8Array): Promise<void> {
    await this.#put(path, bytes, true);
  }

  /** Takes a file away, and the folders that are empty then. */
  async remove(path: string): Promise<void> {
    const names = parts(path);
    try {
      while (names.length > 0) {
        const folder = await this.#folder(names.slice(0, -1));
        if (!folder) return;
        await folder.removeEntry(names.pop()!);
      }
    } catch (error) {
      const kind = error instanceof DOMException ? error.name : '';
      // Not there, or a folder that still holds something.
      if (kind === 'NotFoundError' || kind === 'InvalidModificationError') return;
      throw this.#failure(path, 'removed', error);
    }
  }

  /** A file is on the disk as soon as it is closed, which every write does. */
  sync(): Promise<void> {
    return Promise.resolve();
  }

  async #put(path: string, bytes: Uint8Array, append: boolean): Promise<void> {
    try {
      const [folder, name] = await this.#place(path, true);
      const handle = await folder.getFileHandle(name, { create: true });
      const end = append ? (await handle.getFile()).size : 0;
      const file = await handle.createWritable({ keepExistingData: append });
      await file.write({ type: 'write', position: end, data: bytes as Uint8Array<ArrayBuffer> });
      await file.close();
    } catch (error) {
      throw this.#failure(path, 'written', error);
    }
  }

  async #place(path: string, create: boolean): Promise<[FileSystemDirectoryHandle, string]> {
    const names = parts(path);
    const name = names.pop() ?? '';
    let folder = this.#root;
    for (const each of names) folder = await folder.getDirectoryHandle(each, { create });
    return [folder, name];
  }

  async #folder(names: readonly string[]): Promise<FileSystemDirectoryHandle | undefined> {
    let folder = this.#root;
    try {
      for (const name of names) folder = await folder.getDirectoryHandle(name);
      return folder;
    } catch {
      return undefined;
    }
  }

  #failure(path: string, doing: string, cause: unknown): StorageError {
    const kind = cause instanceof DOMException ? cause.name : '';
    const [reason, hint] = REASONS[kind] ?? [cause instanceof Error ? cause.message : String(cause), null];
    return new StorageError(`${this.name}/${path}: cannot be ${doing} in this browser: ${reason}`, {
      ...(hint ? { hint } : {}),
      cause,
    });
  }
}

/** Why an access fails, and what to do, by the exception's name. */
const REASONS: Readonly<Record<string, readonly [string, string]>> = {
  NotFoundError: ['no such file', 'It was removed, in another tab or with the browser’s data.'],
  QuotaExceededError: [
    'its storage is full',
    'Free some disk space, or remove data of sites in the settings.',
  ],
  NoModificationAllowedError: ['it is in use', 'Close the app’s other tabs.'],
};

function parts(path: string): string[] {
  return path.split('/').filter((part) => part !== '' && part !== '.');
}
