import type { FileContent, FileEntry, FileStore, WrittenContent } from './files.ts';

/** A folder that this process has taken for itself. */
export interface FolderLock {
  /** @throws FolderLostError if another process has taken it over; StorageError if it was removed. */
  requireHeld(): Promise<void>;
  /** Gives the folder free again; one that was lost is left to its new holder. */
  release(): Promise<void>;
}

/**
 * A tree that is changed only as long as a lock is held: the lock is looked at before every write. A process that was
 * stopped, or cut off from its file server, for so long that another one took its place thus changes nothing more.
 */
export class LockedFiles implements FileStore {
  readonly #files: FileStore;
  readonly #lock: FolderLock;

  constructor(files: FileStore, lock: FolderLock) {
    this.#files = files;
    this.#lock = lock;
  }

  get name(): string {
    return this.#files.name;
  }
  list(path: string): Promise<FileEntry[]> {
    return this.#files.list(path);
  }
  read(path: string): Promise<Uint8Array> {
    return this.#files.read(path);
  }
  open(path: string): Promise<FileContent> {
    return this.#files.open(path);
  }
  async write(path: string, content: WrittenContent): Promise<void> {
    await this.#lock.requireHeld();
    await this.#files.write(path, content);
  }
  async append(path: string, bytes: Uint8Array): Promise<void> {
    await this.#lock.requireHeld();
    await this.#files.append(path, bytes);
  }
  async remove(path: string): Promise<void> {
    await this.#lock.requireHeld();
    await this.#files.remove(path);
  }
  async sync(path: string): Promise<void> {
    await this.#lock.requireHeld();
    await this.#files.sync(path);
  }
}
