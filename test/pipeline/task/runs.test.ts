import { describe, expect, it, vi } from 'vitest';
import { DatasetError, GridMismatchError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { type Dataset, findScans } from '../../../src/imaging/dataset/dataset.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { decodeModel, encodeModel, type Model } from '../../../src/pipeline/models/model.ts';
import type { HeadResult } from '../../../src/pipeline/predict/head-result.ts';
import { segment } from '../../../src/pipeline/predict/segment.ts';
import { prepareTraining } from '../../../src/pipeline/train/prepare.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { trainInFolder } from '../../../src/pipeline/train/run-folder.ts';
import { trainSettings } from '../../../src/pipeline/train/settings.ts';
import {
  brainImage,
  image,
  inBrain,
  maskFile,
  OTHER_GRID,
  tree,
  type Value,
} from '../../imaging/dataset/make.ts';
import { useGpu } from '../../support/gpu.ts';

// A software driver compiles for seconds.
vi.setConfig({ testTimeout: 240_000 });
const context = useGpu();

const whole: Value = (x, y, z) => (inBrain(x, y, z) === 1 && z < 6 ? 1 : 0);
const core: Value = (x, y, z) => (whole(x, y, z) === 1 && z < 4 ? 1 : 0);
/** Three labels, 7 for the last. */
const parts: Value = (x, y, z) => (inBrain(x, y, z) === 0 ? 0 : z < 4 ? 2 : y < 7 ? 7 : 1);
const relaxation: Value = (x, y, z) => inBrain(x, y, z) * (700 + 50 * z);

/** Two patients with regions that overlap, a label image and a map of values. */
function patients(other: Readonly<Record<string, Uint8Array>> = {}): Promise<Dataset> {
  const files: Record<string, Uint8Array> = {};
  for (const id of ['01', '02']) {
    const anat = `sub-${id}/anat/sub-${id}`;
    files[`${anat}_T1w.nii.gz`] = image(brainImage(30));
    files[`derivatives/regions/${anat}_label-whole_mask.nii.gz`] = maskFile(whole);
    files[`derivatives/regions/${anat}_label-core_mask.nii.gz`] = maskFile(core);
    files[`derivatives/parts/${anat}_dseg.nii.gz`] = maskFile(parts);
    files[`derivatives/maps/${anat}_T1map.nii.gz`] = image(relaxation);
    files[`derivatives/brainmask/${anat}_desc-brain_mask.nii.gz`] = maskFile(inBrain);
  }
  return openDataset(tree({ ...files, ...other }));
}

const REGIONS = {
  name: 'regions',
  labels: ['whole', 'core'],
  activation: 'sigmoid',
  target: { from: 'mask' },
};
const PARTS = {
  name: 'parts',
  labels: ['low', 'back', 'front'],
  target: { from: 'dseg', values: [2, 1, 7] },
};
const MAP = { name: 'relaxation', target: { from: 'map', suffix: 'T1map' } };

const settingsOf = (heads: readonly object[], steps: number): ReturnType<typeof trainSettings> =>
  trainSettings({
    task: { name: 'several', channels: ['T1w'], heads },
    patch: 8,
    levels: 2,
    baseChannels: 4,
    lr: 0.01,
    steps,
  });

async function predicted(dataset: Dataset, model: Model): Promise<ReadonlyMap<string, HeadResult>> {
  const scan = await loadScan(dataset, findScans(dataset)[0]!, { modalities: ['T1w'] });
  return (await segment(context.gpu, decodeModel(encodeModel(model), 'm'), scan)).heads;
}

describe('a task with regions, exclusive labels and values', () => {
  it('learns all of them at once, each in its own form', async () => {
    const dataset = await patients();
    const data = await prepareTraining(dataset, settingsOf([REGIONS, PARTS, MAP], 120));
    const { model, trainDice } = await train(context.gpu, data);
    expect(trainDice).toBeGreaterThan(0.6);
    const { regions, parts: own, relaxation: values } = model.info.decisions;
    expect(regions).toMatchObject({
      kind: 'threshold',
      thresholds: [expect.any(Number), expect.any(Number)],
    });
    expect(own).toEqual({ kind: 'argmax' });
    expect(values).toMatchObject({ kind: 'value' });
    const heads = await predicted(dataset, model);
    // Regions overlap: a voxel of the core is one of the whole too.
    const { masks } = heads.get('regions')!;
    const [outer, inner] = ['whole', 'core'].map((label) => masks.get(label)!);
    const both = outer!.filter((inside, i) => inside === 1 && inner![i] === 1).length;
    expect(both).toBeGreaterThan(20);
    expect([...masks.keys()]).toEqual(['whole', 'core']);
    // Places of the labels, not the values of the files.
    const places = new Set(heads.get('parts')!.labels);
    expect(places).toContain(3);
    expect(places).not.toContain(7);
    // In the map's units.
    const map = heads.get('relaxation')!.maps.get('relaxation')!;
    const inside = [...map].filter((v) => v !== 0);
    const mean = inside.reduce((sum, v) => sum + v, 0) / inside.length;
    expect(Math.abs(mean - 925)).toBeLessThan(100);
  });

  it('is resumed to the bits of a run that never stopped', async () => {
    const data = await prepareTraining(await patients(), settingsOf([PARTS, REGIONS, MAP], 6));
    const options = { version: '1', hashEvery: 1, checkpointSteps: 2 };
    const [once, stopped] = [new MemoryFiles('run'), new MemoryFiles('run')];
    const { result } = await trainInFolder(context.gpu, data, once, { ...options, resume: false });
    const stop = new AbortController();
    const cut = trainInFolder(context.gpu, data, stopped, {
      ...options,
      resume: false,
      signal: stop.signal,
      onStep: ({ step }) => (step === 3 ? stop.abort(new Error('stopped')) : undefined),
    });
    await expect(cut).rejects.toThrow('stopped');
    const again = await trainInFolder(context.gpu, data, stopped, { ...options, resume: true });
    expect(again.result.hash).toBe(result.hash);
    expect(stopped.files.get('model.safetensors')).toEqual(once.files.get('model.safetensors'));
  });
});

describe('targets that do not fit', () => {
  const prepare = async (heads: readonly object[], path: string, bytes: Uint8Array): Promise<unknown> =>
    await prepareTraining(await patients({ [path]: bytes }), settingsOf(heads, 2)).catch(
      (error: unknown) => error,
    );
  const anat = 'sub-02/anat/sub-02';

  it.each([
    ['label image', PARTS, `derivatives/parts/${anat}_dseg.nii.gz`, maskFile(parts, OTHER_GRID)],
    ['mask', REGIONS, `derivatives/regions/${anat}_label-core_mask.nii.gz`, maskFile(core, OTHER_GRID)],
    ['map', MAP, `derivatives/maps/${anat}_T1map.nii.gz`, image(relaxation, OTHER_GRID)],
  ])('a %s on another grid is named with both grids', async (_, head, path, bytes) => {
    const error = await prepare([head], path, bytes);
    expect(error).toBeInstanceOf(GridMismatchError);
    expect((error as Error).message).toContain(path);
    expect((error as Error).message).toMatch(/2x2x2\.5 mm/);
  });

  it('a label image that holds no whole numbers is refused with the value', async () => {
    const error = await prepare(
      [PARTS],
      `derivatives/parts/${anat}_dseg.nii.gz`,
      image((x, y, z) => 0.5 * parts(x, y, z)),
    );
    expect(error).toBeInstanceOf(DatasetError);
    expect((error as Error).message).toMatch(/_dseg\.nii\.gz: holds the value 3\.5, which is not a label/);
  });

  it('a map that is not there is named with those that are', async () => {
    const head = { ...MAP, target: { from: 'map', suffix: 'T2map' } };
    const error = await prepare([head], 'README', new Uint8Array());
    expect(error).toBeInstanceOf(DatasetError);
    expect((error as DatasetError).message).toContain('no scan has a T2map map to train on');
    expect((error as DatasetError).hint).toContain('T1map');
  });
});
