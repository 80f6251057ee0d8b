import { describe, expect, it } from 'vitest';
import { z } from 'zod/mini';
import { SETTING_ARGS } from '../../../src/cli/settings.ts';
import { defineLoss } from '../../../src/engine/loss/loss.ts';
import { networkOf } from '../../../src/pipeline/train/network.ts';
import { checkOf, kindOf, lossEntries } from '../../../src/pipeline/train/setting-checks.ts';
import type { AnyEntry } from '../../../src/pipeline/train/setting-entry.ts';
import { settingEntries, trainSettings } from '../../../src/pipeline/train/settings.ts';
import { stepRequest } from '../../../src/pipeline/train/step-request.ts';

const entries = Object.entries(settingEntries());

describe('every setting', () => {
  it.each(entries)('%s says what it does, and its default passes its own check', (_, entry) => {
    expect(String(entry.help)).toMatch(/^[A-Z].{9,}[^.]$/);
    if ('default' in entry) expect(checkOf(entry).parse(undefined)).toEqual(entry.default);
    else expect(() => checkOf(entry).parse(undefined)).toThrow();
    expect(() => checkOf(entry).parse(Symbol('nothing'))).toThrow();
  });

  it('is a field of the settings and an option of the command line', () => {
    const names = entries.map(([name]) => name);
    const used = Object.keys(settingEntries('generalized-dice', ['mirror', 'intensity']));
    expect(Object.keys(trainSettings({ preset: 'single' })).sort()).toEqual(used.sort());
    expect(names).toEqual(expect.arrayContaining(used));
    const options = names.map((name) => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`));
    expect(Object.keys(SETTING_ARGS)).toEqual(options.filter((name) => name !== 'seed'));
  });

  it('becomes an option with its help, its default and what it takes', () => {
    expect(SETTING_ARGS.patch).toEqual({
      type: 'string',
      valueHint: 'N|ZxYxX',
      description: 'Edge of the patch in voxels, or its three edges along z, y, x (default 64)',
    });
    expect(SETTING_ARGS.flips).toMatchObject({ type: 'enum', options: ['on', 'off'] });
    expect(SETTING_ARGS.recompute.type).toBe('boolean');
    expect(SETTING_ARGS.epochs.description).toBe('How long; or --steps, or --minutes (default 100)');
  });
});

describe('the settings of an augmentation', () => {
  it('are checked and filled in if it is used, and refused if it is not', () => {
    const settings = trainSettings({
      preset: 'single',
      augment: ['rotation', 'mirror'],
      rotationDegrees: 10,
    });
    expect(settings).toMatchObject({ rotationDegrees: 10, rotationProbability: 0.2, flips: true });
    expect(settings).not.toHaveProperty('intensity');
    expect(trainSettings({ preset: 'single', augment: ['none'] })).not.toHaveProperty('flips');
    expect(() => trainSettings({ preset: 'single', rotationDegrees: 10 })).toThrow(
      'rotationDegrees is of the augmentation rotation, which is not used',
    );
    expect(() => trainSettings({ preset: 'single', augment: ['rotate'] })).toThrow(
      /augment is \["rotate"\]; expected names of mirror, rotation, .*modality-dropout, or none$/,
    );
    expect(() => trainSettings({ preset: 'single', augment: ['gamma'], gammaLow: 0 })).toThrow(
      /gammaLow is 0; /,
    );
  });
});

describe('the settings of a loss', () => {
  it('are checked and filled in by the loss that is chosen', () => {
    const settings = trainSettings({ preset: 'single', loss: 'focal-tversky', gamma: 2 });
    expect(settings).toMatchObject({ loss: 'focal-tversky', gamma: 2, beta: 0.3 });
    expect(trainSettings({ preset: 'single', loss: 'dice-ce' }).crossEntropy).toBe(1);
    expect(trainSettings({ preset: 'single' })).toMatchObject({ crossEntropy: 0 });
    expect(trainSettings({ preset: 'single' })).not.toHaveProperty('gamma');
    const request = stepRequest({ ...settings, modalities: ['FLAIR'] });
    expect(request.objectives[0]!.loss).toMatchObject({ name: 'focal-tversky', settings: { gamma: 2 } });
  });

  it('are refused with another loss, which is told with those that have them', () => {
    expect(() => trainSettings({ preset: 'single', loss: 'dice', gamma: 2 })).toThrow(
      'gamma does not go with loss: dice',
    );
    expect(() => trainSettings({ preset: 'single', loss: 'focal-tversky', gamma: 0 })).toThrow(
      /gamma is 0; /,
    );
    expect(() => trainSettings({ preset: 'single', loss: 'hinge' })).toThrow(
      /loss is "hinge"; expected one of .*generalized-dice/,
    );
  });

  it('and networks and presets are chosen among what exists', () => {
    expect(() => trainSettings({ preset: 'single', network: 'vnet' })).toThrow(
      /network is "vnet"; expected one of unet, nnunet, meshnet/,
    );
    const settings = trainSettings({ preset: 'single', network: 'meshnet', patch: 7 });
    expect(networkOf({ ...settings, modalities: ['FLAIR'] }).kind).toBe('meshnet');
    expect(SETTING_ARGS.network).toMatchObject({ type: 'enum' });
    expect(SETTING_ARGS['network-config'].type).toBe('string');
  });
});

describe('the kind of a value', () => {
  it.each<[z.ZodMiniType, ReturnType<typeof kindOf>]>([
    [z.int(), { kind: 'number' }],
    [z.nullable(z.number()), { kind: 'number' }],
    [z.nullable(z.array(z.string())), { kind: 'words' }],
    [z.string(), { kind: 'text' }],
    [z.boolean(), { kind: 'boolean' }],
    [z.nullable(z.record(z.string(), z.unknown())), { kind: 'object' }],
    [z.enum(['a', 'b']), { kind: 'choice', choices: ['a', 'b'] }],
  ])('follows from the schema: %#', (schema, kind) => {
    const entry: AnyEntry = { help: '', schema };
    expect(kindOf(entry)).toEqual(kind);
  });
});

describe('settings of losses', () => {
  const made = (name: string, shape: Record<string, z.ZodMiniType>) =>
    defineLoss({
      name,
      title: name,
      activations: ['softmax'],
      schema: z.strictObject(shape),
      record: (_, { output }) => output,
    });

  it('come from the losses, which are named where not all have them', () => {
    const smooth = z._default(z.number().check(z.describe('added to both sums')), 0.5);
    const gamma = z._default(z.number().check(z.describe('how much hard voxels count')), 2);
    const found = lossEntries([made('one', { smooth }), made('two', { smooth, gamma })]);
    expect(Object.keys(found)).toEqual(['smooth', 'gamma']);
    expect(found.smooth).toMatchObject({ help: 'Added to both sums', default: 0.5 });
    expect(found.gamma!.help).toBe('How much hard voxels count, for two');
  });
});
