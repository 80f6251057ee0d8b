import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeNifti } from '../../src/imaging/nifti/write.ts';
import { makePhantom } from '../../src/study/phantom/index.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';
import { makeDicom } from '../support/dicom.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-segment-'));
const phantom = makePhantom({
  seed: 5,
  subjectIndex: 0,
  shape: [30, 36, 30],
  spacing: 6,
  noise: 0.02,
  biasField: 0.2,
});
const [raw, run, out] = ['raw', 'run', 'out'].map((name) => join(folder, name)) as [string, string, string];

beforeAll(async () => {
  buildCli();
  const made = await runCli(['phantom', raw, '--subjects', '1', '--shape', '30,36,30', '--spacing', '6']);
  expect(made.code, made.stderr).toBe(0);
  const small = ['--steps', '2', '--patch', '8', '--levels', '2', '--base-channels', '2'];
  const trained = await runCli(['train', raw, run, '--preset', 'single', '--modalities', 'FLAIR', ...small]);
  expect(trained.code, trained.stderr).toBe(0);
  const { grid, modalities, brain } = phantom;
  for (const [name, data] of [
    ['flair', modalities.FLAIR],
    ['t1w', modalities.T1w],
    ['brain', brain],
  ] as const)
    writeFileSync(file(name), writeNifti({ grid, data }, { datatype: 'float32' }));
});
const file = (name: string): string => join(folder, `${name}.nii.gz`);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('prepare and segment', () => {
  it('make a mask on the grid of the FLAIR, with everything on the way, and resume', async () => {
    const scan = [
      out,
      '--flair',
      file('flair'),
      '--t1w',
      file('t1w'),
      '--brain-mask',
      file('brain'),
      '--json',
    ];
    const prepared = await runCli(['prepare', ...scan]);
    expect(prepared.code, prepared.stderr).toBe(0);
    const done = await runCli(['segment', ...scan, '--run', run]);
    expect(done.code, done.stderr).toBe(0);
    expect(done.stderr).toContain('was prepared before from the same files and is kept');
    const { scans } = JSON.parse(done.stdout) as { scans: Record<string, unknown>[] };
    const anat = `${out}/sub-scan/anat/sub-scan`;
    expect(scans).toEqual([
      {
        subject: 'scan',
        session: null,
        flair: `${anat}_space-orig_desc-preproc_FLAIR.nii.gz`,
        mask: `${anat}_space-orig_label-L_mask.nii.gz`,
        brainMask: `${anat}_space-orig_desc-brain_mask.nii.gz`,
        transform: `${anat}_from-T1w_to-FLAIR_mode-image_xfm.txt`,
        volumeMl: expect.any(Number),
        lesions: expect.any(Number),
        found: expect.objectContaining({ Label: expect.any(String) }),
        seconds: expect.any(Number),
        warnings: expect.any(Array),
      },
    ]);
    for (const path of [
      scans[0]!.mask,
      scans[0]!.transform,
      `${anat}_space-orig_label-L_probseg.nii.gz`,
      join(out, 'qc.html'),
      join(out, 'qc-prepared.html'),
    ])
      expect(existsSync(path as string), String(path)).toBe(true);
  });

  it('go on after a scan that fails, and say so at the end', async () => {
    const [two, made] = [join(folder, 'two'), join(folder, 'two-out')];
    const put = (path: string, data: Float32Array | Uint8Array): void => {
      mkdirSync(join(two, path, '..'), { recursive: true });
      writeFileSync(join(two, path), writeNifti({ grid: phantom.grid, data }, { datatype: 'float32' }));
    };
    put('sub-a/anat/sub-a_FLAIR.nii.gz', phantom.modalities.FLAIR);
    put('derivatives/m/sub-a/anat/sub-a_desc-brain_mask.nii.gz', phantom.brain);
    put('sub-zero/anat/sub-zero_FLAIR.nii.gz', new Float32Array(phantom.brain.length));
    const done = await runCli(['prepare', two, made, '--json']);
    expect(done.code).toBe(1);
    expect(done.stderr).toContain('1 of 2 scans failed: sub-zero');
    const said = JSON.parse(done.stdout) as Record<string, { subject: string; error?: object }[]>;
    expect(said.scans!.map((scan) => scan.subject)).toEqual(['a']);
    expect(said.failed).toEqual([
      expect.objectContaining({
        subject: 'zero',
        error: expect.objectContaining({ message: expect.stringContaining('has the value 0 everywhere') }),
      }),
    ]);
    expect(existsSync(join(made, 'sub-zero'))).toBe(false);
    expect(readFileSync(join(made, 'qc.html'), 'utf8')).toContain('not prepared');
  });

  it('say what is missing before anything is written', async () => {
    const nowhere = join(folder, 'nowhere');
    const lines = async (...words: string[]): Promise<string[]> => errorLines(await runCli(words));
    expect((await lines('prepare', raw))[0]).toContain('OUT is missing');
    const unknown = await lines('segment', raw, nowhere, '--run', 'no-such-network');
    expect(unknown[0]).toContain('no-such-network: there is no such folder, and no network of that name');
    expect(unknown[1]).toMatch(/model file .*phantoms/);
    expect((await lines('prepare', raw, nowhere, '--flair', 'a.nii'))[0]).toContain('exclude each other');
    expect((await lines('prepare', nowhere, '--t1w', 'a.nii'))[0]).toContain('OUT is missing');
    expect((await lines('prepare', raw, nowhere, '--brain-mask', 'a.nii'))[0]).toContain('for one scan');
    expect(existsSync(nowhere)).toBe(false);
  });

  it('read DICOM, and say which series are there', async () => {
    const dicom = join(folder, 'dicom');
    mkdirSync(dicom);
    const data = Uint16Array.from({ length: 16 * 16 * 14 }, (_, i) => i % 251);
    const affine = [9, 0, 0, 0, 0, 9, 0, 0, 0, 0, 9, 0, -70, -70, -60, 1];
    const files = makeDicom({ shape: [16, 16, 14], affine, data, description: 't2_flair', series: 5 });
    files.forEach((bytes, i) => {
      writeFileSync(join(dicom, `IM${i}`), bytes);
    });
    const done = await runCli(['prepare', dicom, join(folder, 'from-dicom')]);
    expect(done.stderr).toContain('series 5 t2_flair (patient A): FLAIR');
    expect(done.stderr).toContain('no brain was found in the FLAIR');
    expect(done.stderr).toContain('--brain-mask');
    expect(done.code).not.toBe(0);
    cpSync(dicom, join(folder, 'part'), { recursive: true });
    for (const name of readdirSync(join(folder, 'part')).slice(3, 5)) rmSync(join(folder, 'part', name));
    const part = await runCli(['prepare', join(folder, 'part'), join(folder, 'from-part')]);
    expect(part.stderr).toContain('slices are missing');
  });
});
