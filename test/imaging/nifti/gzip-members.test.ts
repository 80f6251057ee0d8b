import { gzipSync as nodeGzip } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { contentOf } from '../../../src/core/files.ts';
import { inflated } from '../../../src/imaging/nifti/byte-reader.ts';
import { inflateMembers } from '../../../src/imaging/nifti/gzip-members.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { rawNifti } from './make.ts';

const data = Uint8Array.from({ length: 300_000 }, (_, i) => (i * i * 7) >> 3);
const gzip = (bytes: Uint8Array): Uint8Array => new Uint8Array(nodeGzip(bytes));
const joined = (...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> => {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};
/** The file in three members, as bgzip and pigz write it. */
const members = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => {
  const [a, b] = [Math.floor(bytes.length / 3), Math.floor(bytes.length / 2)];
  return joined(gzip(bytes.subarray(0, a)), gzip(bytes.subarray(a, b)), gzip(bytes.subarray(b)));
};
async function all(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of stream) parts.push(part);
  return joined(...parts);
}
const stream = (bytes: Uint8Array, piece = 1000): ReadableStream<Uint8Array<ArrayBuffer>> => {
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at < bytes.length) controller.enqueue(new Uint8Array(bytes.subarray(at, at + piece)));
      else controller.close();
      at += piece;
    },
  });
};

describe('inflateMembers', () => {
  it.each([1, 7, 1000, 1e6])('reads all members, given %i bytes at a time', async (piece) => {
    const some = data.subarray(0, piece < 10 ? 3000 : data.length);
    for (const packed of [gzip(some), members(some), members(new Uint8Array(3))]) {
      const whole = await all(inflateMembers(stream(packed, piece)));
      const expected = packed.length < 100 ? new Uint8Array(3) : some;
      expect(Buffer.compare(whole, expected)).toBe(0);
    }
  });

  it('finds every member that is truncated or of which a byte changed', async () => {
    const packed = members(data.subarray(0, 3000));
    for (let at = 10; at < packed.length; at += 17) {
      const changed = packed.slice();
      changed[at]! ^= 0x40;
      // A changed byte of a header's time or system says nothing about the data.
      const read = await all(inflateMembers(stream(changed))).catch(() => undefined);
      if (read) expect(Buffer.compare(read, data.subarray(0, 3000)), `byte ${at}`).toBe(0);
    }
    for (const end of [packed.length - 1, packed.length - 9, packed.length - 100])
      await expect(all(inflateMembers(stream(packed.subarray(0, end)))), `to ${end}`).rejects.toThrow();
  });
});

describe('inflated', () => {
  afterEach(() => vi.unstubAllGlobals());

  it('goes on where the platform stops after the first member, as browsers do', async () => {
    const first = gzip(data.subarray(0, 100_000));
    const packed = joined(first, gzip(data.subarray(100_000)));
    // What Chromium's does: the data of the first member, and then an error.
    class OneMember {
      readonly readable: ReadableStream<Uint8Array>;
      readonly writable: WritableStream<Uint8Array>;
      constructor() {
        const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>({
          async transform(_, controller) {
            if (given++ > 0) return;
            for await (const piece of inflateMembers(stream(first))) controller.enqueue(piece);
          },
          flush() {
            throw new TypeError('Junk found after end of compressed data.');
          },
        });
        [this.readable, this.writable] = [readable, writable];
      }
    }
    let given = 0;
    vi.stubGlobal('DecompressionStream', OneMember);
    expect(Buffer.compare(await all(inflated(contentOf(packed))), data)).toBe(0);
    given = 0;
    const damaged = packed.slice(0, -20);
    await expect(all(inflated(contentOf(damaged)))).rejects.toThrow('Junk found');
  });

  it('makes an image of several members one', async () => {
    const raw = rawNifti();
    const image = await readNifti(members(raw), 'x.nii.gz');
    expect(image.volume.data).toEqual((await readNifti(raw, 'x.nii')).volume.data);
  });
});
