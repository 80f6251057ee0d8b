import fc from 'fast-check';
import { gzipSync } from 'fflate';
import { expect, it } from 'vitest';
import { VoxelgradError } from '../../../src/core/errors.ts';
import { contentOf } from '../../../src/core/files.ts';
import type { NiftiSource } from '../../../src/imaging/nifti/body.ts';
import type { NiftiDatatype } from '../../../src/imaging/nifti/datatype.ts';
import { type NiftiImage, readNifti } from '../../../src/imaging/nifti/read.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { rawNifti } from './make.ts';

const file = fc
  .record({
    version: fc.constantFrom(1 as const, 2 as const),
    littleEndian: fc.boolean(),
    datatype: fc.constantFrom<NiftiDatatype>('uint8', 'int16', 'uint32', 'int64', 'float32', 'float64'),
    qform: fc.constantFrom(0, 1),
    sform: fc.constantFrom(0, 1),
  })
  .map((raw) => rawNifti({ ...raw, srow: [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0] }));
const changes = fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 });
const cut = fc.option(fc.nat());

function mutate(
  bytes: Uint8Array,
  edits: readonly (readonly [number, number])[],
  end: number | null,
): Uint8Array {
  const out = bytes.slice();
  for (const [at, value] of edits) out[at % out.length] = value;
  return end === null ? out : out.subarray(0, end % (out.length + 1));
}

/** What comes of a source: its voxels, or the error's message. */
async function outcome(source: NiftiSource): Promise<string> {
  return await readNifti(source, 'x').then(
    ({ volume }) => [...volume.data].join(),
    (error: Error) => error.message,
  );
}

/** The image, or nothing where it was refused; anything but our own error fails the test. */
async function attempt(bytes: Uint8Array): Promise<NiftiImage | undefined> {
  const start = performance.now();
  const image = await readNifti(bytes, 'x').catch((error: unknown) => {
    if (!(error instanceof VoxelgradError)) throw error;
    expect(error.message).toMatch(/^x: /);
    return undefined;
  });
  expect(performance.now() - start).toBeLessThan(2000);
  return image;
}

function check(image: NiftiImage | undefined, length: number): void {
  if (!image) return;
  const { grid, data } = image.volume;
  expect(data.length).toBe(grid.shape[0] * grid.shape[1] * grid.shape[2]);
  expect(data.length).toBeLessThanOrEqual(1032 * length);
  expect(data.every(Number.isFinite)).toBe(true);
  expect(grid.affine.every(Number.isFinite)).toBe(true);
  // What was read can be written on its own grid.
  writeNifti(image.volume, { datatype: 'float32', like: image.header, gzip: false });
}

it('mutated headers and bodies end in an image or in our own error', async () => {
  let read = 0;
  await fc.assert(
    fc.asyncProperty(file, changes, cut, fc.boolean(), async (original, edits, end, compress) => {
      const bytes = mutate(original, edits, end);
      const given = compress ? gzipSync(bytes, { level: 1, mtime: 0 }) : bytes;
      const image = await attempt(given);
      check(image, given.length);
      if (image) read++;
    }),
    { numRuns: 2500, seed: 5 },
  );
  // The mutations must not be so wild that only errors are tested.
  expect(read).toBeGreaterThan(200);
});

it('mutated header fields, each set to an extreme', async () => {
  const extreme = fc.constantFrom(0, 1, 2, 127, 128, 255);
  await fc.assert(
    fc.asyncProperty(
      file,
      fc.nat(351),
      fc.array(extreme, { minLength: 1, maxLength: 8 }),
      fc.boolean(),
      async (original, at, values, compress) => {
        const bytes = original.slice();
        bytes.set(values.slice(0, bytes.length - at), at);
        const given = compress ? gzipSync(bytes, { level: 1, mtime: 0 }) : bytes;
        check(await attempt(given), given.length);
      },
    ),
    { numRuns: 2500, seed: 6 },
  );
});

it('mutated gzip streams end in the same image or in our own error', async () => {
  await fc.assert(
    fc.asyncProperty(file, changes, cut, async (original, edits, end) => {
      const whole = gzipSync(original, { mtime: 0 });
      const given = mutate(whole, edits, end);
      const image = await attempt(given);
      check(image, given.length);
      // The checksum lets no other voxels through; gzip's own header (10 bytes) may differ.
      if (image) expect(image.volume.data).toEqual((await readNifti(original, 'y')).volume.data);
    }),
    { numRuns: 1500, seed: 7 },
  );
});

it('content that is streamed, and a Blob, end as the bytes themselves do', async () => {
  await fc.assert(
    fc.asyncProperty(file, changes, cut, fc.boolean(), async (original, edits, end, compress) => {
      const whole = compress ? gzipSync(original, { level: 1, mtime: 0 }) : original;
      const given = mutate(whole, edits, end);
      const wanted = await outcome(given);
      expect(await outcome(contentOf(given))).toBe(wanted);
      expect(await outcome(new Blob([given as Uint8Array<ArrayBuffer>]))).toBe(wanted);
    }),
    { numRuns: 500, seed: 9 },
  );
});

it('random bytes are refused', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 700 }), fc.boolean(), async (bytes, magic) => {
      if (magic) bytes.set([0x1f, 0x8b, 8].slice(0, bytes.length));
      expect(await attempt(bytes)).toBeUndefined();
    }),
    { numRuns: 500, seed: 8 },
  );
});
