import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/core/errors.ts';
import { toJson } from '../../../src/core/json.ts';
import { designNetwork } from '../../../src/engine/nn/networks/index.ts';
import { mainThreshold, parseModelInfo, withThreshold } from '../../../src/pipeline/models/model.ts';
import { presetOf } from '../../../src/study/presets/index.ts';

const heads = [{ name: 'lesion', channels: 2 }];
const network = designNetwork('unet', {
  inChannels: 2,
  heads,
  baseChannels: 2,
  levels: 2,
  patch: [8, 8, 8],
});
const NOW = {
  task: { ...presetOf('single').task, channels: ['FLAIR', 'T1w'] },
  network,
  decisions: { lesion: { kind: 'threshold', thresholds: [0.4] } },
  patch: 8,
  settings: { seed: 1 },
};
/** As files were before there were tasks and kinds of networks. */
const OLD = {
  variant: 'single',
  modalities: ['FLAIR', 'T1w'],
  threshold: 0.4,
  network: network.config,
  patch: 8,
  settings: { variant: 'single' },
};

const parse = (value: unknown): ReturnType<typeof parseModelInfo> => parseModelInfo(toJson(value), 'm');

describe('the description of a model', () => {
  it('is read as it was written', () => {
    expect(toJson(parse(NOW))).toEqual(toJson(NOW));
    expect(parse({ ...NOW, patch: [4, 8, 8] }).patch).toEqual([4, 8, 8]);
  });

  it('of an older file is a preset with a threshold, and means the same', () => {
    expect(toJson({ ...parse(OLD), settings: NOW.settings })).toEqual(toJson(NOW));
  });

  it('takes another threshold for its main head', () => {
    const info = parse(NOW);
    expect(mainThreshold(info)).toBe(0.4);
    expect(mainThreshold(withThreshold(info, 0.7))).toBe(0.7);
  });

  it.each<[string, object, RegExp]>([
    ['a preset that nobody knows', { ...OLD, variant: 'double' }, /there is no preset "double"/],
    ['a threshold above 1', { ...OLD, threshold: 2 }, /threshold: Too big/],
    ['no patch', { ...NOW, patch: 0 }, /wrong: patch: /],
    ['a patch of two edges', { ...NOW, patch: [8, 8] }, /wrong: patch: /],
    [
      'a kind of network that does not exist',
      { ...NOW, network: { kind: 'vit', config: {} } },
      /no network kind "vit"/,
    ],
    [
      'fewer input channels than the task reads',
      { ...NOW, task: { ...NOW.task, channels: ['FLAIR'] } },
      /the network reads 2 channels, the task 1: FLAIR/,
    ],
    ['a head without a decision', { ...NOW, decisions: {} }, /head lesion has none that is a threshold/],
    [
      'a head that the network lacks',
      {
        ...NOW,
        task: { ...NOW.task, heads: [{ name: 'x', labels: ['x'], target: { from: 'mask' } }] },
        decisions: { x: NOW.decisions.lesion },
      },
      /head x needs 2 channels; the network has no such head/,
    ],
  ])('with %s is refused', (_, value, message) => {
    expect(() => parse(value)).toThrow(CheckpointError);
    expect(() => parse(value)).toThrow(message);
  });
});
