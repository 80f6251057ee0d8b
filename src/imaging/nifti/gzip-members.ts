import { Gunzip } from 'fflate';
import type { ByteStream } from '../../core/globals.ts';

/** Bytes of CRC-32 and length behind each member. */
const TRAILER = 8;
/** Bytes of the input that are kept: a member's trailer may only be looked at once the next header is whole. */
const KEPT = 65_536;

const TABLE: Uint32Array = Uint32Array.from({ length: 256 }, (_, n) => {
  let c = n;
  for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
  return c;
});

/** CRC-32 (RFC 1952) of bytes that follow those whose CRC is given. */
function crc32(bytes: Uint8Array, before: number): number {
  let c = ~before;
  for (let i = 0; i < bytes.length; i++) c = TABLE[(c ^ bytes[i]!) & 0xff]! ^ (c >>> 8);
  return ~c >>> 0;
}

/**
 * Inflates gzip that may consist of several members, as bgzip, pigz and `cat a.gz b.gz` write it. Lengths and checksums
 * are verified. Slower than the platform's own, which in browsers stops after the first member.
 * @throws Error from the stream if it is truncated or corrupt.
 */
export function inflateMembers(packed: ByteStream): ByteStream {
  const reader = packed.getReader();
  const ready: Uint8Array[] = [];
  let recent: Uint8Array = new Uint8Array(0);
  let total = 0;
  let crc = 0;
  let length = 0;
  const gunzip = new Gunzip((piece) => {
    crc = crc32(piece, crc);
    length += piece.length;
    if (piece.length > 0) ready.push(piece);
  });
  /** @param end of a member, in bytes from the start of the file */
  const check = (end: number): void => {
    const at = end - TRAILER - (total - recent.length);
    if (at < 0 || at + TRAILER > recent.length) throw new Error('a member of it is truncated');
    const view = new DataView(recent.buffer, recent.byteOffset + at, TRAILER);
    if (view.getUint32(0, true) !== crc) throw new Error('its checksum is another');
    if (view.getUint32(4, true) !== length % 2 ** 32) throw new Error('its length is another');
    [crc, length] = [0, 0];
  };
  gunzip.onmember = check;
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      async pull(controller): Promise<void> {
        while (ready.length === 0) {
          const { done, value } = await reader.read();
          if (done) {
            check(total);
            controller.close();
            return;
          }
          const kept = recent.subarray(Math.max(0, recent.length - KEPT));
          recent = new Uint8Array(kept.length + value.length);
          recent.set(kept);
          recent.set(value, kept.length);
          total += value.length;
          gunzip.push(value);
        }
        controller.enqueue(new Uint8Array(ready.shift()!));
      },
      async cancel(reason): Promise<void> {
        await reader.cancel(reason);
      },
    },
    { highWaterMark: 0 },
  );
}
