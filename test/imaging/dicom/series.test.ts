import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { chooseSeries, readSeries } from '../../../src/imaging/dicom/series.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { toWorld } from '../../../src/imaging/volume/volume.ts';
import { dcm2niix } from '../../../src/platform/dcm2niix.node.ts';
import { sharedData } from '../../data.ts';
import { type DicomImage, makeDicom } from '../../support/dicom.ts';

const shape = [16, 12, 8] as const;
const data = Uint16Array.from({ length: 16 * 12 * 8 }, (_, i) => (i * 37) % 1000);
/** Turned about z and then about x, LPS. */
const [c, s, d, t] = [Math.cos(0.2), Math.sin(0.2), Math.cos(0.3), Math.sin(0.3)];
const affine = [
  ...[0.9 * c, 0.9 * s * d, 0.9 * s * t, 0],
  ...[-1.1 * s, 1.1 * c * d, 1.1 * c * t, 0],
  ...[0, -3 * t, 3 * d, 0],
  ...[-10.25, 12.5, -20.125, 1],
];
const flair: DicomImage = { shape, affine, data, description: 't2_flair_tra', series: 3 };
const t1: DicomImage = { ...flair, description: 't1_mprage', series: 4 };

const refusal = async (files: Uint8Array[]): Promise<string | undefined> =>
  (await readSeries(dcm2niix, files))[0]!.refused;

describe('DICOM series', () => {
  it('keep every voxel and its place', async () => {
    const [series] = await readSeries(dcm2niix, makeDicom(flair).reverse());
    expect(series).toMatchObject({
      name: '3 t2_flair_tra',
      patient: 'A',
      modality: 'FLAIR',
      refused: undefined,
    });
    expect(series!.sidecar.SeriesNumber).toBe(3);
    const { volume } = await readNifti(series!.image, 'a.nii');
    // dcm2niix turns rows over; both worlds must hold the same value at the same place.
    const [nx, ny, nz] = volume.grid.shape;
    const places = new Map<string, number>();
    const key = (p: readonly number[]): string => p.map((v) => Math.round(v * 100)).join();
    for (let i = 0; i < data.length; i++) {
      const v = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
      const p = [0, 1, 2].map(
        (r) => affine[r]! * v[0]! + affine[4 + r]! * v[1]! + affine[8 + r]! * v[2]! + affine[12 + r]!,
      );
      places.set(key([-p[0]!, -p[1]!, p[2]!]), data[i]!);
    }
    let matched = 0;
    for (let z = 0, i = 0; z < nz; z++)
      for (let y = 0; y < ny; y++)
        for (let x = 0; x < nx; x++, i++)
          if (places.get(key(toWorld(volume.grid, [x, y, z]))) === volume.data[i]) matched++;
    // A place on the border between two hundredths may fall to the other.
    expect(matched).toBeGreaterThan(data.length * 0.97);
    const corner = [-10.25 - 0, 12.5, -20.125];
    const first = toWorld(volume.grid, [0, ny - 1, 0]);
    [-corner[0]!, -corner[1]!, corner[2]!].forEach((v, i) => {
      expect(Math.abs(first[i]! - v)).toBeLessThan(1e-5);
    });
  });

  it('of one patient are chosen by their names, or by number', async () => {
    const files = [...makeDicom(t1), ...makeDicom(flair)];
    const series = await readSeries(dcm2niix, files);
    expect([...chooseSeries(series)].map(([role, { number }]) => [role, number])).toEqual([
      ['FLAIR', 3],
      ['T1w', 4],
    ]);
    const twice = [...series, { ...series[0]!, number: 9, name: '9 flair again' }];
    expect(() => chooseSeries(twice)).toThrow('2 series may be the FLAIR');
    expect(chooseSeries(twice, new Map([['FLAIR', 9]])).get('FLAIR')!.number).toBe(9);
    expect(() => chooseSeries(series, new Map([['FLAIR', 77]]))).toThrow('no series 77');
    expect(() => chooseSeries(series.slice(1))).toThrow('no series is known to be a FLAIR');
  });

  it('of two patients are refused with a list', async () => {
    const series = await readSeries(dcm2niix, [...makeDicom(flair), ...makeDicom({ ...t1, patient: 'B' })]);
    expect(() => chooseSeries(series)).toThrow(/2 patients:\n.*3 t2_flair_tra.*\n.*4 t1_mprage/);
  });

  it('that are none of a head by MR say why', async () => {
    expect(await refusal(makeDicom({ ...flair, modality: 'CT' }))).toContain('CT');
    expect(await refusal(makeDicom({ ...flair, imageType: 'ORIGINAL\\PRIMARY\\LOCALIZER' }))).toContain(
      'localiser',
    );
    expect(await refusal(makeDicom(flair).slice(0, 3))).toContain('3 slices');
    expect(await refusal(makeDicom(flair).filter((_, i) => i !== 4))).toContain('missing');
    await expect(readSeries(dcm2niix, [new Uint8Array(500)])).rejects.toThrow('no image of 1 files');
  });

  it('with a tilted gantry are refused', async () => {
    const tilted = [0.9, 0, 0, 0, 0, 0.9 * c, 0.9 * s, 0, 0, 0, 3, 0, 0, 0, 0, 1];
    expect(await refusal(makeDicom({ ...flair, affine: tilted, tilt: 11.459 }))).toContain('gantry tilt');
  });
});

const root = sharedData();
describe.skipIf(root === undefined)('a real series', () => {
  it('is read whole', async () => {
    const folder = `${root}/dicom-t1-head`;
    const names = readdirSync(folder).filter((name) => name.endsWith('.dcm'));
    const files = names.map((name) => new Uint8Array(readFileSync(`${folder}/${name}`)));
    const [series, ...others] = await readSeries(dcm2niix, files);
    expect(others).toEqual([]);
    expect(series).toMatchObject({ modality: 'T1w', refused: undefined, number: 2 });
    const { header } = await readNifti(series!.image, 'a.nii');
    expect(header.grid.shape).toEqual([512, 512, 120]);
  });
});
