import { beforeAll, describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import { type Dataset, findScans } from '../../../src/imaging/dataset/dataset.ts';
import { type LoadedScan, loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { evaluateScan } from '../../../src/imaging/evaluate/metrics.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { axisAlignedGrid, type Grid, gridFromAffine } from '../../../src/imaging/volume/volume.ts';
import { decodeModel, encodeModel, type Model } from '../../../src/pipeline/models/model.ts';
import { predict } from '../../../src/pipeline/predict/run.ts';
import { segment } from '../../../src/pipeline/predict/segment.ts';
import type { SpacingChange } from '../../../src/pipeline/predict/voxel-size.ts';
import { prepareTraining } from '../../../src/pipeline/train/prepare.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { lesionsOf } from '../../../src/study/presets/index.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinySettings } from '../train/fixture.ts';
import { datasetOf, scanOf, sizePhantom } from './size-phantom.ts';
import { untrained } from './untrained.ts';

const context = useGpu();
const NATIVE = axisAlignedGrid([34, 34, 34], [2, 2, 2], [-33, -33, -33]);
const FINE = turned([68, 68, 54], [1, 1, 1.25]);
/** Few voxels, for what needs no Dice. */
const COARSE = turned([23, 23, 18], [3, 3, 4]);

/** A grid around the origin, mirrored and turned by 17 and 11 degrees. */
function turned(shape: [number, number, number], spacing: [number, number, number]): Grid {
  const [a, b] = [0.3, 0.2];
  const axes = [
    [-Math.cos(a), -Math.sin(a), 0],
    [-Math.sin(a) * Math.cos(b), Math.cos(a) * Math.cos(b), Math.sin(b)],
    [Math.sin(a) * Math.sin(b), -Math.cos(a) * Math.sin(b), Math.cos(b)],
  ];
  const affine = new Float64Array(16);
  affine[15] = 1;
  axes.forEach((axis, c) => {
    axis.forEach((cosine, world) => {
      // As a header's float32 holds it.
      affine[c * 4 + world] = Math.fround(cosine * spacing[c]!);
      affine[12 + world]! -= (affine[c * 4 + world]! * (shape[c]! - 1)) / 2;
    });
  });
  for (let world = 0; world < 3; world++) affine[12 + world] = Math.fround(affine[12 + world]!);
  return gridFromAffine(shape, affine);
}

async function patient(seed: number, grid: Grid): Promise<{ dataset: Dataset; loaded: LoadedScan }> {
  const dataset = await openDataset(datasetOf([scanOf(sizePhantom(seed), grid, seed)]));
  return { dataset, loaded: await loadScan(dataset, findScans(dataset)[0]!) };
}

async function dice(net: Model, loaded: LoadedScan, resample = true): Promise<number> {
  const { mask } = lesionsOf(await segment(context.gpu, net, loaded, { resample, overlap: 0.25 }));
  return evaluateScan(mask, loaded.lesions as Uint8Array, loaded.grid).dice!;
}

let model: Model;
beforeAll(async () => {
  model = await untrained(context.gpu, 'single', ['FLAIR'], [2, 2, 2]);
});

/** A network that has learned to tell lesions by their size, at 2 mm. */
async function trained(): Promise<Model> {
  const dataset = await openDataset(
    datasetOf([1, 2, 3].map((seed) => scanOf(sizePhantom(seed), NATIVE, seed))),
  );
  const settings = tinySettings({
    patch: 16,
    baseChannels: 4,
    steps: 80,
    lr: 1e-2,
    batch: 1,
    crossEntropy: 1,
    foregroundShare: 0.5,
  });
  return (await train(context.gpu, await prepareTraining(dataset, settings))).model;
}

describe('a scan of another voxel size than the training scans', { timeout: 300_000 }, () => {
  it('is predicted nearly as well as one of their size, turned as it may be', async () => {
    const net = await trained();
    expect(net.info.spacing).toEqual([{ mm: [2, 2, 2], scans: ['sub-01', 'sub-02', 'sub-03'] }]);
    const native = await dice(net, (await patient(9, NATIVE)).loaded);
    const { loaded } = await patient(9, FINE);
    const [resampled, asItIs] = [await dice(net, loaded), await dice(net, loaded, false)];
    console.log(`Dice ${native} at 2 mm; at 1x1x1.25 mm ${resampled} resampled, ${asItIs} as it is`);
    expect(native).toBeGreaterThan(0.88);
    expect(resampled).toBeGreaterThan(native - 0.05);
    expect(resampled).toBeGreaterThan(asItIs + 0.1);
  });

  it('gets its mask and maps on its own grid, and this is told', async () => {
    const { dataset } = await patient(9, COARSE);
    const out = new MemoryFiles('out');
    const told: SpacingChange[] = [];
    const [scan] = await predict(context.gpu, {
      model,
      dataset,
      scans: findScans(dataset),
      maps: true,
      overlap: 0,
      out,
      onSpacing: (_, change) => told.push(change),
    });
    const input = await readNifti(await dataset.files.read('sub-01/anat/sub-01_FLAIR.nii.gz'), 'FLAIR');
    const change = { from: input.header.grid.spacing, to: [2, 2, 2] };
    expect(told).toEqual([change]);
    expect(scan!.resampled).toEqual(change);
    change.from.forEach((mm, axis) => void expect(mm).toBeCloseTo(COARSE.spacing[axis]!, 5));
    const brain = await readNifti(
      await dataset.files.read('derivatives/brainmask/sub-01/anat/sub-01_desc-brain_mask.nii.gz'),
      'brain',
    );
    for (const path of scan!.files) {
      const { header, volume } = await readNifti(await out.read(path), path);
      expect(header.grid).toEqual(input.header.grid);
      expect(header.affineSource).toBe(input.header.affineSource);
      let inside = 0;
      volume.data.forEach((v, i) => {
        if (v === 0) return;
        if (brain.volume.data[i] === 0) expect.unreachable(`${v} outside the brain`);
        inside++;
      });
      // The mask of a network that learned nothing may hold as little or as much as it likes.
      if (path === scan!.files[1]) expect(inside).toBeGreaterThan(1000);
    }
  });

  it('can be predicted as it is', async () => {
    const { dataset } = await patient(9, COARSE);
    const request = {
      dataset,
      scans: findScans(dataset),
      maps: true,
      threshold: 0.5,
      overlap: 0,
      resample: false,
    } as const;
    const told: SpacingChange[] = [];
    const [own, other] = [new MemoryFiles('a'), new MemoryFiles('b')];
    const onSpacing = (_: unknown, change: SpacingChange): unknown => told.push(change);
    const [scan] = await predict(context.gpu, { ...request, model, out: own, onSpacing });
    expect(scan!.resampled).toBeNull();
    expect(told).toHaveLength(1);
    await predict(context.gpu, { ...request, resample: true, model: without(model), out: other });
    expect(own.files).toEqual(other.files);
  });
});

describe('a scan of the size of the training scans', { timeout: 300_000 }, () => {
  it('is left as it is, to the bit', async () => {
    const { loaded } = await patient(9, NATIVE);
    const known = await segment(context.gpu, model, loaded);
    expect(known.resampled).toBeUndefined();
    expect(known).toEqual(await segment(context.gpu, without(model), loaded));
  });
});

describe('the voxel size in model.safetensors', () => {
  it('is read as it was written, and its absence is no fault', () => {
    expect(decodeModel(encodeModel(model), 'model').info).toEqual(model.info);
    const old = decodeModel(encodeModel(without(model)), 'model');
    expect(old.info.spacing).toBeUndefined();
  });

  it('is refused where it is none', () => {
    for (const mm of [
      [2, 2, 0],
      [2, 2],
      [2, 2, Number.NaN],
    ]) {
      const spacing = [{ mm: mm as unknown as [number, number, number], scans: [] }];
      const bytes = encodeModel({ ...model, info: { ...model.info, spacing } });
      expect(() => decodeModel(bytes, 'model')).toThrow(
        /description of the network is wrong: spacing\.0\.mm/,
      );
    }
  });
});

/** As a version wrote it that did not record the size. */
function without({ info, weights }: Model): Model {
  const { spacing: _, ...rest } = info;
  return { weights, info: rest };
}
