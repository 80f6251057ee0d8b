import type { FileContent, FileEntry, FileStore, WrittenContent } from './files.ts';

/** One folder of a tree as a tree of its own. */
export class Subfolder implements FileStore {
  readonly name: string;
  readonly #files: FileStore;
  readonly #prefix: string;

  /**
   * @param folder path of the folder in `files`
   * @param name how messages call it; its path where left out
   */
  constructor(files: FileStore, folder: string, name: string = `${files.name}/${folder}`) {
    this.name = name;
    this.#files = files;
    this.#prefix = folder;
  }

  list(path: string): Promise<FileEntry[]> {
    return this.#files.list(path === '' || path === '.' ? this.#prefix : this.#at(path));
  }
  read(path: string): Promise<Uint8Array> {
    return this.#files.read(this.#at(path));
  }
  open(path: string): Promise<FileContent> {
    return this.#files.open(this.#at(path));
  }
  write(path: string, content: WrittenContent): Promise<void> {
    return this.#files.write(this.#at(path), content);
  }
  append(path: string, bytes: Uint8Array): Promise<void> {
    return this.#files.append(this.#at(path), bytes);
  }
  remove(path: string): Promise<void> {
    return this.#files.remove(this.#at(path));
  }
  sync(path: string): Promise<void> {
    return this.#files.sync(this.#at(path));
  }

  /** Takes every file of the folder away. @throws StorageError */
  async clear(path = ''): Promise<void> {
    for (const { name, kind } of await this.list(path)) {
      const inside = path === '' ? name : `${path}/${name}`;
      if (kind === 'file') await this.remove(inside);
      else await this.clear(inside);
    }
  }

  #at(path: string): string {
    return `${this.#prefix}/${path}`;
  }
}
