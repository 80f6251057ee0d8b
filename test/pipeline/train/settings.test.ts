import { describe, expect, it } from 'vitest';
import { Options } from '../../../src/cli/common.ts';
import { gatherSettings, optionWords } from '../../../src/cli/settings.ts';
import { UsageError, type VoxelgradError } from '../../../src/core/errors.ts';
import { canonicalJson, toJson } from '../../../src/core/json.ts';
import { settingsHash, trainSettings } from '../../../src/pipeline/train/settings.ts';

describe('trainSettings', () => {
  it("fills in the paper's settings", () => {
    expect(trainSettings({ preset: 'single' })).toMatchObject({
      epochs: 100,
      steps: null,
      minutes: null,
      patch: 64,
      batch: 2,
      baseChannels: 16,
      levels: 4,
      lr: 5e-4,
      loss: 'generalized-dice',
      weights: 'square',
      tpr: 'off',
      foregroundShare: 1 / 3,
      precision: 'f32',
      overlap: 0.5,
      rater: '1',
      modalities: null,
    });
  });

  it('adds the corrected TPR term to the multi-task nets unless told otherwise', () => {
    expect(trainSettings({ preset: 'multi-input' }).tpr).toBe('1-tpr');
    expect(trainSettings({ preset: 'multi-output' }).tpr).toBe('1-tpr');
    expect(trainSettings({ preset: 'multi-output', tpr: 'off' }).tpr).toBe('off');
    expect(trainSettings({ preset: 'single', tpr: '+tpr' }).tpr).toBe('+tpr');
  });

  it('knows settings by the names that older files have', () => {
    const old = { variant: 'multi-input', tissue: 'spm', tissueWeight: 2, lesionShare: 0.5 };
    expect(trainSettings(old)).toMatchObject({
      preset: 'multi-input',
      task: null,
      maps: 'spm',
      auxiliaryWeight: 2,
      foregroundShare: 0.5,
      tpr: '1-tpr',
    });
  });

  it('takes a task in place of a preset, with the usual loss', () => {
    const task = { name: 'x', heads: [{ name: 'a', labels: ['b'], target: { from: 'mask' } }] };
    const settings = trainSettings({ task });
    expect(settings).toMatchObject({ preset: null, tpr: 'off', task: { name: 'x', channels: null } });
    expect(trainSettings(toJson(settings))).toEqual(settings);
  });

  it('takes its own result again', () => {
    const settings = trainSettings({ preset: 'multi-output', minutes: 3, subjects: ['07'] });
    expect(settings.epochs).toBeNull();
    expect(trainSettings(toJson(settings))).toEqual(settings);
  });

  it.each<[object, string | RegExp]>([
    [{}, 'preset is missing'],
    [{ preset: 'single', task: {} }, 'preset and task exclude each other'],
    [{ task: { name: 'x' } }, 'task: heads is missing'],
    [{ preset: 'double' }, 'there is no preset "double"'],
    [{ preset: 'single', epoch: 3 }, 'there is no setting "epoch"'],
    [{ preset: 'single', epochs: 3, steps: 4 }, 'epochs and steps exclude each other'],
    [{ preset: 'single', patch: 60 }, 'patch must be a multiple of 8 with 4 levels, not 60'],
    [{ preset: 'single', patch: 4, levels: 4 }, /multiple of 8/],
    [{ preset: 'single', patch: [20, 64, 64] }, 'a multiple of 8 with 4 levels, not 20x64x64'],
    [{ preset: 'single', patch: [16, 64] }, 'patch is [16,64]; expected a number, or three along z, y, x'],
    [{ preset: 'single', patch: '64' }, 'patch is "64"; expected a number, or three along z, y, x'],
    [{ preset: 'single', patch: 0 }, /^patch is 0; Too small/],
    [{ preset: 'single', batch: 0 }, /^batch is 0; /],
    [{ preset: 'single', batch: 1.5 }, /^batch is 1.5; /],
    [{ preset: 'single', batch: '2' }, /^batch is "2"; expected/],
    [{ preset: 'single', lr: 0 }, /^lr is 0; /],
    [{ preset: 'single', lr: Number.NaN }, /^lr is /],
    [{ preset: 'single', overlap: 1 }, /^overlap is 1; /],
    [{ preset: 'single', precision: 'f64' }, /^precision is "f64"; expected one of "f32"/],
    [{ preset: 'single', subjects: [] }, /^subjects is \[\]; /],
    [{ preset: 'single', subjects: ['07', 8] }, /^subjects.1 is 8; /],
    [{ preset: 'single', seed: -1 }, /^seed is -1; /],
    [[1, 2], 'settings are a JSON object, not [1,2]'],
  ])('refuses %j', (input, message) => {
    expect(() => trainSettings(input)).toThrow(UsageError);
    expect(() => trainSettings(input)).toThrow(message);
  });

  it('takes a patch that is not a cube, and writes each box in one way', () => {
    expect(trainSettings({ preset: 'single', patch: [16, 64, 32] }).patch).toEqual([16, 64, 32]);
    expect(trainSettings({ preset: 'single', patch: [64, 64, 64] })).toEqual(
      trainSettings({ preset: 'single', patch: 64 }),
    );
  });

  it('hints at a patch that fits', () => {
    try {
      trainSettings({ preset: 'single', patch: 61 });
      expect.unreachable();
    } catch (error) {
      expect((error as VoxelgradError).hint).toBe('Choose 64, or fewer levels.');
    }
  });

  it('has a hash that every setting counts in, and the order of keys does not', async () => {
    const a = trainSettings({ preset: 'single', seed: 1, lr: 0.001 });
    const b = trainSettings({ lr: 0.001, seed: 1, preset: 'single' });
    expect(await settingsHash(a)).toMatch(/^[0-9a-f]{64}$/);
    expect(await settingsHash(b)).toBe(await settingsHash(a));
    expect(await settingsHash({ ...a, seed: 2 })).not.toBe(await settingsHash(a));
  });
});

describe('canonicalJson', () => {
  it('sorts keys at every depth and keeps the order of lists', () => {
    expect(canonicalJson({ b: [{ z: 1, a: 2 }, 3], a: null })).toBe('{"a":null,"b":[{"a":2,"z":1},3]}');
  });
});

describe('gatherSettings', () => {
  const gather = (values: Record<string, unknown>, text?: string) =>
    gatherSettings(new Options(values), text === undefined ? undefined : { name: 'run.json', text });

  it('puts options over the file and the file over the defaults', () => {
    const file = '{"preset":"multi-input","batch":4,"lr":0.01,"flips":false}';
    expect(gather({ batch: '3', 'base-channels': '8', subjects: '07,19' }, file)).toMatchObject({
      preset: 'multi-input',
      batch: 3,
      baseChannels: 8,
      subjects: ['07', '19'],
      lr: 0.01,
      flips: false,
      patch: 64,
    });
    expect(gather({ flips: 'on' }, file).flips).toBe(true);
    expect(gather({ precision: 'f16' }, file).precision).toBe('f16');
  });

  it("lets an option replace the file's kind of length", () => {
    const text = '{"preset":"single","epochs":7,"steps":null}';
    expect(gather({}, text).epochs).toBe(7);
    expect(gather({ steps: '5' }, text)).toMatchObject({ epochs: null, steps: 5 });
  });

  it("keeps the file's seed unless one is given", () => {
    expect(gather({}, '{"preset":"single","seed":9}').seed).toBe(9);
    expect(gather({ seed: '3' }, '{"preset":"single","seed":9}').seed).toBe(3);
  });

  it('takes a file that holds the settings beside other things', () => {
    expect(gather({}, '{"settings":{"preset":"single","batch":1},"adapter":{}}').batch).toBe(1);
  });

  it('blames the option or the file', () => {
    const told = (values: Record<string, unknown>): string => {
      try {
        gather(values);
      } catch (error) {
        return (error as VoxelgradError).tell(optionWords).message;
      }
      return expect.unreachable();
    };
    expect(told({ preset: 'single', 'base-channels': '0' })).toMatch(/^--base-channels is 0; /);
    expect(told({ preset: 'single', epochs: '1', minutes: '2' })).toBe(
      '--epochs and --minutes exclude each other',
    );
    expect(told({})).toBe('--preset is missing');
    expect(() => gather({ preset: 'single', lr: 'fast' })).toThrow('--lr must be a number, not "fast"');
    expect(() => gather({ batch: '1' }, '{"batch":0}')).toThrow(/^run.json: batch is 0; /);
    expect(() => gather({}, '{"batch":1,}')).toThrow(/^run.json is not JSON: /);
    expect(() => gather({}, '[]')).toThrow('run.json must hold a JSON object');
    expect(() => gather({}, '{"__proto__":{"a":1},"preset":"single"}')).toThrow('no setting "__proto__"');
  });
});
