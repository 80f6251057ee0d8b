import { beforeAll, describe, expect, it } from 'vitest';
import { OutOfMemoryError, UsageError } from '../../../src/core/errors.ts';
import { networkSlots } from '../../../src/engine/tune/network-slots.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { type LoadedScan, loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import type { Model } from '../../../src/pipeline/models/model.ts';
import { estimatePrediction } from '../../../src/pipeline/predict/memory.ts';
import { type SegmentOptions, segment, withPredictor } from '../../../src/pipeline/predict/segment.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { stepRequest } from '../../../src/pipeline/train/step-request.ts';
import { TISSUE_MAPS, VARIANTS, type Variant } from '../../../src/study/presets/index.ts';
import { bidsPatient, tree } from '../../imaging/dataset/make.ts';
import { mostAllocated, withoutBuffer } from '../../support/buffers.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinyData, tinySettings } from '../train/fixture.ts';

const context = useGpu();
let scan: LoadedScan;
const models = new Map<Variant, Model>();
beforeAll(async () => {
  const dataset = await openDataset(tree(bidsPatient('01')));
  scan = await loadScan(dataset, findScans(dataset)[0]!, { maps: TISSUE_MAPS });
  for (const variant of VARIANTS) {
    const data = await tinyData({ variant, steps: 1, patch: 8, baseChannels: 4 });
    models.set(variant, (await train(context.gpu, data)).model);
  }
}, 300_000);

/** Segments, and tells how much was allocated at most. */
const most = (variant: Variant, options: SegmentOptions = {}): Promise<number> =>
  mostAllocated(context.gpu, () => segment(context.gpu, models.get(variant)!, scan, options));

// The brain with its margin is the whole volume, 12 x 14 x 10.
const VOLUME = [10, 14, 12] as const;
const estimate = async (variant: Variant, tile: number): Promise<number> =>
  (await estimatePrediction(context.gpu.capabilities, models.get(variant)!.info, VOLUME, { tile })).bytes;

describe('the memory of a prediction', () => {
  for (const variant of VARIANTS)
    it(`${variant}: is known before, to the byte`, async () => {
      for (const tile of [8, 4]) expect(await most(variant, { tile })).toBe(await estimate(variant, tile));
    });

  it('is known of other kernels than the usual, which are used', async () => {
    const { gpu } = context;
    const model = models.get('single')!;
    const { patch, task } = model.info;
    const modalities = task.channels;
    const settings = tinySettings({ variant: 'single', patch, batch: 1, baseChannels: 4 });
    const usual = await withPredictor(gpu, model, (predictor) => Promise.resolve(predictor.choices));
    // The plainest of the candidates, which stands last, for every slot.
    const kernels = Object.fromEntries(
      (await networkSlots(gpu.capabilities, stepRequest({ ...settings, modalities })))
        .filter(({ slot }) => usual.has(slot))
        .map(({ slot, candidates }) => [slot, candidates.at(-1)!.variant]),
    );
    const used = await withPredictor(gpu, model, (predictor) => Promise.resolve(predictor.choices), {
      kernels,
    });
    expect(Object.fromEntries(used)).toEqual(kernels);
    expect(kernels).not.toEqual(Object.fromEntries(usual));
    const wanted = (slot: string): string | undefined => kernels[slot];
    const { bytes } = await estimatePrediction(gpu.capabilities, model.info, VOLUME, { tile: patch, wanted });
    expect(await most('single', { kernels })).toBe(bytes);
  });

  it('does not grow with the depth of the volume', async () => {
    const { capabilities } = context.gpu;
    const { info } = models.get('multi-output')!;
    const [small, large] = [
      await estimatePrediction(capabilities, info, [64, 512, 512], { tile: 64 }),
      await estimatePrediction(capabilities, info, [4000, 512, 512], { tile: 64 }),
    ];
    expect(large.bytes).toBe(small.bytes);
  });

  it('beyond a budget is refused before the first tile, naming the largest tensors and a tile that fits', async () => {
    const bytes = await estimate('single', 8);
    let tiles = 0;
    const options = { onTile: () => void tiles++ };
    await most('single', { ...options, memory: bytes });
    expect(tiles).toBeGreaterThan(0);
    tiles = 0;
    const error = await most('single', { ...options, memory: bytes - 1 }).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(OutOfMemoryError);
    expect(tiles).toBe(0);
    const { message, hint } = error as OutOfMemoryError;
    expect(message).toMatch(/^prediction needs [\d.]+ kB on the GPU, most of it for /);
    expect(message).toMatch(/largest tensors of a tile are \w+\.\d.* \d[\dx]* \([\d.]+ \wB\)/);
    expect(message).toMatch(/the budget is [\d.]+ kB$/);
    expect(hint).toMatch(/^It would fit with tile: 6 \([\d.]+ kB\)\.$/);
    await most('single', { memory: bytes - 1, tile: 6 });
    const none = await most('single', { memory: 1000 }).catch((e: unknown) => e);
    expect((none as OutOfMemoryError).hint).toMatch(/^No smaller tile makes it fit/);
  });

  for (const label of ['parameters', 'tile/arena0', 'probability map', 'readback'])
    it(`that the device refuses for ${label} gives the same kind of error, and leaves nothing`, async () => {
      const { gpu } = context;
      const before = gpu.allocatedBytes;
      const { message, hint } = await withoutBuffer(gpu, label, () =>
        segment(gpu, models.get('single')!, scan, { tile: 16 }),
      );
      expect(message).toContain(`${label} needs 9 GB: the device has no more; prediction needs `);
      expect(hint).toMatch(/^Less would do: tile: \d+ needs [\d.]+ kB/);
      expect(gpu.allocatedBytes).toBe(before);
    });

  it('is not asked for a tile that the levels do not divide', async () => {
    const wrong = segment(context.gpu, models.get('single')!, scan, { tile: 7 });
    await expect(wrong).rejects.toThrow(UsageError);
    await expect(wrong).rejects.toThrow(/tile must be a multiple of 2 for this network, not 7/);
  });
});
