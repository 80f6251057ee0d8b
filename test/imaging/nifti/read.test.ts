import { readFileSync } from 'node:fs';
import { gzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { FileFormatError } from '../../../src/core/errors.ts';
import { contentOf } from '../../../src/core/files.ts';
import type { NiftiDatatype } from '../../../src/imaging/nifti/datatype.ts';
import { readMask, readNifti, readVoxels } from '../../../src/imaging/nifti/read.ts';
import { orientationOf } from '../../../src/imaging/volume/orientation.ts';
import { copyVoxels, toFloat32 } from '../../../src/imaging/volume/voxels.ts';
import { type RawNifti, rawNifti, rawNiftiGz } from './make.ts';

const GOLDEN = new URL('../../golden/nifti/', import.meta.url);

interface Expected {
  affine: number[];
  axes: string;
  values: number[];
  qform: number;
  sform: number;
}

async function failure(bytes: Uint8Array, options = {}): Promise<FileFormatError> {
  try {
    await readNifti(bytes, 'x.nii', options);
  } catch (error) {
    expect(error).toBeInstanceOf(FileFormatError);
    return error as FileFormatError;
  }
  throw new Error('readNifti accepted the file');
}

describe('files written by nibabel', () => {
  const expected = JSON.parse(readFileSync(new URL('expected.json', GOLDEN), 'utf8')) as Record<
    string,
    Expected
  >;
  it.each(Object.entries(expected))('%s', async (name, want) => {
    const { header, volume } = await readNifti(readFileSync(new URL(`${name}.nii.gz`, GOLDEN)), name);
    expect(volume.grid.shape).toEqual([3, 4, 2]);
    expect([...volume.data]).toEqual(want.values);
    want.affine.forEach((v, i) => {
      expect(volume.grid.affine[i]).toBeCloseTo(v, 4);
    });
    expect(orientationOf(volume.grid)).toBe(want.axes);
    expect([header.qformCode, header.sformCode]).toEqual([want.qform, want.sform]);
    expect(name).toContain(`v${header.version}-${header.littleEndian ? 'le' : 'be'}-${header.datatype}`);
    expect(header.description).toBe('golden');
  });
});

describe('every data type in both byte orders and both versions', () => {
  const limits: Record<NiftiDatatype, (number | bigint)[]> = {
    uint8: [0, 1, 127, 128, 255, 2, 3, 4, 5, 6, 7, 8],
    int8: [0, 1, 127, -128, -1, 2, 3, 4, 5, 6, 7, 8],
    int16: [0, 1, 32767, -32768, -1, 256, 3, 4, 5, 6, 7, 8],
    uint16: [0, 1, 32767, 32768, 65535, 256, 3, 4, 5, 6, 7, 8],
    int32: [0, 1, 16777216, -16777216, -1, 65536, 3, 4, 5, 6, 7, 8],
    uint32: [0, 1, 2147483648, 4294967040, 65536, 2, 3, 4, 5, 6, 7, 8],
    int64: [0n, 1n, -1n, 2n ** 53n - 2n ** 30n, 5n, 2n ** 32n, 3n, 4n, 5n, 6n, 7n, 8n],
    uint64: [0n, 1n, 2n ** 33n, 7n, 5n, 2n ** 40n, 3n, 4n, 5n, 6n, 7n, 8n],
    float32: [0, 1, -1, 0.5, 1e-30, 3e38, 3, 4, 5, 6, 7, 8],
    float64: [0, 1, -1, 0.5, 2 ** -100, 2 ** 100, 3, 4, 5, 6, 7, 8],
  };
  for (const datatype of Object.keys(limits) as NiftiDatatype[]) {
    for (const littleEndian of [true, false]) {
      for (const version of [1, 2] as const) {
        it(`${datatype} ${littleEndian ? 'little' : 'big'} NIfTI-${version}`, async () => {
          const values = limits[datatype];
          for (const bytes of [
            rawNifti({ datatype, littleEndian, version, values }),
            rawNiftiGz({ datatype, littleEndian, version, values }),
          ]) {
            const { voxels } = await readVoxels(contentOf(bytes), 'x');
            expect([...toFloat32(voxels)]).toEqual(values.map((v) => Math.fround(Number(v))));
            const { volume, header } = await readNifti(bytes, 'x');
            expect(header.datatype).toBe(datatype);
            expect([...volume.data]).toEqual(values.map((v) => Math.fround(Number(v))));
          }
        });
      }
    }
  }

  it('refuses 64-bit integers that a number cannot hold', async () => {
    const values = [2n ** 53n + 1n, ...Array.from({ length: 11 }, () => 0n)];
    const error = await failure(rawNifti({ datatype: 'int64', values }));
    expect(error.message).toContain('9007199254740993');
  });

  it.each([
    [128, 'RGB24'],
    [2304, 'RGBA32'],
    [32, 'complex64'],
    [1536, 'float128'],
    [1, 'binary'],
    [77, 'code 77'],
  ])('refuses type %i', async (code, name) => {
    expect((await failure(rawNifti({ code }))).message).toContain(name);
  });

  it('refuses bits that do not fit the type', async () => {
    expect((await failure(rawNifti({ bits: 16 }))).message).toContain('16 bits a voxel, but float32 has 32');
  });
});

describe('scaling', () => {
  it('applies slope and intercept in float64', async () => {
    const { volume, header } = await readNifti(
      rawNifti({ datatype: 'uint8', slope: 0.5, intercept: -3 }),
      'x',
    );
    expect([...volume.data]).toEqual(Array.from({ length: 12 }, (_, i) => i * 0.5 - 3));
    expect([header.slope, header.intercept]).toEqual([0.5, -3]);
  });
  it.each([0, Number.NaN, Number.POSITIVE_INFINITY])('ignores slope %d', async (slope) => {
    const { volume } = await readNifti(rawNifti({ datatype: 'uint8', slope, intercept: 9 }), 'x');
    expect(volume.data[5]).toBe(5);
  });
  it('refuses an intercept that is not a number', async () => {
    expect((await failure(rawNifti({ slope: 2, intercept: Number.NaN }))).message).toContain('scl_inter NaN');
  });
});

describe('place in the world', () => {
  const srow = [-2, 0, 0, 90, 0, 2, 0, -126, 0, 0, 2, -72];
  it('takes the sform first, even where the qform has the larger code', async () => {
    const { header } = await readNifti(rawNifti({ sform: 1, qform: 4, srow, offset: [1, 2, 3] }), 'x');
    expect(header.affineSource).toBe('sform');
    expect([...header.grid.affine]).toEqual([-2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 90, -126, -72, 1]);
    expect(orientationOf(header.grid)).toBe('LAS');
  });
  it('then the qform, with qfac -1 making it left-handed', async () => {
    const pixdim = [-1, 1, 2, 3, 1, 1, 1, 1];
    // A turn by 180 degrees about y: x and z change sign, and qfac turns z back.
    const { header } = await readNifti(
      rawNifti({ qform: 1, srow, quaternion: [0, 1, 0], offset: [90, -126, -72], pixdim }),
      'x',
    );
    expect(header.affineSource).toBe('qform');
    expect([...header.grid.affine]).toEqual([-1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 90, -126, -72, 1]);
    expect(header.grid.spacing).toEqual([1, 2, 3]);
  });
  it('then the voxel sizes', async () => {
    const { header } = await readNifti(rawNifti({ srow, pixdim: [1, 1, 2, 3, 1, 1, 1, 1] }), 'x');
    expect(header.affineSource).toBe('spacing');
    expect([...header.grid.affine]).toEqual([1, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3, 0, 0, 0, 0, 1]);
  });
  it.each([
    [1, 1000],
    [2, 1],
    [0, 1],
    [3, 0.001],
    [8 | 1, 1000],
  ])('turns unit code %i into mm', async (units, factor) => {
    const { header } = await readNifti(rawNifti({ units, sform: 1, srow }), 'x');
    expect(header.grid.affine[12]).toBe(90 * factor);
    expect(header.grid.spacing[0]).toBe(2 * factor);
  });
  it.each([
    ['singular', [1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]],
    ['not finite', [Number.NaN, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0]],
    ['zero', Array.from({ length: 12 }, () => 0)],
  ])('refuses an sform that is %s', async (_, rows) => {
    expect((await failure(rawNifti({ sform: 1, srow: rows }))).message).toContain('sform');
  });
  it('refuses a qform that is not finite', async () => {
    expect((await failure(rawNifti({ qform: 1, quaternion: [Number.NaN, 0, 0] }))).message).toContain(
      'qform',
    );
  });
});

describe('dimensions', () => {
  it('accepts trailing dimensions of one', async () => {
    const { volume } = await readNifti(rawNifti({ dims: [5, 2, 3, 2, 1, 1, 1, 1] }), 'x');
    expect(volume.grid.shape).toEqual([2, 3, 2]);
  });
  it.each([
    ['2D', [2, 3, 4, 1, 1, 1, 1, 1], 'not 3D (3x4)'],
    ['one slice', [3, 3, 4, 1, 1, 1, 1, 1], 'not 3D (3x4x1)'],
    ['4D', [4, 2, 3, 2, 5, 1, 1, 1], 'is 4D (2x3x2x5)'],
    ['5D vector', [5, 2, 3, 2, 1, 3, 1, 1], 'is 5D'],
    ['no dimensions', [0, 2, 3, 2, 1, 1, 1, 1], '0 dimensions'],
    ['8 dimensions', [8, 2, 3, 2, 1, 1, 1, 1], '8 dimensions'],
    ['zero extent', [3, 2, 0, 2, 1, 1, 1, 1], '2x0x2'],
    ['negative extent', [3, 2, -3, 2, 1, 1, 1, 1], '2x-3x2'],
  ])('refuses %s', async (_, dims, message) => {
    const error = await failure(rawNifti({ dims }));
    expect(error.message).toContain(message);
    expect(error.hint).toBeTruthy();
  });
  it('counts what bytes become as floats, so that a small file cannot take all memory', async () => {
    // 700 million voxels of one byte are less than the bound as they are stored, and more as floats.
    const dims = [3, 1000, 1000, 700, 1, 1, 1, 1];
    const error = await failure(rawNifti({ dims, datatype: 'uint8' }));
    expect(error.message).toContain('which take 2800000000 bytes of memory; at most 2147483648 are allowed');
    expect(error.hint).toContain('allow more with memory');
    expect((await failure(rawNifti({ dims, datatype: 'uint8' }), { maxBytes: 3e9 })).message).toContain(
      'but holds',
    );
  });
  it('refuses huge extents without allocating them', async () => {
    const dims = [3, 32767, 32767, 32767, 1, 1, 1, 1];
    for (const bytes of [rawNifti({ dims }), rawNiftiGz({ dims })])
      expect((await failure(bytes)).message).toContain('at most 2147483648 are allowed');
    const huge = [3, 2 ** 50, 2 ** 50, 2 ** 50, 1, 1, 1, 1];
    for (const littleEndian of [true, false])
      expect((await failure(rawNifti({ version: 2, dims: huge, littleEndian }))).message).toContain(
        'promises',
      );
    const beyond = [3, -(2 ** 40), 3, 2, 1, 1, 1, 1];
    for (const littleEndian of [true, false])
      await failure(rawNifti({ version: 2, dims: beyond, littleEndian }));
  });
});

describe('files that are not what they claim to be', () => {
  it('names what is missing in a truncated .nii', async () => {
    const error = await failure(rawNifti().subarray(0, 352 + 40));
    expect(error.message).toBe(
      'x.nii: promises 2x3x2 voxels of float32, 48 bytes from byte 352, but holds 40',
    );
    expect((await failure(rawNifti().subarray(0, 200))).message).toContain('200 of 348 bytes');
    expect((await failure(new Uint8Array(0))).message).toContain('not a NIfTI file');
  });
  it('a header that promises more than there is, compressed', async () => {
    const error = await failure(rawNiftiGz({ dims: [3, 20, 30, 20, 1, 1, 1, 1] }));
    expect(error.message).toContain('promises 20x30x20 voxels of float32, 48000 bytes');
    expect(error.message).toContain('but holds 48');
  });
  it('a header that promises more than its compressed size can unpack to', async () => {
    const error = await failure(rawNiftiGz({ dims: [3, 1000, 1000, 1000, 1, 1, 1, 1] }));
    expect(error.message).toContain('promises 1000x1000x1000');
  });
  it('more data than the header promises', async () => {
    const longer = new Uint8Array(rawNifti().length + 1);
    longer.set(rawNifti());
    for (const bytes of [longer, gzipSync(longer)])
      expect((await failure(bytes)).message).toContain('more data than its header promises');
  });
  it('stops a decompression bomb as soon as the promise is passed', async () => {
    const bomb = new Uint8Array(60_000_000);
    bomb.set(rawNifti());
    const bytes = gzipSync(bomb, { level: 9 });
    expect(bytes.length).toBeLessThan(80_000);
    const start = performance.now();
    expect((await failure(bytes)).message).toContain('more data than its header promises');
    expect(performance.now() - start).toBeLessThan(100);
  });
  it('a gzip stream that breaks off', async () => {
    const bytes = rawNiftiGz({ values: Array.from({ length: 12 }, (_, i) => Math.sin(i)) });
    for (const length of [2, 12, 30, bytes.length - 20, bytes.length - 8, bytes.length - 4])
      expect((await failure(bytes.subarray(0, length))).message, `${length} bytes`).toContain('truncated');
  });
  it('a gzip stream with a wrong checksum, length or body', async () => {
    const bytes = rawNiftiGz();
    for (const at of [bytes.length - 6, bytes.length - 2, 60]) {
      const damaged = bytes.slice();
      damaged[at]! ^= 0x41;
      await failure(damaged);
    }
    const crc = bytes.slice();
    crc[crc.length - 6]! ^= 1;
    const error = await failure(crc);
    expect(error.message).toContain('gzip stream is truncated or corrupt');
    expect(error.hint).toContain('again');
  });
  it('things that are no NIfTI', async () => {
    for (const bytes of [new Uint8Array(1000), gzipSync(new Uint8Array(1000))])
      expect((await failure(bytes)).message).toContain('is not a NIfTI file');
    expect((await failure(rawNifti({ magic: 'ni1\0' }))).message).toContain('.hdr half');
    expect((await failure(rawNifti({ magic: '\0\0\0\0' }))).message).toContain('Analyze');
    expect((await failure(rawNifti({ version: 2, magic: 'n+1\0' }))).message).toContain('damaged NIfTI-2');
  });
  it.each([-1, 1, 348, 351, 352.5, 1e30, Number.NaN])('refuses voxel offset %d', async (voxelOffset) => {
    await failure(rawNifti({ voxelOffset }));
    await failure(rawNiftiGz({ voxelOffset }));
  });
  it('takes voxel offset 0 for the end of the header, and skips extensions', async () => {
    const zero = rawNifti();
    new DataView(zero.buffer).setFloat32(108, 0, true);
    expect((await readNifti(zero, 'x')).volume.data[11]).toBe(11);
    for (const bytes of [rawNifti({ voxelOffset: 400 }), rawNiftiGz({ voxelOffset: 400 })]) {
      const { volume, header } = await readNifti(bytes, 'x');
      expect(header.voxelOffset).toBe(400);
      expect(volume.data[11]).toBe(11);
    }
  });
});

describe('voxels that are not finite', () => {
  const values = [Number.NaN, Number.NaN, Number.POSITIVE_INFINITY, 1, 2, 3, 4, 5, 6, 7, 8, 9];
  it('are counted and refused', async () => {
    const error = await failure(rawNifti({ values }));
    expect(error.message).toBe('x.nii: has 2 NaN and 1 infinite voxels among 12');
    expect(error.hint).toContain('zero');
  });
  it('count after scaling and rounding to float32 too', async () => {
    const error = await failure(
      rawNifti({ datatype: 'float64', values: values.map((v) => (Number.isFinite(v) ? v : 1e300)) }),
    );
    expect(error.message).toContain('0 NaN and 3 infinite');
  });
  it('become 0 where that is asked for, without changing the input', async () => {
    const bytes = rawNifti({ values });
    const before = bytes.slice();
    const { volume, replaced } = await readNifti(bytes, 'x', { nonFinite: 'zero' });
    expect(replaced).toBe(3);
    expect([...volume.data]).toEqual([0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(bytes).toEqual(before);
  });
});

describe('memory', () => {
  it('views a native float32 image in place', async () => {
    const bytes = rawNifti();
    const { volume } = await readNifti(bytes, 'x');
    expect(volume.data.buffer).toBe(bytes.buffer);
    const odd = new Uint8Array(bytes.length + 1);
    odd.set(bytes, 1);
    const shifted = await readNifti(odd.subarray(1), 'x');
    expect(shifted.volume.data).toEqual(volume.data);
  });
  it('inflates into one buffer of exactly the voxels', async () => {
    for (const littleEndian of [true, false]) {
      const { volume } = await readNifti(rawNiftiGz({ littleEndian }), 'x');
      expect(volume.data.buffer.byteLength).toBe(48);
    }
  });
  it('has a bound that the caller can set', async () => {
    expect((await failure(rawNiftiGz(), { maxBytes: 47 })).message).toContain('at most 47 are allowed');
  });
});

describe('voxels as they are stored', () => {
  const array = async (raw: RawNifti): Promise<string> => {
    const { voxels } = await readVoxels(contentOf(rawNiftiGz(raw)), 'x');
    return 'stored' in voxels ? voxels.stored.constructor.name : voxels.constructor.name;
  };
  it('stay so where that takes fewer bytes than float32', async () => {
    const found: Record<string, string> = {};
    for (const datatype of ['uint8', 'int8', 'uint16', 'int16', 'int32', 'float32', 'float64'] as const)
      found[datatype] = await array({ datatype, slope: 0.5, intercept: -3 });
    expect(found).toEqual({
      ...{ uint8: 'Uint8Array', int8: 'Int8Array', uint16: 'Uint16Array', int16: 'Int16Array' },
      ...{ int32: 'Float32Array', float32: 'Float32Array', float64: 'Float32Array' },
    });
  });
  it('mean what float32 voxels mean', async () => {
    for (const scale of [{}, { slope: 0.1, intercept: -7.3 }]) {
      const raw = {
        datatype: 'int16',
        values: [0, 1, 32767, -32768, -1, 256, 3, 4, 5, 6, 7, 8],
        ...scale,
      } as const;
      const { voxels } = await readVoxels(rawNifti(raw), 'x');
      const { volume } = await readNifti(rawNifti(raw), 'x');
      expect('stored' in voxels).toBe(true);
      expect(toFloat32(voxels)).toEqual(volume.data);
      const some = new Float32Array(5);
      copyVoxels(voxels, 2, 3, some, 1);
      expect([...some]).toEqual([0, ...volume.data.subarray(2, 5), 0]);
    }
  });
  it('are refused where their scale makes them infinite', async () => {
    const raw = { datatype: 'uint8', slope: 3e38, values: [0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0] } as const;
    await expect(readVoxels(rawNiftiGz(raw), 'x')).rejects.toThrow('0 NaN and 1 infinite');
  });
});

describe('masks', () => {
  it('are 1 from a half on', async () => {
    const values = [0, 0.49, 0.5, 1, 255, -1, 0, 0, 0, 0, 0, 0];
    const { volume } = await readMask(rawNifti({ values }), 'x');
    expect([...volume.data]).toEqual([0, 0, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0]);
  });
});

describe('a Node Buffer', () => {
  it('is read at its place in a shared pool, and stays as it was', async () => {
    const bytes = rawNifti({ littleEndian: false });
    const pool = new Uint8Array(bytes.length + 24).fill(0xaa);
    pool.set(bytes, 11);
    // Its own slice() is a view, not a copy.
    const view = Buffer.from(pool.buffer, 11, bytes.length);
    const before = Uint8Array.from(view);
    const want = await readNifti(bytes, 'plain');
    const got = await readNifti(view, 'view');
    expect(got.volume).toEqual(want.volume);
    expect(Uint8Array.from(view)).toEqual(before);
  });
});
