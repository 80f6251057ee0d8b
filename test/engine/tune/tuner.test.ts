import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { TuningCache, tuningKey } from '../../../src/engine/tune/cache.ts';
import { networkSlots } from '../../../src/engine/tune/network-slots.ts';
import { tuneSlot } from '../../../src/engine/tune/tune.ts';
import { tunedKernels, tuneNetwork } from '../../../src/engine/tune/tuner.ts';
import { TrainingSession } from '../../../src/pipeline/train/session.ts';
import { stepRequest } from '../../../src/pipeline/train/step-request.ts';
import { tinyData, tinySettings } from '../../pipeline/train/fixture.ts';
import { useGpu } from '../../support/gpu.ts';

const SHAPE = stepRequest({
  ...tinySettings({ batch: 2 }),
  modalities: ['FLAIR', 'T1w'],
});

const host = useGpu();

describe('networkSlots', () => {
  it('asks what a training session asks, with all its candidates', async () => {
    const { settings, scans } = await tinyData();
    const { capabilities } = host.gpu;
    const session = await TrainingSession.create(Gpu.counting(capabilities), scans, settings);
    const slots = await networkSlots(capabilities, stepRequest(settings));
    const found = new Map(slots.map(({ slot, candidates }) => [slot, candidates[0]!.variant]));
    for (const [slot, variant] of session.choices) expect(found.get(slot), slot).toBe(variant);
    // Beside the step's, only those of single tiles.
    const others = [...found.keys()].filter((slot) => !session.choices.has(slot));
    expect(others.every((slot) => slot.includes('forward') && slot.includes('@1x'))).toBe(true);
    const wide = slots.find(({ slot }) => slot.includes('forward') && slot.includes('k3'))!;
    expect(wide.candidates.length).toBeGreaterThan(1);
    expect(new Set(wide.candidates.map(({ variant }) => variant)).size).toBe(wide.candidates.length);
  });
});

describe('tuneSlot', () => {
  it('lets no candidate win that computes something else, however fast', async () => {
    const slots = await networkSlots(host.gpu.capabilities, SHAPE);
    const honest = slots.find(({ slot, candidates }) => slot.includes('forward') && candidates.length > 1)!;
    const [real, ...rest] = honest.candidates;
    // One that leaves out all but its first dispatch is fast and wrong.
    const other = honest.candidates.find(({ section }) => section.commands.length > 1)!;
    const section = { ...other.section, commands: other.section.commands.slice(0, 1) };
    const cheat = { variant: 'cheat-subgroup', section };
    const tuned = await tuneSlot(host.gpu, { ...honest, candidates: [real!, cheat, ...rest] });
    expect(tuned.variant).not.toBe('cheat-subgroup');
    expect(Object.keys(tuned.times)).not.toContain('cheat-subgroup');
    expect(Object.keys(tuned.times)).toContain(real!.variant);
    expect(host.gpu.buffers).toEqual([]);
  });

  it('lets no candidate win that takes too long to compile, the best guess excepted', async () => {
    const slots = await networkSlots(host.gpu.capabilities, SHAPE);
    const slot = slots.find(({ candidates }) => candidates.length > 2)!;
    const tuned = await tuneSlot(host.gpu, slot, { compileSeconds: 0, rounds: 1 });
    const guess = slot.candidates[0]!.variant;
    expect(Object.keys(tuned.times)).toContain(guess);
    expect(Object.keys(tuned.times).length).toBeLessThanOrEqual(2);
  });
});

describe('tuneNetwork', () => {
  it('keeps its choices, which are then known and wanted', { timeout: 300_000 }, async () => {
    const files = new MemoryFiles();
    const { capabilities } = host.gpu;
    expect(await tunedKernels(capabilities, SHAPE, files)).toEqual({});
    const first = await tuneNetwork(host.gpu, SHAPE, files, { again: false, rounds: 1 });
    expect(first.every(({ searched }) => searched)).toBe(true);
    const wanted = await tunedKernels(capabilities, SHAPE, files);
    expect(wanted).toEqual(Object.fromEntries(first.map(({ slot, variant }) => [slot, variant])));
    const second = await tuneNetwork(host.gpu, SHAPE, files, { again: false });
    expect(second.some(({ searched }) => searched)).toBe(false);
    expect(second.map(({ variant }) => variant)).toEqual(first.map(({ variant }) => variant));

    // A broken file is no cache, and the next search replaces it.
    const [path] = [...files.files.keys()];
    files.files.set(path!, new TextEncoder().encode('{"key":'));
    expect(await tunedKernels(capabilities, SHAPE, files)).toEqual({});
    const third = await tuneNetwork(host.gpu, SHAPE, files, { again: false, rounds: 1 });
    expect(third.every(({ searched }) => searched)).toBe(true);
    expect(await tunedKernels(capabilities, SHAPE, files)).not.toEqual({});
  });
});

describe('TuningCache', () => {
  const slots = new Map([['conv3d/forward x', { variant: 'tile', times: { tile: 1.5 } }]]);

  it('gives back what was written, under its key alone', async () => {
    const cache = new TuningCache(new MemoryFiles());
    const key = await tuningKey(host.gpu.capabilities);
    await cache.add(key, slots);
    expect(await cache.read(key)).toEqual(slots);
    for (const other of [
      { ...key, adapter: 'another' },
      { ...key, driver: 'another' },
      { ...key, shaders: 'changed' },
      { ...key, subgroupSize: 64 },
    ])
      expect(await cache.read(other)).toEqual(new Map());
  });

  it.each([
    ['nothing', ''],
    ['no JSON', '\u0000'],
    ['another thing', '[]'],
    ['slots of another form', '{"key":{},"slots":{"a":1}}'],
  ])('takes %s for an empty cache', async (_, text) => {
    const files = new MemoryFiles();
    const cache = new TuningCache(files);
    const key = await tuningKey(host.gpu.capabilities);
    await files.write(await cache.path(key), new TextEncoder().encode(text));
    expect(await cache.read(key)).toEqual(new Map());
    await cache.add(key, slots);
    expect(await cache.read(key)).toEqual(slots);
  });

  it('keeps what several processes find at the same time', async () => {
    const files = new MemoryFiles();
    const key = await tuningKey(host.gpu.capabilities);
    const found = ['a', 'b', 'c', 'd'].map((slot) => new Map([[slot, { variant: 'tile', times: {} }]]));
    await Promise.all(found.map((own) => new TuningCache(files).add(key, own)));
    expect([...(await new TuningCache(files).read(key)).keys()].sort()).toEqual(['a', 'b', 'c', 'd']);
  });

  it('does not take the file of another key under its own name', async () => {
    const files = new MemoryFiles();
    const cache = new TuningCache(files);
    const key = await tuningKey(host.gpu.capabilities);
    const other = { ...key, adapter: 'another' };
    await cache.add(other, slots);
    files.files.set(await cache.path(key), files.files.get(await cache.path(other))!);
    expect(await cache.read(key)).toEqual(new Map());
  });
});
