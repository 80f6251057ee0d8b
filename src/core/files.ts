import { StorageError } from './errors.ts';

/** One entry of a folder. */
export interface FileEntry {
  readonly name: string;
  readonly kind: 'file' | 'folder';
}

/**
 * A tree of files to read, with `/`-separated paths relative to its root. Node's folders, a browser's
 * dropped folder and a test's in-memory tree all look like this, so readers stay browser-safe.
 */
export interface FileSource {
  /** How messages name the tree: a folder path or a label. */
  readonly name: string;
  /** Entries of a folder sorted by name; an empty list where there is no such folder. */
  list(path: string): Promise<FileEntry[]>;
  /** Whole content. @throws StorageError where it cannot be read. */
  read(path: string): Promise<Uint8Array>;
}

/** A tree of files to write. Folders are made as needed; a write replaces the whole file at once. */
export interface FileSink {
  readonly name: string;
  /** @throws StorageError where it cannot be written. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Adds to the end of a file, making it where there is none: for logs. @throws StorageError */
  append(path: string, bytes: Uint8Array): Promise<void>;
}

/** A tree that is read, written and tidied: the folder of a run. */
export interface FileStore extends FileSource, FileSink {
  /** Takes a file away; one that is not there is no error. @throws StorageError where it cannot be. */
  remove(path: string): Promise<void>;
  /** Makes what was appended to a file outlast a power cut. @throws StorageError */
  sync(path: string): Promise<void>;
}

/** A tree that lives in memory: for tests, and for handing results on without a disk. */
export class MemoryFiles implements FileStore {
  readonly name: string;
  readonly files: Map<string, Uint8Array> = new Map();
  constructor(name = 'memory') {
    this.name = name;
  }
  list(path: string): Promise<FileEntry[]> {
    const prefix = path === '' || path === '.' ? '' : `${path}/`;
    const seen = new Map<string, FileEntry>();
    for (const key of this.files.keys()) {
      if (!key.startsWith(prefix)) continue;
      const [head, ...rest] = key.slice(prefix.length).split('/');
      if (head) seen.set(head, { name: head, kind: rest.length > 0 ? 'folder' : 'file' });
    }
    return Promise.resolve([...seen.values()].sort((a, b) => (a.name < b.name ? -1 : 1)));
  }
  read(path: string): Promise<Uint8Array> {
    const bytes = this.files.get(path);
    return bytes
      ? Promise.resolve(bytes)
      : Promise.reject(new StorageError(`${this.name}/${path}: no such file`));
  }
  write(path: string, bytes: Uint8Array): Promise<void> {
    this.files.set(path, bytes);
    return Promise.resolve();
  }
  remove(path: string): Promise<void> {
    this.files.delete(path);
    return Promise.resolve();
  }
  sync(): Promise<void> {
    return Promise.resolve();
  }
  append(path: string, bytes: Uint8Array): Promise<void> {
    const old = this.files.get(path) ?? new Uint8Array(0);
    const joined = new Uint8Array(old.length + bytes.length);
    joined.set(old);
    joined.set(bytes, old.length);
    return this.write(path, joined);
  }
}
