import { describe, expect, it } from 'vitest';
import { allLosses } from '../../src/engine/loss/index.ts';
import { SETTING_ENTRIES } from '../../src/pipeline/train/settings.ts';

describe('settings of losses', () => {
  it('have names of their own among the settings of a training run, whose file and options hold both', () => {
    const taken = allLosses().flatMap(({ name, schema }) =>
      Object.keys(schema.shape)
        .filter((key) => key in SETTING_ENTRIES)
        .map((key) => `${name}: ${key}`),
    );
    expect(taken).toEqual([]);
  });
});
