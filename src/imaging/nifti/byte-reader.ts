import type { FileContent } from '../../core/files.ts';
import type { ByteStream } from '../../core/globals.ts';
import { inflateMembers } from './gzip-members.ts';
import { isGzip } from './header.ts';

/**
 * Pulls bytes out of a stream as they are asked for, so that a reader can stop as soon as it has seen enough: a
 * decompression bomb costs one chunk.
 */
export class ByteReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
  }

  /** Makes sure that a chunk is at hand; false at the end of the stream. @throws the stream's error. */
  async #more(): Promise<boolean> {
    while (this.#chunk.length === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return false;
      this.#chunk = value;
    }
    return true;
  }

  /** Fills `target` as far as the stream goes; returns the number of bytes. */
  async read(target: Uint8Array): Promise<number> {
    let filled = 0;
    while (filled < target.length && (await this.#more())) {
      const piece = this.#chunk.subarray(0, target.length - filled);
      target.set(piece, filled);
      filled += piece.length;
      this.#chunk = this.#chunk.subarray(piece.length);
    }
    return filled;
  }

  /** Drops up to `count` bytes; returns how many there were. */
  async skip(count: number): Promise<number> {
    let dropped = 0;
    while (dropped < count && (await this.#more())) {
      const n = Math.min(this.#chunk.length, count - dropped);
      dropped += n;
      this.#chunk = this.#chunk.subarray(n);
    }
    return dropped;
  }

  /** Whether the stream is over; a gzip stream's checksum is verified then. */
  async atEnd(): Promise<boolean> {
    return !(await this.#more());
  }

  /** Gives the stream up. */
  async cancel(): Promise<void> {
    this.#chunk = new Uint8Array(0);
    await this.#reader.cancel().catch(() => undefined);
  }
}

/** Whether content starts with gzip's magic number; names are not trusted. */
export async function startsAsGzip(content: FileContent): Promise<boolean> {
  const reader = new ByteReader(content.stream());
  try {
    const first = new Uint8Array(2);
    await reader.read(first);
    return isGzip(first);
  } finally {
    await reader.cancel();
  }
}

/** The decompressed bytes of a gzip file, of all its members. Lengths and checksums are verified when the stream ends. */
export function inflated(content: FileContent): ByteStream {
  return content.inflated?.() ?? inflatedAnywhere(content);
}

/** By the platform, and from the start by our own means if that does not get through: browsers read one member only. */
function inflatedAnywhere(content: FileContent): ByteStream {
  const gunzip = new DecompressionStream('gzip') as ReadableWritablePair<
    Uint8Array<ArrayBuffer>,
    Uint8Array<ArrayBuffer>
  >;
  let reader = content.stream().pipeThrough(gunzip).getReader();
  let given = 0;
  let failure: unknown;
  const next = async (): Promise<ReadableStreamReadResult<Uint8Array<ArrayBuffer>>> => {
    try {
      return await reader.read();
    } catch (error) {
      // The second time, what the platform said is what counts.
      if (failure !== undefined) throw failure;
      failure = error;
    }
    reader = inflateMembers(content.stream()).getReader();
    for (let skipped = 0; skipped < given; ) {
      const { done, value } = await next();
      if (done) throw failure;
      skipped += value.length;
      if (skipped > given) return { done: false, value: value.slice(value.length - (skipped - given)) };
    }
    return await next();
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller): Promise<void> {
        const { done, value } = await next();
        if (done) {
          controller.close();
          return;
        }
        given += value.length;
        controller.enqueue(value);
      },
      async cancel(reason): Promise<void> {
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
