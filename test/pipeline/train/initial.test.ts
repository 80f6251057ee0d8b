import { existsSync, readdirSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { importNnUNet } from '../../../src/pipeline/exchange/nnunet/import.ts';
import { decodeModel, type Model } from '../../../src/pipeline/models/model.ts';
import { initialWeights, settingsOfModel } from '../../../src/pipeline/train/initial.ts';
import { prepareTraining } from '../../../src/pipeline/train/prepare.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { trainInFolder } from '../../../src/pipeline/train/run-folder.ts';
import { type ResolvedTrainSettings, trainSettings } from '../../../src/pipeline/train/settings.ts';
import { NodeFolder } from '../../../src/platform/node-files.ts';
import { bidsPatient, tree } from '../../imaging/dataset/make.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinyFolder } from '../../support/nnunet-folder.ts';
import { tinyData } from './fixture.ts';

const at = useGpu();
let earlier: Model;

beforeAll(async () => {
  const files = new MemoryFiles('earlier');
  await trainInFolder(at.gpu, await tinyData({ modalities: ['FLAIR', 'T1w'] }), files, {
    resume: false,
    version: '1',
  });
  earlier = decodeModel(files.files.get('model.safetensors')!, 'earlier');
});

function settingsFor(model: Model, changes: object = {}): ResolvedTrainSettings {
  const other = 'modalities' in changes || 'task' in changes;
  const settings = trainSettings({ ...settingsOfModel(model.info, other), steps: 2, ...changes });
  return { ...settings, subjects: ['01'], modalities: settings.modalities ?? model.info.task.channels };
}

/** Weights [out, in, taps] of one input channel. */
function ofChannel(values: Float32Array, channels: number, channel: number): number[] {
  const taps = 27;
  return [...values].filter((_, i) => Math.floor(i / taps) % channels === channel);
}

const FIRST = 'encoder.0.conv1.weight';

describe('a run that begins from a trained network', () => {
  it('takes all of it where nothing differs, with its task, widths and patch', () => {
    const settings = settingsFor(earlier);
    expect(settings).toMatchObject({ preset: 'single', patch: 8, levels: 2, baseChannels: 2 });
    const { weights, notes } = initialWeights(earlier, settings);
    expect(notes).toEqual([]);
    expect(weights).toEqual(earlier.weights);
  });

  it('moves weights of images by their names; an image that is new begins with 0', () => {
    const [a, b] = earlier.info.task.channels as readonly [string, string];
    const modalities = [b, 'T2w', a];
    const { weights, notes } = initialWeights(earlier, settingsFor(earlier, { modalities }));
    expect(notes).toEqual(['T2w is new to the network: it begins with weights of 0']);
    const before = earlier.weights.get(FIRST)!;
    const now = weights.get(FIRST)!;
    expect(ofChannel(now, 3, 0)).toEqual(ofChannel(before, 2, 1));
    expect(ofChannel(now, 3, 2)).toEqual(ofChannel(before, 2, 0));
    expect(new Set(ofChannel(now, 3, 1))).toEqual(new Set([0]));
    for (const [name, values] of weights)
      if (name !== FIRST) expect(values).toEqual(earlier.weights.get(name));

    const alone = initialWeights(earlier, settingsFor(earlier, { modalities: [b] }));
    expect(alone.notes).toEqual([`${a} is no longer read`]);
    expect(ofChannel(alone.weights.get(FIRST)!, 1, 0)).toEqual(ofChannel(before, 2, 1));
  });

  it('maps labels by their names, and says which begin at random', () => {
    const own = earlier.info.task.heads[0]!;
    const head = { ...own, labels: ['new', ...own.labels], target: { from: 'dseg', values: [2, 1] } };
    const task = { ...earlier.info.task, name: 'two', heads: [{ ...head, decision: 'argmax' }] };
    const { weights, notes } = initialWeights(earlier, settingsFor(earlier, { task, preset: null }));
    expect(notes).toEqual(['new is new to the network: it begins at random']);
    const [name] = [...weights.keys()].filter((each) => /^heads\..*weight$/.test(each));
    const before = earlier.weights.get(name!)!;
    const now = weights.get(name!)!;
    const width = before.length / 2;
    expect(now).toHaveLength(3 * width);
    expect([...now.slice(0, width)]).toEqual([...before.slice(0, width)]);
    expect([...now.slice(2 * width)]).toEqual([...before.slice(width)]);
    expect([...now.slice(width, 2 * width)]).not.toEqual([...before.slice(width)]);
  });

  it('refuses a network of which nothing fits, and the mean of several', () => {
    const settings = settingsFor(earlier, { network: 'meshnet', networkConfig: null });
    expect(() => initialWeights(earlier, settings)).toThrow(CheckpointError);
    expect(() => initialWeights(earlier, settings)).toThrow(/nothing of the network to begin from fits/);
    const spec = { kind: 'ensemble', config: { members: 2, of: earlier.info.network } };
    expect(() => settingsOfModel({ ...earlier.info, network: spec })).toThrow(/the mean of several/);
  });

  it('goes on from an imported nnU-Net, twice with the same bits, and says whose preparation it has', async () => {
    const { model } = await importNnUNet(tinyFolder());
    await fineTune(model, 20);
  });

  const made = '/work/shared/models/nnunet';
  it.skipIf(!existsSync(made))('takes all of the networks that nnU-Net’s own code made', async () => {
    for (const name of readdirSync(made)) {
      const { model } = await importNnUNet(new NodeFolder(`${made}/${name}`));
      const { weights, notes } = initialWeights(model, settingsFor(model));
      expect(weights).toEqual(model.weights);
      expect(notes).toEqual([expect.stringMatching(/was made elsewhere/)]);
    }
  });
});

/** Trains twice from a model with one label, on scans with as many images. */
async function fineTune(model: Model, steps: number): Promise<void> {
  const names = ['FLAIR', 'T1w', 'T2w'].slice(0, model.info.task.channels.length);
  const dataset = await openDataset(tree({ ...bidsPatient('01'), ...bidsPatient('02') }));
  const [own] = model.info.task.heads;
  const head = { ...own!, labels: ['lesion'], target: { from: 'mask' }, decision: 'threshold' };
  const task = { ...model.info.task, channels: names, heads: [head] };
  const settings = trainSettings({
    ...settingsOfModel(model.info, true),
    task,
    modalities: names,
    patch: 8,
    batch: 1,
    steps,
  });
  const data = await prepareTraining(dataset, settings);
  const { weights, notes } = initialWeights(model, data.settings);
  expect(notes.at(-1) + notes.join()).toMatch(/was made elsewhere/);
  const run = async (): Promise<string> =>
    (await train(at.gpu, { settings: data.settings, scans: data.scans, initial: weights })).hash;
  expect(await run()).toBe(await run());
}
