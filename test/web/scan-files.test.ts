import { describe, expect, it } from 'vitest';
import { loadScan } from '../../src/imaging/dataset/load-scan.ts';
import type { Model } from '../../src/pipeline/models/model.ts';
import { presetOf, variantConfig } from '../../src/study/presets/index.ts';
import type { DroppedFile } from '../../src/web/protocol.ts';
import { ScanFiles } from '../../src/web/scan-files.ts';
import { TileClock } from '../../src/web/tile-clock.ts';
import { formatLeft, smoothed } from '../../src/web/views/format.ts';
import { bidsPatient, brainImage, image, inBrain, maskFile, OTHER_GRID } from '../imaging/dataset/make.ts';
import { presetInfo } from '../support/models.ts';
import { badFiles, smallScan } from './make.ts';

function dropped(files: Readonly<Record<string, Uint8Array>>): DroppedFile[] {
  return Object.entries(files).map(([path, bytes]) => ({
    path,
    file: new File([bytes as Uint8Array<ArrayBuffer>], path.split('/').at(-1)!),
  }));
}

const model: Model = {
  info: presetInfo({
    variant: 'single',
    network: variantConfig('single', ['FLAIR', 'T1w'], { baseChannels: 2, levels: 2 }),
    modalities: ['FLAIR', 'T1w'],
    threshold: 0.5,
    patch: 8,
    settings: {},
  }),
  weights: new Map(),
};

async function scanFiles(files: Readonly<Record<string, Uint8Array>>): Promise<ScanFiles> {
  const scan = new ScanFiles();
  await scan.add(dropped(files));
  return scan;
}

describe('ScanFiles', () => {
  it('is ready with what the model reads', async () => {
    const scan = await scanFiles(Object.fromEntries(smallScan().map(({ name, bytes }) => [name, bytes])));
    const report = scan.report(model);
    expect(report.files.map(({ role, detail }) => [role, detail])).toEqual([
      ['FLAIR', '12x14x10 at 2x2x2 mm'],
      ['T1w', '12x14x10 at 2x2x2 mm'],
      ['brain', '12x14x10 at 2x2x2 mm'],
    ]);
    expect(report).toMatchObject({ ready: true, problem: null, scans: [], scan: null });
    expect(scan.report(undefined).ready).toBe(false);
    expect(scan.scan().scan.modalities.get('T1w')).toBe('p1_T1w.nii.gz');
  });

  it('keeps the patient’s name in what is saved', async () => {
    const flair = image(brainImage(80));
    const nameOf = async (...names: string[]): Promise<[string, string]> => {
      const scan = await scanFiles(Object.fromEntries(names.map((name) => [name, flair])));
      return [scan.name, scan.predictionName({ label: 'lesion', suffix: 'mask' })];
    };
    expect(await nameOf('sub-19_FLAIR.nii.gz', 'sub-19_T1w.nii.gz')).toEqual([
      'sub-19',
      'sub-19_space-orig_label-L_mask.nii.gz',
    ]);
    expect(await nameOf('sub-19_ses-2_acq-3D_run-2_FLAIR.nii.gz', 'sub-19_ses-2_T1w.nii.gz')).toEqual([
      'sub-19_ses-2',
      'sub-19_ses-2_acq-3D_run-2_space-orig_label-L_mask.nii.gz',
    ]);
    expect(await nameOf('p2-old_FLAIR.nii', 'p2-old_T1w.nii')).toEqual([
      'p2-old',
      'p2-old_space-orig_label-L_mask.nii.gz',
    ]);
    expect(await nameOf('Smith 2020 FLAIR.nii')).toEqual([
      'Smith 2020 FLAIR',
      'Smith 2020 FLAIR_space-orig_label-L_mask.nii.gz',
    ]);
  });

  it('is called by its files in messages too', async () => {
    const [flair] = smallScan();
    const scan = await scanFiles({
      'p1_FLAIR.nii.gz': flair!.bytes,
      'p1_brain_mask.nii.gz': maskFile(() => 0),
    });
    const { dataset, scan: loose } = scan.scan();
    await expect(loadScan(dataset, loose)).rejects.toThrow(
      /^p1: the brain mask p1_brain_mask\.nii\.gz is empty/,
    );
  });

  it('says of a folder of DICOM files that it is that', async () => {
    const dicom = new Uint8Array(200);
    dicom.set(new TextEncoder().encode('DICM'), 128);
    await expect(scanFiles({ 'patient/IM0001': dicom, 'patient/IM0002': dicom })).rejects.toMatchObject({
      message: expect.stringContaining('holds DICOM files'),
      hint: expect.stringContaining('dcm2niix'),
    });
  });

  it('takes none of several brain masks, and says so', async () => {
    const files = bidsPatient('07');
    const path = 'sub-07/anat/sub-07_desc-brain_mask.nii.gz';
    const twice = { ...files, [`derivatives/bet/${path}`]: maskFile(inBrain) };
    const scan = await scanFiles(
      Object.fromEntries(Object.entries(twice).map(([each, bytes]) => [`set/${each}`, bytes])),
    );
    const report = scan.report(model);
    expect(report.files.some(({ role }) => role === 'brain')).toBe(false);
    expect(report.notes[0]).toMatch(/^There are brain masks from bet and brainmask: none is used/);
  });

  it('says beside the first image that its voxels are of another size than the model knows', async () => {
    const scan = await scanFiles(Object.fromEntries(smallScan().map(({ name, bytes }) => [name, bytes])));
    const at = (mm: readonly [number, number, number]): (string | null)[] => {
      const spacing = [{ mm, scans: ['sub-01'] }];
      return scan.report({ ...model, info: { ...model.info, spacing } }).files.map(({ note }) => note);
    };
    expect(at([1, 1, 1])).toEqual([
      expect.stringMatching(/^Its voxels are 2x2x2 mm, .* 1x1x1 mm: it is resampled for the network, .*\.$/),
      null,
      null,
    ]);
    expect(at([2.1, 2, 2])).toEqual([null, null, null]);
    expect(scan.report(model).files.map(({ note }) => note)).toEqual([null, null, null]);
  });

  it('needs no tissue maps where there is a T1 to make them from', async () => {
    const reads = (modalities: string[]): Model => ({
      ...model,
      info: { ...model.info, task: { ...presetOf('multi-input').task, channels: modalities } },
    });
    const [flair, t1w, brain] = smallScan().map(({ name, bytes }) => [name, bytes] as const);
    const both = await scanFiles(Object.fromEntries([flair!, t1w!, brain!]));
    expect(both.report(reads(['FLAIR', 'T1w'])).ready).toBe(true);
    const without = (await scanFiles(Object.fromEntries([flair!, brain!]))).report(reads(['FLAIR']));
    expect(without).toMatchObject({
      ready: false,
      problem: { message: expect.stringMatching(/no file is T1w/) },
    });
    const half = { 'p1_label-GM_probseg.nii.gz': maskFile(inBrain) };
    const some = (await scanFiles({ ...Object.fromEntries([flair!, t1w!, brain!]), ...half })).report(
      reads(['FLAIR', 'T1w']),
    );
    expect(some.problem?.message).toMatch(/no file is WM or CSF/);
  });

  it('says what is wrong with each bad file, and takes the good ones', async () => {
    const files = badFiles();
    const scan = await scanFiles(Object.fromEntries(files.map(({ name, bytes }) => [name, bytes])));
    const report = scan.report(model);
    report.files.forEach(({ name, problem }, i) => {
      expect(`${problem?.message ?? ''} ${problem?.hint ?? ''}`.trim(), name).toMatch(files[i]!.says);
    });
    expect(report.ready).toBe(false);
    expect([...scan.scan().scan.modalities]).toEqual([['FLAIR', 'good_FLAIR.nii.gz']]);
  });

  it('can be corrected', async () => {
    const scan = await scanFiles({ 'x.nii.gz': image(brainImage(5)), 'y_T1w.nii.gz': image(brainImage(9)) });
    expect(scan.report(model).problem?.message).toBe('The model reads FLAIR, T1w; no file is FLAIR.');
    scan.setRole('x.nii.gz', 'FLAIR');
    expect(scan.report(model).ready).toBe(true);
    scan.setRole('y_T1w.nii.gz', 'FLAIR');
    expect(scan.report(model).files[1]!.problem?.message).toBe('x.nii.gz is the FLAIR already.');
    scan.remove('x.nii.gz');
    expect(scan.report(model).problem?.message).toBe('The model reads FLAIR, T1w; no file is T1w.');
  });

  it('compares grids with the first image', async () => {
    const scan = await scanFiles({
      'a_FLAIR.nii.gz': image(brainImage(5)),
      'a_brain_mask.nii.gz': maskFile(inBrain, OTHER_GRID),
    });
    expect(scan.report(model).files[1]!.problem?.message).toMatch(/^Its grid is 12x14x10 at 2x2x2\.5 mm/);
  });

  it('opens a BIDS folder, or a patient in it, and offers its scans', async () => {
    const two = { ...bidsPatient('07'), ...bidsPatient('19') };
    const inFolder = Object.fromEntries(Object.entries(two).map(([path, bytes]) => [`set/${path}`, bytes]));
    const scan = await scanFiles(inFolder);
    expect(scan.report(model)).toMatchObject({ scans: ['sub-07', 'sub-19'], scan: 'sub-07', ready: true });
    await scan.choose('sub-19');
    expect(scan.report(model).files.every(({ path }) => path.includes('sub-19'))).toBe(true);
    expect(scan.name).toBe('sub-19');
    const patient = await scanFiles(
      Object.fromEntries(Object.entries(bidsPatient('07')).filter(([path]) => path.startsWith('sub-07'))),
    );
    expect(patient.report(model)).toMatchObject({ scan: 'sub-07', ready: true });
  });

  it('takes the images out of any other folder and passes over the rest', async () => {
    const scan = await scanFiles({
      'study/notes.txt': new Uint8Array(3),
      'study/deep/er/FLAIR.nii.gz': image(brainImage(5)),
    });
    expect(scan.report(model).files.map(({ name }) => name)).toEqual(['FLAIR.nii.gz']);
    await scan.add(dropped({ 'other/T1.nii.gz': image(brainImage(7)) }));
    expect(scan.report(model).ready).toBe(true);
    scan.clear();
    expect(scan.report(model)).toMatchObject({ files: [], ready: false, problem: null });
  });
});

describe('progress', () => {
  it('estimates from the second tile on', () => {
    const clock = new TileClock();
    expect(clock.left({ phase: 'tiles', done: 1, total: 10 }, 1000)).toBeNull();
    expect(clock.left({ phase: 'tiles', done: 5, total: 10 }, 9000)).toBe(10);
    // Another phase has another pace.
    expect(clock.left({ phase: 'tissues', done: 1, total: 60 }, 9000)).toBeNull();
    expect(clock.left({ phase: 'tissues', done: 3, total: 60 }, 11_000)).toBe(57);
    expect(formatLeft(0.2)).toBe('1 s');
    expect(formatLeft(88.5)).toBe('89 s');
    expect(formatLeft(89.5)).toBe('2 min');
  });

  it('smooths long curves and leaves short ones alone', () => {
    expect(smoothed([3, 1, 2])).toEqual([3, 1, 2]);
    const long = smoothed(Array.from({ length: 600 }, (_, i) => i));
    expect(long).toHaveLength(60);
    expect(long[0]).toBe(4.5);
  });
});
