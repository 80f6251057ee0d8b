import { StorageError } from './errors.ts';
import type { ByteStream } from './globals.ts';

/** One entry of a folder. */
export interface FileEntry {
  readonly name: string;
  /** `broken`: a link that leads nowhere. */
  readonly kind: 'file' | 'folder' | 'broken';
}

/** The content of a file, to be read piece by piece, from the start each time; a Blob is one. */
export interface FileContent {
  /** Bytes. */
  readonly size: number;
  /** Of `Uint8Array`; rejects with a StorageError if the file can no longer be read. */
  stream(): ByteStream;
  /** The content of a gzip file inflated, where the platform has a better way than its DecompressionStream. */
  inflated?(): ByteStream;
  /** SHA-256 in hexadecimal, where the platform can take it piece by piece. @throws StorageError */
  sha256?(): Promise<string>;
}

/** Bytes in memory as content. */
export function contentOf(bytes: Uint8Array): FileContent {
  return {
    size: bytes.length,
    stream() {
      let at = 0;
      return new ReadableStream<Uint8Array>({
        pull(controller): void {
          if (at >= bytes.length) {
            controller.close();
            return;
          }
          const end = Math.min(at + 65_536, bytes.length);
          controller.enqueue(bytes.subarray(at, end));
          at = end;
        },
      });
    },
  };
}

/** Content whose stream fails with another error than its own: a Blob's exceptions as errors that name the file. */
export function withFailures(content: FileContent, explain: (cause: unknown) => Error): FileContent {
  return {
    size: content.size,
    stream() {
      let reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
      return new ReadableStream<Uint8Array>({
        async pull(controller): Promise<void> {
          try {
            reader ??= content.stream().getReader();
            const { done, value } = await reader.read();
            if (done) controller.close();
            else controller.enqueue(value);
          } catch (error) {
            controller.error(explain(error));
          }
        },
        async cancel(reason): Promise<void> {
          await reader?.cancel(reason);
        },
      });
    },
  };
}

/** What is written into a file: its bytes, or pieces of them that are made as they are needed. */
export type WrittenContent = Uint8Array | Iterable<Uint8Array>;

/** All pieces in one array. */
export function collect(content: WrittenContent): Uint8Array {
  if (content instanceof Uint8Array) return content;
  const pieces = [...content];
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
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
  /** Content that is read as it is needed. @throws StorageError where there is no such file. */
  open(path: string): Promise<FileContent>;
}

/** A tree of files to write. Folders are made as needed; a write replaces the whole file at once. */
export interface FileSink {
  readonly name: string;
  /**
   * Pieces that fail to be made leave what was there.
   * @throws StorageError where it cannot be written, and what the making of a piece throws.
   */
  write(path: string, content: WrittenContent): Promise<void>;
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
  async open(path: string): Promise<FileContent> {
    return contentOf(await this.read(path));
  }
  write(path: string, content: WrittenContent): Promise<void> {
    this.files.set(path, collect(content));
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
