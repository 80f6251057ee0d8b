import { describe, expect, it } from 'vitest';
import { CheckpointError } from '../../../src/core/errors.ts';
import { requireNetwork } from '../../../src/engine/checkpoint/checkpoint.ts';
import { readSafetensors, writeSafetensors } from '../../../src/engine/checkpoint/safetensors.ts';
import { decodeModel, encodeModel, type Model } from '../../../src/pipeline/models/model.ts';
import { variantConfig } from '../../../src/study/presets/index.ts';
import { makeModel } from './make.ts';

/** The bytes of a model with something of its file changed. */
function tampered(
  change: (parts: { tensors: Map<string, unknown>; metadata: Record<string, string> }) => void,
  model: Model = makeModel(),
): Uint8Array {
  const { tensors, metadata } = readSafetensors(encodeModel(model), 'm');
  const parts = { tensors: new Map(tensors) as Map<string, never>, metadata: Object.fromEntries(metadata) };
  change(parts);
  return writeSafetensors(parts.tensors, parts.metadata);
}

/** What the metadata holds. */
interface Description {
  version: number;
  model?: { network: { config: object } };
}

/** The same with the description changed. */
function redescribed(change: (description: Description) => void): Uint8Array {
  return tampered(({ metadata }) => {
    const content = JSON.parse(metadata.voxelgrad!);
    change(content);
    metadata.voxelgrad = JSON.stringify(content);
  });
}

describe('a model', () => {
  it('comes back bit for bit', () => {
    const model = makeModel('multi-input');
    const back = decodeModel(encodeModel(model), 'm');
    expect(back.info).toEqual(model.info);
    expect(new Map([...back.weights].sort())).toEqual(new Map([...model.weights].sort()));
  });

  it('is read from a file of version 1, which holds the configuration of its network alone', () => {
    const model = makeModel('cross-stitch');
    const old = tampered(({ metadata }) => {
      const content = JSON.parse(metadata.voxelgrad!) as Description;
      const before = { ...content.model, network: content.model!.network.config };
      metadata.voxelgrad = JSON.stringify({ ...content, version: 1, model: before });
    }, model);
    expect(decodeModel(old, 'm').info).toEqual(model.info);
  });

  it('has equal bytes for equal content, whatever the order it was gathered in', () => {
    const model = makeModel();
    const shuffled = { ...model, weights: new Map([...model.weights].reverse()) };
    expect(encodeModel(shuffled)).toEqual(encodeModel(model));
    expect(encodeModel(makeModel('single', 2))).not.toEqual(encodeModel(model));
  });

  it("has PyTorch's names, layouts and its mark in the metadata", () => {
    const { tensors, metadata } = readSafetensors(encodeModel(makeModel('multi-output')), 'm');
    expect(metadata.get('format')).toBe('pt');
    expect(tensors.get('encoder.0.conv1.weight')!.shape).toEqual([2, 2, 3, 3, 3]);
    expect(tensors.get('encoder.1.norm2.running_var')!.shape).toEqual([4]);
    expect(tensors.get('decoder.0.up.weight')!.shape).toEqual([4, 2, 2, 2, 2]);
    expect(tensors.get('heads.tissue.bias')!.shape).toEqual([4]);
    for (const { data } of tensors.values()) expect(data).toBeInstanceOf(Float32Array);
  });

  it('is refused by what wants another, naming both', () => {
    const model = makeModel('single');
    const wider = variantConfig('single', ['FLAIR', 'T1w'], { baseChannels: 4, levels: 2 });
    expect(() => requireNetwork(model, wider, 'm')).toThrow(
      "the model's encoder.0.conv1.weight is 2x2x3x3x3, but 4x2x3x3x3 is wanted",
    );
    const deeper = variantConfig('single', ['FLAIR', 'T1w'], { baseChannels: 2, levels: 3 });
    expect(() => requireNetwork(model, deeper, 'm')).toThrow(
      "the model's encoder.2.conv1.weight is absent, but 8x4x3x3x3 is wanted",
    );
    const twoHeads = makeModel('multi-output');
    expect(() => requireNetwork(twoHeads, model.info.network, 'm')).toThrow(
      "the model's heads.tissue.weight is 4x2x1x1x1, but none is wanted",
    );
    requireNetwork(model, model.info.network, 'm');
  });

  it('is not written with a tensor missing, surplus, of another size or not finite', () => {
    const change = (edit: (weights: Map<string, Float32Array>) => void): (() => void) => {
      const model = makeModel();
      const weights = new Map(model.weights);
      edit(weights);
      return () => encodeModel({ ...model, weights });
    };
    expect(change((w) => w.delete('heads.lesion.bias'))).toThrow('the model: heads.lesion.bias 2 is missing');
    expect(change((w) => w.set('extra', new Float32Array(1)))).toThrow('the network has no tensor extra');
    expect(change((w) => w.set('heads.lesion.bias', new Float32Array(3)))).toThrow('is 2, but has 3 values');
    expect(change((w) => w.set('heads.lesion.bias', new Float32Array([Number.NaN, 1])))).toThrow(
      'heads.lesion.bias has 1 values among 2 that are not finite',
    );
  });

  it.each<[string, () => Uint8Array, string | RegExp]>([
    [
      'no metadata',
      () => tampered(({ metadata }) => delete metadata.voxelgrad),
      'm: has no voxelgrad metadata',
    ],
    [
      'metadata that is not JSON',
      () =>
        tampered(({ metadata }) => {
          metadata.voxelgrad = '{';
        }),
      'm: has no voxelgrad metadata',
    ],
    [
      'a newer version',
      () => redescribed((d) => Object.assign(d, { version: 3 })),
      'checkpoint version 3; this program reads up to 2',
    ],
    [
      'another kind',
      () => redescribed((d) => Object.assign(d, { kind: 'training' })),
      'is a "training" checkpoint, not a model one',
    ],
    ['no description', () => redescribed((d) => delete d.model), /the description of the network is wrong/],
    [
      'an unknown preset, as of before there were tasks',
      () =>
        redescribed((d) => {
          const { network, patch, settings } = d.model as unknown as Record<string, unknown>;
          const old = { network, patch, settings, variant: 'double', modalities: ['FLAIR'], threshold: 0.5 };
          Object.assign(d, { model: old });
        }),
      /is wrong: there is no preset "double"/,
    ],
    [
      'a threshold above 1',
      () =>
        redescribed((d) =>
          Object.assign(d.model!, { decisions: { lesion: { kind: 'threshold', thresholds: [2] } } }),
        ),
      /is wrong: decisions.lesion.thresholds.0: /,
    ],
    [
      'a task that the network does not fit',
      () =>
        redescribed((d) => {
          const model = d.model as unknown as { task: { heads: { labels: string[] }[] }; decisions: object };
          model.task.heads[0]!.labels = ['a', 'b'];
          Object.assign(model.task.heads[0]!, { decision: 'argmax' });
          Object.assign(model.decisions, { lesion: { kind: 'argmax' } });
        }),
      /is wrong: head lesion needs 3 channels; the network has 2/,
    ],
    [
      'an enormous network',
      () => redescribed((d) => Object.assign(d.model!.network.config, { inChannels: 1e9 })),
      /is wrong: network unet: inChannels: /,
    ],
    [
      'levels that do not pair up',
      () => redescribed((d) => Object.assign(d.model!.network.config, { up: [] })),
      /is wrong: network unet: the configuration: the decoder has one level less/,
    ],
    [
      'a missing tensor',
      () => tampered(({ tensors }) => tensors.delete('encoder.0.norm1.running_mean')),
      'encoder.0.norm1.running_mean 2 is missing',
    ],
    [
      'a tensor too many',
      () => tampered(({ tensors }) => tensors.set('x', { shape: [1], data: new Float32Array(1) })),
      'x is 1, but the network it describes has no such tensor',
    ],
    [
      'a tensor of another shape',
      () =>
        tampered(({ tensors }) =>
          tensors.set('heads.lesion.bias', { shape: [2, 1], data: new Float32Array(2) }),
        ),
      'heads.lesion.bias is 2x1, but the network it describes has 2 F32',
    ],
    [
      'a tensor of another type',
      () =>
        tampered(({ tensors }) => tensors.set('heads.lesion.bias', { shape: [2], data: new Uint32Array(2) })),
      'heads.lesion.bias is 2, but the network it describes has 2 F32',
    ],
    [
      'NaN',
      () =>
        tampered(({ tensors }) =>
          tensors.set('heads.lesion.bias', { shape: [2], data: new Float32Array([1, Number.NaN]) }),
        ),
      'heads.lesion.bias has 1 values among 2 that are not finite',
    ],
  ])('with %s is refused', (_, bytes, message) => {
    expect(() => decodeModel(bytes(), 'm')).toThrow(CheckpointError);
    expect(() => decodeModel(bytes(), 'm')).toThrow(message);
  });
});
