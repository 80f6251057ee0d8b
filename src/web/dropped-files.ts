import { StorageError } from '../core/errors.ts';
import {
  type FileContent,
  type FileEntry,
  type FileSource,
  MemoryFiles,
  withFailures,
} from '../core/files.ts';
import type { DroppedFile } from './protocol.ts';

/** Files that were dropped into the page, as a tree. Their bytes are read when they are asked for. */
export class DroppedFiles implements FileSource {
  readonly name: string = 'the dropped files';
  readonly files: ReadonlyMap<string, Blob>;
  readonly #names: MemoryFiles = new MemoryFiles();

  constructor(files: readonly DroppedFile[] | ReadonlyMap<string, Blob>) {
    this.files =
      files instanceof Map
        ? files
        : new Map((files as readonly DroppedFile[]).map(({ path, file }) => [path, file]));
    for (const path of this.files.keys()) this.#names.files.set(path, new Uint8Array());
  }

  list(path: string): Promise<FileEntry[]> {
    return this.#names.list(path);
  }

  async read(path: string): Promise<Uint8Array> {
    const file = this.#file(path);
    try {
      return new Uint8Array(await file.arrayBuffer());
    } catch (cause) {
      throw unreadable(path, cause);
    }
  }

  async open(path: string): Promise<FileContent> {
    return await Promise.resolve(withFailures(this.#file(path), (cause) => unreadable(path, cause)));
  }

  #file(path: string): Blob {
    const file = this.files.get(path);
    if (!file) throw new StorageError(`${path}: there is no such file`);
    return file;
  }
}

function unreadable(path: string, cause: unknown): StorageError {
  return new StorageError(`${path}: the browser can no longer read it`, {
    hint: 'The file was moved or changed on the disk: drop it again.',
    cause,
  });
}
