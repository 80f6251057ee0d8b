/**
 * Pulls decompressed bytes out of a gzip stream as they are asked for, so that the reader can stop as soon as
 * it has seen enough: a decompression bomb costs one chunk. The platform's DecompressionStream checks lengths
 * and CRC when the stream ends.
 */
export class Inflater {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #chunk: Uint8Array = new Uint8Array(0);

  /** @param bytes the whole gzip file. */
  constructor(bytes: Uint8Array) {
    let at = 0;
    const source = new ReadableStream<Uint8Array<ArrayBuffer>>({
      pull(controller): void {
        if (at >= bytes.length) {
          controller.close();
          return;
        }
        const end = Math.min(at + 65_536, bytes.length);
        controller.enqueue(bytes.subarray(at, end) as Uint8Array<ArrayBuffer>);
        at = end;
      },
    });
    this.#reader = source.pipeThrough(new DecompressionStream('gzip')).getReader();
  }

  /** Makes sure that a chunk is at hand; false at the end of the stream. @throws the platform's error. */
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

  /** Whether the stream is over; its checksum is verified then. */
  async atEnd(): Promise<boolean> {
    return !(await this.#more());
  }

  /** Gives the stream up. */
  async cancel(): Promise<void> {
    this.#chunk = new Uint8Array(0);
    await this.#reader.cancel().catch(() => undefined);
  }
}
