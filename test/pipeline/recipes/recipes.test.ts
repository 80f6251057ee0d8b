import { describe, expect, it, vi } from 'vitest';
import { UsageError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { registerRecipe } from '../../../src/pipeline/recipes/index.ts';
import { prepareTraining } from '../../../src/pipeline/train/prepare.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { trainSettings } from '../../../src/pipeline/train/settings.ts';
import { writePhantomDataset } from '../../../src/study/phantom/index.ts';
import '../../../src/study/presets/index.ts';
import { useGpu } from '../../support/gpu.ts';

// A software driver compiles for seconds.
vi.setConfig({ testTimeout: 240_000 });
const context = useGpu();

describe('a recipe', () => {
  it('is the paper if nothing is said: the usual settings', () => {
    const settings = trainSettings({ preset: 'single' });
    expect(settings.recipe).toBe('paper');
    expect(trainSettings({ preset: 'single', recipe: 'paper' })).toEqual(settings);
    expect(settings).toMatchObject({
      network: null,
      loss: 'generalized-dice',
      lr: 5e-4,
      schedule: 'constant',
    });
  });

  it('sets what is not given, all of it visible, and goes behind what is', () => {
    const robust = trainSettings({
      preset: 'multi-output',
      recipe: 'robust',
      lr: 2e-3,
      augment: ['mirror', 'gamma'],
    });
    expect(robust).toMatchObject({
      network: 'nnunet',
      loss: 'dice-ce',
      schedule: 'polynomial',
      tpr: '1-tpr',
    });
    expect(robust).toMatchObject({ lr: 2e-3, augment: ['mirror', 'gamma'], gammaProbability: 0.3 });
    // What config.json holds gives the same settings again.
    expect(trainSettings(JSON.parse(JSON.stringify(robust)))).toEqual(robust);
  });

  it('is refused if it is not known; a program adds its own', () => {
    expect(() => trainSettings({ preset: 'single', recipe: 'best' })).toThrow(
      'recipe is "best"; expected one of paper, robust',
    );
    const quick = { name: 'quick', title: 'for a first look', settings: { steps: 10 } };
    registerRecipe(quick);
    expect(trainSettings({ preset: 'single', recipe: 'quick' }).steps).toBe(10);
    expect(() => registerRecipe(quick)).toThrow(UsageError);
  });

  it.each(['single', 'multi-output'])('robust trains %s', async (preset) => {
    const files = new MemoryFiles();
    await writePhantomDataset(files, { seed: 7, subjects: 1, shape: [24, 28, 24], spacing: 7 });
    const settings = { preset, recipe: 'robust', patch: 16, baseChannels: 2, steps: 3 };
    const data = await prepareTraining(await openDataset(files), trainSettings(settings));
    const losses: number[] = [];
    const result = await train(context.gpu, { ...data, onStep: ({ loss }) => losses.push(loss) });
    expect(result.model.info.network.kind).toBe('nnunet');
    expect(losses.every(Number.isFinite)).toBe(true);
  });
});
