import { describe, expect, it } from 'vitest';
import { allLosses } from '../../src/engine/loss/index.ts';
import { allAugmentations } from '../../src/pipeline/augment/index.ts';
import { SETTING_ENTRIES } from '../../src/pipeline/train/settings.ts';

describe('settings of losses and augmentations', () => {
  const ofLosses = new Set(allLosses().flatMap(({ schema }) => Object.keys(schema.shape)));

  it('have names of their own among the settings of a training run, whose file and options hold all', () => {
    const taken = allLosses().flatMap(({ name, schema }) =>
      Object.keys(schema.shape)
        .filter((key) => key in SETTING_ENTRIES)
        .map((key) => `${name}: ${key}`),
    );
    expect(taken).toEqual([]);
  });

  it('of augmentations have names that nothing else has', () => {
    const names = allAugmentations().flatMap(({ schema }) => Object.keys(schema.shape));
    expect(names.filter((name) => name in SETTING_ENTRIES || ofLosses.has(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });
});
