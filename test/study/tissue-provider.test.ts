import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../src/core/files.ts';
import { type Dataset, findScans } from '../../src/imaging/dataset/dataset.ts';
import { openDataset } from '../../src/imaging/dataset/open-dataset.ts';
import { withTissues } from '../../src/imaging/dataset/tissue-files.ts';
import { TISSUES } from '../../src/imaging/dataset/tissue-maps.ts';
import { readMask, readNifti } from '../../src/imaging/nifti/read.ts';
import type { Model } from '../../src/pipeline/models/model.ts';
import { needsMaps } from '../../src/pipeline/predict/input-maps.ts';
import type { PredictedScan, PredictRequest } from '../../src/pipeline/predict/request.ts';
import { predict } from '../../src/pipeline/predict/run.ts';
import { prepareTraining } from '../../src/pipeline/train/prepare.ts';
import { train } from '../../src/pipeline/train/run.ts';
import { tissueProvider } from '../../src/study/tissue-provider.ts';
import { bidsPatient, brainImage, image, inBrain, OTHER_GRID, tree } from '../imaging/dataset/make.ts';
import { tinySettings } from '../pipeline/train/fixture.ts';
import { useGpu } from '../support/gpu.ts';

const context = useGpu();
const MRI = /_(FLAIR|T1w|T2w|desc-brain_mask)\.nii\.gz$/;
const MAPS = TISSUES.map((label) => `sub-01/anat/sub-01_space-orig_label-${label}_probseg.nii.gz`);

/** A patient of whom there is the MRI alone. */
async function mriOnly(change: (files: Record<string, Uint8Array>) => void = () => {}): Promise<Dataset> {
  const files = Object.fromEntries(
    Object.entries(bidsPatient('01')).filter(([path]) => MRI.test(path) && !/\/c[123]/.test(path)),
  );
  change(files);
  return await openDataset(tree(files));
}

async function net(variant: 'single' | 'multi-input', modalities: string[] | null = null): Promise<Model> {
  const dataset = await openDataset(tree({ ...bidsPatient('01'), ...bidsPatient('02') }));
  const wanted = tinySettings({ variant, modalities, steps: 40, lr: 1e-2, crossEntropy: 1 });
  return (await train(context.gpu, await prepareTraining(dataset, wanted))).model;
}

async function run(
  dataset: Dataset,
  {
    stageOne,
    ...request
  }: Pick<PredictRequest, 'model'> & Partial<PredictRequest> & { readonly stageOne?: Model },
): Promise<{ scan: PredictedScan; out: MemoryFiles }> {
  const out = new MemoryFiles('out');
  const scans = findScans(dataset, ['01']);
  const [scan] = await predict(context.gpu, {
    dataset,
    scans,
    maps: true,
    provider: tissueProvider(stageOne),
    overlap: 0.5,
    out,
    ...request,
  });
  return { scan: scan!, out };
}

async function readMaps(out: MemoryFiles): Promise<Record<(typeof TISSUES)[number], Float32Array>> {
  const maps = [];
  for (const path of MAPS) maps.push((await readNifti(await out.read(path), path)).volume.data);
  return { GM: maps[0]!, WM: maps[1]!, CSF: maps[2]! };
}

let single: Model;
let multi: Model;
beforeAll(async () => {
  single = await net('single');
  multi = await net('multi-input');
}, 300_000);

describe('tissue maps that a prediction makes', () => {
  it('are corrected by the stage-1 net, written, and read by the network', async () => {
    const dataset = await mriOnly();
    const { scan, out } = await run(dataset, { model: multi, stageOne: single });
    expect(scan).toMatchObject({ maps: 'corrected', madeMaps: MAPS });
    const lesions = await run(dataset, { model: single });
    expect(lesions.scan).toMatchObject({ maps: null, madeMaps: [] });
    const found = (await readMask(await lesions.out.read(lesions.scan.files[0]!), 'mask')).volume.data;
    expect(found).toContain(1);
    const plain = await run(dataset, { model: multi });
    expect(plain.scan).toMatchObject({ maps: 'uncorrected', madeMaps: MAPS });
    const [corrected, before] = [await readMaps(out), await readMaps(plain.out)];
    let moved = 0;
    found.forEach((lesion, i) => {
      const at = (maps: typeof corrected): number[] => TISSUES.map((name) => maps[name][i]!);
      if (lesion !== 0) expect(at(corrected)).toEqual([0, 1, 0]);
      else at(before).forEach((p, c) => void expect(at(corrected)[c]).toBeCloseTo(p, 6));
      if (lesion !== 0 && before.WM[i]! < 0.5) moved++;
    });
    // Else the test would pass without a correction.
    expect(moved).toBeGreaterThan(0);
    const probability = async (files: MemoryFiles): Promise<Float32Array> =>
      (await readNifti(await files.read(scan.files[1]!), 'p')).volume.data;
    expect(await probability(out)).not.toEqual(await probability(plain.out));
    // The same maps given as files give the same bits: nothing else is done to those that are made.
    const supplied = await run(await withTissues(dataset, out), { model: multi });
    expect(supplied.scan).toMatchObject({ maps: 'supplied', madeMaps: [] });
    expect(await probability(supplied.out)).toEqual(await probability(out));
  });

  it('are those of a data set that has some, unless none of them is wanted', async () => {
    const dataset = await openDataset(tree(bidsPatient('01')));
    expect((await run(dataset, { model: multi, stageOne: single })).scan.maps).toBe('supplied');
    const made = await run(dataset, { model: multi, stageOne: single, maps: false });
    expect(made.scan.maps).toBe('corrected');
    const bare = await run(await mriOnly(), { model: multi, stageOne: single });
    for (const [path, bytes] of bare.out.files)
      expect(Buffer.from(made.out.files.get(path)!).equals(bytes), path).toBe(true);
  });

  it('come from the T1 also where the network does not read it', async () => {
    const model = await net('multi-input', ['FLAIR', 'T2w']);
    const { scan, out } = await run(await mriOnly(), { model });
    expect(scan.maps).toBe('uncorrected');
    const { GM, WM, CSF } = await readMaps(out);
    const whole = (await run(await mriOnly(), { model: multi })).out;
    expect(await out.read(MAPS[0]!)).toEqual(await whole.read(MAPS[0]!));
    GM.forEach((p, i) => {
      const sum = p + WM[i]! + CSF[i]!;
      expect(Math.abs(sum - Math.round(sum))).toBeLessThan(1e-5);
    });
    const other = await mriOnly((files) => {
      files['sub-01/anat/sub-01_T1w.nii.gz'] = image(brainImage(-30), OTHER_GRID);
      // Without a mask nothing but the images is on a grid.
      delete files['derivatives/brainmask/sub-01/anat/sub-01_desc-brain_mask.nii.gz'];
    });
    await expect(run(other, { model })).rejects.toThrow(/sub-01.*T1w.*2.5 mm.*but/);
  });

  it('are refused, and nothing written, where there is no T1 or a source has none', async () => {
    const dataset = await mriOnly((files) => {
      delete files['sub-01/anat/sub-01_T1w.nii.gz'];
    });
    const [scan] = findScans(dataset);
    expect(() => needsMaps(scan!, multi.info.task, { maps: true, provider: tissueProvider() })).toThrow(
      /sub-01: the multi-input model reads tissue maps; there are none, and no T1w image to make them from/,
    );
    expect(needsMaps(scan!, single.info.task, { maps: true })).toBe(false);
    const whole = await openDataset(tree(bidsPatient('01')));
    expect(() => needsMaps(findScans(whole)[0]!, multi.info.task, { maps: 'fsl' })).toThrow(
      /reads tissue maps; there are none from fsl/,
    );
    const flat = await mriOnly((files) => {
      files['sub-01/anat/sub-01_T1w.nii.gz'] = image((x, y, z) => 7 * inBrain(x, y, z));
    });
    const out = new MemoryFiles('out');
    await expect(run(flat, { model: multi, stageOne: single, out })).rejects.toThrow(
      /T1w has the same value 7/,
    );
    expect(out.files.size).toBe(0);
  });
});
