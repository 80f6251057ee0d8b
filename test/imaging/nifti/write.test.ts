import { gunzipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { GridMismatchError, UsageError } from '../../../src/core/errors.ts';
import { collect } from '../../../src/core/files.ts';
import { VERSION } from '../../../src/core/version.ts';
import { ESTIMATE_INTENT, LABEL_INTENT } from '../../../src/imaging/nifti/encode.ts';
import { isGzip, parseHeader } from '../../../src/imaging/nifti/header.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { type PlaneVolume, writeNifti, writeNiftiPlanes } from '../../../src/imaging/nifti/write.ts';
import { axisAlignedGrid, gridFromAffine, sameGrid } from '../../../src/imaging/volume/volume.ts';
import { rawNifti } from './make.ts';

const grid = axisAlignedGrid([2, 3, 2], [1, 2, 3], [-10, 20, -30]);
const volume = { grid, data: Float32Array.from({ length: 12 }, (_, i) => i / 4 - 1) };
const mask = { grid, data: Uint8Array.from({ length: 12 }, (_, i) => i % 2) };

describe('a header made from the grid', () => {
  it.each([1, 2] as const)('version %i comes back as it went', async (version) => {
    const image = await readNifti(writeNifti(volume, { datatype: 'float32', version }), 'x');
    expect(image.header.version).toBe(version);
    expect([...image.volume.data]).toEqual([...volume.data]);
    expect([...image.volume.grid.affine]).toEqual([...grid.affine]);
    expect([image.header.qformCode, image.header.sformCode]).toEqual([1, 1]);
    expect(image.header.description).toBe(`voxelgrad ${VERSION}`);
  });

  it('writes a qform that says the same as the sform', async () => {
    for (const [sx, sy, sz] of [
      [1, 1, 1],
      [-1, 1, 1],
      [1, -1, 1],
      [-1, -1, -1],
    ] as const) {
      const [c, s] = [Math.cos(0.4), Math.sin(0.4)];
      const affine = new Float64Array(16);
      affine.set([2 * c * sx, 2 * s * sx, 0, 0, -3 * s * sy, 3 * c * sy, 0, 0, 0, 0, 4 * sz, 0, 5, 6, 7, 1]);
      const oblique = gridFromAffine([2, 3, 2], affine);
      const bytes = writeNifti({ grid: oblique, data: volume.data }, { datatype: 'float32', gzip: false });
      new DataView(bytes.buffer).setInt16(254, 0, true);
      const { header } = await readNifti(bytes, 'x');
      expect(header.affineSource).toBe('qform');
      expect(sameGrid(header.grid, oblique, 1e-5)).toBe(true);
    }
  });

  it('leaves the qform out where the axes are not at right angles', async () => {
    const affine = new Float64Array([1, 0, 0, 0, 0.3, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1]);
    const sheared = gridFromAffine([2, 3, 2], affine);
    const { header } = await readNifti(
      writeNifti({ grid: sheared, data: volume.data }, { datatype: 'float32' }),
      'x',
    );
    expect([header.qformCode, header.sformCode]).toEqual([0, 1]);
    expect(sameGrid(header.grid, sheared, 1e-5)).toBe(true);
  });
});

describe('like another image', () => {
  /** LAS with qform 1 and sform 0 but rows that are not zero, as real data has it. */
  const las = {
    dims: [4, 2, 3, 2, 1, 1, 1, 1],
    datatype: 'int16',
    slope: 0.1,
    intercept: 3,
    qform: 1,
    quaternion: [0, 1, 0],
    offset: [90.1, -126.2, -72.3],
    srow: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    pixdim: [-1, 1.1, 1.2, 1.3, 2.5, 1, 1, 1],
    units: 2,
  } as const;

  it.each([
    [1, [4, 14, 32, 228], [252]],
    [2, [320], [344]],
  ] as const)(
    'NIfTI-%i: what may name a patient in the source is not passed on',
    async (version, starts, ends) => {
      const source = rawNifti({ ...las, version, littleEndian: true }).slice();
      const secret = new TextEncoder().encode('DOE^JOHN');
      for (const start of starts) source.set(secret.subarray(0, 4), start);
      source.set(secret.subarray(0, 4), ends[0] - 4);
      const { header, volume: image } = await readNifti(source, 'x');
      const out = writeNifti(
        { grid: image.grid, data: mask.data },
        {
          datatype: 'uint8',
          like: header,
          gzip: false,
          intent: LABEL_INTENT,
          calMax: 1,
          description: 'mask',
        },
      );
      expect(new TextDecoder('latin1').decode(source)).toContain('DOE^');
      expect(new TextDecoder('latin1').decode(out)).not.toContain('DOE^');
    },
  );

  it.each([
    [1, true],
    [1, false],
    [2, true],
    [2, false],
  ] as const)('NIfTI-%i, little-endian %s: every spatial byte survives', async (version, littleEndian) => {
    const source = rawNifti({ ...las, version, littleEndian });
    const { header, volume: image } = await readNifti(source, 'x');
    const out = writeNifti(
      { grid: image.grid, data: mask.data },
      { datatype: 'uint8', like: header, gzip: false, intent: LABEL_INTENT, calMax: 1, description: 'mask' },
    );
    const spans =
      version === 1
        ? [
            [0, 4],
            [76, 108],
            [123, 124],
            [252, 328],
          ]
        : [
            [0, 12],
            [104, 168],
            [344, 496],
            [500, 504],
          ];
    for (const [from, to] of spans)
      expect(out.slice(from, to), `bytes ${from} to ${to}`).toEqual(source.slice(from, to));
    const back = await readNifti(out, 'y');
    expect([back.header.qformCode, back.header.sformCode]).toEqual([1, 0]);
    expect([...back.volume.grid.affine]).toEqual([...image.grid.affine]);
    expect([...back.volume.data]).toEqual([...mask.data]);
    expect([back.header.slope, back.header.intercept, back.header.description]).toEqual([
      1,
      0,
      `voxelgrad ${VERSION}: mask`,
    ]);
    const probability = writeNifti(
      { grid: image.grid, data: volume.data },
      { datatype: 'float32', like: header, intent: ESTIMATE_INTENT },
    );
    expect([...(await readNifti(probability, 'z')).volume.data]).toEqual([...volume.data]);
  });

  it('refuses a volume on another grid', async () => {
    const { header } = await readNifti(rawNifti(las), 'x');
    expect(() => writeNifti(volume, { datatype: 'float32', like: header })).toThrow(GridMismatchError);
  });
});

describe('values', () => {
  it.each(['uint8', 'int8', 'int16', 'uint16', 'int32', 'uint32', 'float32', 'float64'] as const)(
    '%s',
    async (datatype) => {
      const whole = { grid, data: Float32Array.from({ length: 12 }, (_, i) => i) };
      const { header, volume: back } = await readNifti(writeNifti(whole, { datatype }), 'x');
      expect(header.datatype).toBe(datatype);
      expect([...back.data]).toEqual([...whole.data]);
    },
  );
  it('are never clipped or rounded silently', () => {
    const bad = (value: number) => ({ grid, data: Float32Array.from({ length: 12 }, () => value) });
    for (const value of [-1, 256, 0.5, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => writeNifti(bad(value), { datatype: 'uint8' }), `${value}`).toThrow(UsageError);
    expect(() => writeNifti(bad(1), { datatype: 'uint8', slope: 0 })).toThrow(UsageError);
  });
  it('are rounded to the slope where one is given', async () => {
    const maps = { grid, data: Float32Array.from({ length: 12 }, (_, i) => i / 11) };
    const { volume: back } = await readNifti(writeNifti(maps, { datatype: 'uint8', slope: 1 / 255 }), 'x');
    back.data.forEach((v, i) => {
      expect(Math.abs(v - i / 11)).toBeLessThan(0.5 / 255 + 1e-6);
    });
  });
});

describe('bytes', () => {
  it('are compressed unless told not to, and the same each time', () => {
    const a = writeNifti(mask, { datatype: 'uint8' });
    expect(isGzip(a)).toBe(true);
    expect(writeNifti(mask, { datatype: 'uint8' })).toEqual(a);
    expect(isGzip(writeNifti(mask, { datatype: 'uint8', gzip: false }))).toBe(false);
  });
  it('cut a long description at a character', async () => {
    const { header } = await readNifti(
      writeNifti(mask, {
        datatype: 'uint8',
        description: 'é'.repeat(60),
        intent: { code: 0, name: 'n'.repeat(40) },
      }),
      'x',
    );
    const text = new TextDecoder('utf-8', { fatal: true }).decode(header.bytes.slice(148, 148 + 79));
    expect(text.replace(/\0+$/, '')).toMatch(/^voxelgrad [\d.]+: é{28,31}$/);
    expect(header.bytes[148 + 79]).toBe(0);
  });
  it.each([1, 2] as const)('clear what NIfTI-%i has room for a patient in', async (version) => {
    const source = rawNifti({ version });
    const name = new TextEncoder().encode('DOE^JANE 1970-01-01');
    const fields = version === 1 ? [4, 14, 148, 228, 328] : [240, 320, 508];
    for (const at of fields) source.set(name.subarray(0, at === 4 ? 10 : 15), at);
    expect(new TextDecoder('latin1').decode(source)).toContain('DOE^JANE');
    const { header, volume: image } = await readNifti(source, 'x');
    const out = writeNifti(image, { datatype: 'float32', like: header, gzip: false });
    expect(new TextDecoder('latin1').decode(out)).not.toMatch(/DOE|JANE/);
    expect((await readNifti(out, 'y')).header.description).toBe(`voxelgrad ${VERSION}`);
  });
});

describe('plane by plane', () => {
  const planes = (data: Float32Array | Uint8Array): PlaneVolume => ({
    grid,
    plane: (z, target) => target.set(data.subarray(z * 6, (z + 1) * 6)),
  });
  it.each([
    ['float32', {}],
    ['uint8', { slope: 1 / 255, calMax: 1 }],
    ['int16', { slope: 0.25, version: 2 }],
  ] as const)('%s holds what a whole file holds', (datatype, options) => {
    const data = volume.data.map((v) => Math.min(1, Math.abs(v)));
    const whole = writeNifti({ grid, data }, { datatype, ...options, gzip: false });
    const pieces = [...writeNiftiPlanes(planes(data), { datatype, ...options, gzip: false })];
    expect(pieces).toHaveLength(3);
    expect(collect(pieces)).toEqual(whole);
    const packed = collect(writeNiftiPlanes(planes(data), { datatype, ...options }));
    expect(gunzipSync(packed)).toEqual(whole);
    expect(collect(writeNiftiPlanes(planes(data), { datatype, ...options }))).toEqual(packed);
  });
  it('keeps the byte order of the image that it is like', () => {
    const like = parseHeader(rawNifti({ littleEndian: false }), 'x');
    const data = { grid: like.grid, plane: planes(volume.data).plane };
    const whole = writeNifti(
      { grid: like.grid, data: volume.data },
      { datatype: 'float32', like, gzip: false },
    );
    expect(collect(writeNiftiPlanes(data, { datatype: 'float32', like, gzip: false }))).toEqual(whole);
  });
  it('names the voxel that does not fit by its place in the volume', () => {
    const data = new Float32Array(12);
    data[8] = 300;
    expect(() => collect(writeNiftiPlanes(planes(data), { datatype: 'uint8' }))).toThrow(
      'voxel 8 has the value 300, which uint8 cannot hold',
    );
    const other = axisAlignedGrid([2, 3, 2], [1, 2, 4]);
    const like = parseHeader(rawNifti(), 'x');
    expect(() =>
      collect(writeNiftiPlanes({ ...planes(data), grid: other }, { datatype: 'uint8', like })),
    ).toThrow(GridMismatchError);
  });
});
