import { describe, expect, it, vi } from 'vitest';
import { OutOfMemoryError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { type Dataset, findScans } from '../../../src/imaging/dataset/dataset.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { readMask, readNifti } from '../../../src/imaging/nifti/read.ts';
import { decodeModel, encodeModel } from '../../../src/pipeline/models/model.ts';
import { predict } from '../../../src/pipeline/predict/run.ts';
import { prepareTraining } from '../../../src/pipeline/train/prepare.ts';
import type { TrainRequest, TrainResult } from '../../../src/pipeline/train/request.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { type TrainSettings, trainSettings } from '../../../src/pipeline/train/settings.ts';
import { VARIANTS } from '../../../src/study/presets/index.ts';
import { bidsPatient, tree } from '../../imaging/dataset/make.ts';
import { useGpu } from '../../support/gpu.ts';
import { withBindingLimit } from '../../support/limit.ts';

const context = useGpu();

async function twoPatients(): Promise<Dataset> {
  return await openDataset(tree({ ...bidsPatient('01'), ...bidsPatient('02') }));
}

function settings(extra: object = {}): TrainSettings {
  return trainSettings({
    variant: 'single',
    patch: 8,
    levels: 2,
    baseChannels: 4,
    steps: 4,
    lr: 2e-3,
    ...extra,
  });
}

async function run(wanted: TrainSettings, extra: Partial<TrainRequest> = {}): Promise<TrainResult> {
  const { settings: resolved, scans } = await prepareTraining(await twoPatients(), wanted);
  return await train(context.gpu, { settings: resolved, scans, ...extra });
}

describe('train', () => {
  for (const variant of VARIANTS)
    it(`${variant}: one seed gives one file, bit for bit; another seed another`, async () => {
      const [first, again, other] = [
        await run(settings({ variant })),
        await run(settings({ variant })),
        await run(settings({ variant, seed: 2 })),
      ];
      const bytes = encodeModel(first.model);
      expect(Buffer.from(bytes).equals(encodeModel(again.model))).toBe(true);
      expect(Buffer.from(bytes).equals(encodeModel(other.model))).toBe(false);
      expect(decodeModel(bytes, 'model.safetensors').info).toMatchObject({
        task: { name: variant, channels: ['FLAIR', 'T1w', 'T2w'] },
        patch: 8,
      });
    });

  it('learns: the loss falls and the two lesions are found', async () => {
    const losses: number[] = [];
    const steps: number[] = [];
    const result = await run(settings({ steps: 60, lr: 1e-2, crossEntropy: 1 }), {
      onStep: ({ step, loss }) => {
        steps.push(step);
        losses.push(loss);
      },
    });
    const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    expect(mean(losses.slice(-10))).toBeLessThan(0.6 * mean(losses.slice(0, 5)));
    expect(result.trainDice).toBeGreaterThan(0.6);
    expect(result.steps).toBe(60);
    expect(result.finalLoss).toBe(losses.at(-1));
    expect(steps).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });

  it('cross-stitch learns both tasks, and its units move from where they start', async () => {
    const losses: number[] = [];
    const { model, trainDice } = await run(
      settings({ variant: 'cross-stitch', steps: 60, lr: 1e-2, crossEntropy: 1 }),
      { onStep: ({ loss }) => losses.push(loss) },
    );
    expect(losses.at(-1)!).toBeLessThan(0.6 * losses[0]!);
    expect(trainDice).toBeGreaterThan(0.6);
    const units = [...model.weights].filter(([name]) => name.startsWith('stitch.'));
    expect(units).toHaveLength(6);
    for (const [name, weight] of units) {
      const kept = weight.subarray(0, weight.length / 2);
      expect(Math.max(...kept.map((w) => Math.abs(w - 0.9))), name).toBeGreaterThan(1e-3);
    }
  });

  it('does the same where the device binds less than one sample', async () => {
    const wanted = settings({ variant: 'multi-input' });
    const whole = await run(wanted);
    // Six of a patch's seven channels, in the batch and in the tiles of the sliding window.
    const limit = 13_000;
    const { value: parts, bound } = await withBindingLimit(context.gpu, limit, () => run(wanted));
    expect(bound.largest).toBeLessThanOrEqual(limit);
    expect(parts.finalLoss).toBeCloseTo(whole.finalLoss, 4);
    expect(parts.trainDice).toBeCloseTo(whole.trainDice!, 3);
  });

  it('ends by the clock, and when told to', async () => {
    const timed = await run(settings({ steps: null, minutes: 0.002 }));
    expect(timed.steps).toBeGreaterThan(0);
    const stop = new AbortController();
    const stopped = run(settings({ steps: 1000 }), {
      onStep: ({ step }) => step === 2 && stop.abort(new Error('enough')),
      signal: stop.signal,
    });
    await expect(stopped).rejects.toThrow('enough');
  });

  it('names the step where the loss is not a number any more', async () => {
    const { settings: resolved, scans } = await prepareTraining(await twoPatients(), settings());
    const broken = scans.map((scan) => ({ ...scan, input: scan.input.map(() => Number.NaN) }));
    await expect(train(context.gpu, { settings: resolved, scans: broken })).rejects.toThrow(
      /step 1: the loss is NaN/,
    );
  });

  it('refuses a variant that needs tissue maps without them', async () => {
    const files = Object.entries(bidsPatient('01')).filter(([path]) => !path.includes('spm'));
    const dataset = await openDataset(tree(Object.fromEntries(files)));
    await expect(prepareTraining(dataset, settings({ variant: 'multi-input' }))).rejects.toThrow(
      /sub-01.*tissue/,
    );
  });

  it('refuses a patch larger than the volume, naming both', async () => {
    await expect(prepareTraining(await twoPatients(), settings({ patch: 16 }))).rejects.toThrow(
      /16x16x16.*12x14x10/,
    );
  });

  it('leaves no buffer behind', async () => {
    const before = context.gpu.buffers.length;
    await run(settings());
    expect(context.gpu.buffers.length).toBe(before);
  });

  for (const label of ['running statistics', 'adam.v', 'train/params', 'scan sub-02', 'probability map'])
    it(`frees what it has where there is no room for ${label}`, async () => {
      const before = context.gpu.buffers.length;
      const real = context.gpu.createBuffer.bind(context.gpu);
      vi.spyOn(context.gpu, 'createBuffer').mockImplementation((request) =>
        request.label === label
          ? Promise.reject(new OutOfMemoryError(`${label} needs more than there is`))
          : real(request),
      );
      await expect(run(settings())).rejects.toThrow(`${label} needs more than there is`);
      vi.restoreAllMocks();
      expect(context.gpu.buffers.length).toBe(before);
    });
});

describe('predict', () => {
  it("writes masks and maps on the scan's own grid with its own codes", async () => {
    const { model, threshold } = await run(settings({ variant: 'multi-output', steps: 30, lr: 1e-2 }));
    const dataset = await twoPatients();
    const scans = findScans(dataset, ['02']);
    const out = new MemoryFiles('out');
    const request = { model, dataset, scans, maps: true, overlap: 0.5, out } as const;
    const [scan] = await predict(context.gpu, request);
    const images = ['CSF_probseg', 'GM_probseg', 'L_mask', 'L_probseg', 'WM_probseg'];
    const tables = ['L_lesions.json', 'L_lesions.tsv'];
    expect([...out.files.keys()].sort()).toEqual(
      [
        ...[...images.map((what) => `${what}.nii.gz`), ...tables].map(
          (what) => `sub-02/anat/sub-02_space-orig_label-${what}`,
        ),
        'sub-02/figures/sub-02_space-orig_desc-qc_mosaic.png',
      ].sort(),
    );
    const flair = await readNifti(await dataset.files.read('sub-02/anat/sub-02_FLAIR.nii.gz'), 'flair');
    const mask = await readMask(await out.read(scan!.files[0]!), 'mask');
    const map = await readNifti(await out.read(scan!.files[1]!), 'map');
    for (const image of [mask, map]) {
      expect(image.header.grid).toEqual(flair.header.grid);
      expect([image.header.qformCode, image.header.sformCode]).toEqual([
        flair.header.qformCode,
        flair.header.sformCode,
      ]);
    }
    expect(Math.max(...map.volume.data)).toBeLessThanOrEqual(1);
    mask.volume.data.forEach((inside, i) => {
      expect(inside === 1).toBe(map.volume.data[i]! >= threshold!);
    });
    const again = new MemoryFiles('again');
    await predict(context.gpu, { ...request, out: again });
    for (const [path, bytes] of out.files)
      expect(Buffer.from(bytes).equals(again.files.get(path)!)).toBe(true);
  });
});
