import { describe, expect, it } from 'vitest';
import { hashJson } from '../../../src/core/json.ts';
import { readManifest, readRunConfig } from '../../../src/pipeline/train/run-record.ts';
import { tree } from '../../imaging/dataset/make.ts';

const HASH = '0'.repeat(64);
/** As runs wrote it when every task was about lesions. */
const SETTINGS = {
  variant: 'multi-input',
  tissue: 'spm',
  tissueWeight: 2,
  lesionShare: 0.5,
  patch: 16,
  levels: 2,
  steps: 3,
  subjects: ['01'],
  modalities: ['FLAIR', 'T1w'],
};
const CONFIG = { settings: SETTINGS, data: {}, kernels: {}, adapter: 'a', version: '0.1.0' };
const MANIFEST = {
  variant: 'multi-input',
  steps: 3,
  seconds: 1,
  finalLoss: 0.5,
  threshold: 0.4,
  trainDice: 0.3,
  hash: HASH,
  configHash: HASH,
  adapter: 'a',
  version: '0.1.0',
  files: {},
};

describe('the folder of a run from before there were tasks', () => {
  const run = tree(
    { 'config.json': JSON.stringify(CONFIG), 'manifest.json': JSON.stringify(MANIFEST) },
    'run',
  );

  it('has its settings under the names of now, and keeps the hash that it had', async () => {
    const { settings, configHash } = await readRunConfig(run);
    expect(settings).toMatchObject({
      preset: 'multi-input',
      task: null,
      maps: 'spm',
      auxiliaryWeight: 2,
      foregroundShare: 0.5,
      patch: 16,
      tpr: '1-tpr',
    });
    expect(configHash).toBe(await hashJson(SETTINGS));
  });

  it('is summed up under the preset that was its variant', async () => {
    expect(await readManifest(run)).toMatchObject({ task: 'multi-input', threshold: 0.4, trainError: null });
  });

  it('without subjects is refused', async () => {
    const { subjects: _, ...rest } = SETTINGS;
    const bare = tree({ 'config.json': JSON.stringify({ ...CONFIG, settings: rest }) }, 'run');
    await expect(readRunConfig(bare)).rejects.toThrow('the settings name no subjects or no modalities');
  });
});
