import { describe, expect, it } from 'vitest';
import {
  decodeModel,
  decodeTrainingState,
  encodeModel,
  encodeTrainingState,
  type Model,
  requireModel,
  type TrainingState,
} from '../../src/checkpoint/checkpoint.ts';
import { readSafetensors, writeSafetensors } from '../../src/checkpoint/safetensors.ts';
import { CheckpointError } from '../../src/core/errors.ts';
import { Random } from '../../src/core/random.ts';
import { sizeOf } from '../../src/core/shape.ts';
import { parameterSpecs, stateSpecs } from '../../src/nn/unet-config.ts';
import { type Variant, variantConfig } from '../../src/nn/variants.ts';

const WIDTHS = { baseChannels: 2, levels: 2 };

function makeModel(variant: Variant = 'single', seed = 1): Model {
  const random = new Random(seed);
  const modalities = ['FLAIR', 'T1w'];
  const network = variantConfig(variant, modalities, WIDTHS);
  const specs = [...parameterSpecs(network), ...stateSpecs(network)];
  const weights = new Map(
    specs.map(({ name, shape }) => [
      name,
      Float32Array.from({ length: sizeOf(shape) }, () => random.normal()),
    ]),
  );
  const settings = { variant, lr: 5e-4 };
  return { info: { variant, network, modalities, threshold: 0.25, patch: 32, settings }, weights };
}

function makeState(): TrainingState {
  const model = makeModel('multi-output');
  const moments = (value: number): Map<string, Float32Array> =>
    new Map(
      parameterSpecs(model.info.network).map(({ name, shape }) => [
        name,
        new Float32Array(sizeOf(shape)).fill(value),
      ]),
    );
  return {
    model,
    step: 12345,
    adamM: moments(0.5),
    adamV: moments(0.25),
    random: new Map([['patches', new Random(3).state]]),
    configHash: 'a'.repeat(64),
  };
}

/** The bytes of a model with something of its file changed. */
function tampered(
  change: (parts: { tensors: Map<string, unknown>; metadata: Record<string, string> }) => void,
): Uint8Array {
  const { tensors, metadata } = readSafetensors(encodeModel(makeModel()), 'm');
  const parts = { tensors: new Map(tensors) as Map<string, never>, metadata: Object.fromEntries(metadata) };
  change(parts);
  return writeSafetensors(parts.tensors, parts.metadata);
}

/** What the metadata holds. */
interface Description {
  model?: { network: object };
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
    expect(() => requireModel(model, { variant: 'multi-input' }, 'run/m')).toThrow(
      "run/m: the model's variant is single, but multi-input is wanted",
    );
    expect(() => requireModel(model, { modalities: ['T1w', 'FLAIR'] }, 'm')).toThrow(
      "the model's list of modalities is FLAIR,T1w, but T1w,FLAIR is wanted",
    );
    const wider = variantConfig('single', ['FLAIR', 'T1w'], { baseChannels: 4, levels: 2 });
    expect(() => requireModel(model, { network: wider }, 'm')).toThrow(
      "the model's encoder.0.conv1.weight is 2x2x3x3x3, but 4x2x3x3x3 is wanted",
    );
    const deeper = variantConfig('single', ['FLAIR', 'T1w'], { baseChannels: 2, levels: 3 });
    expect(() => requireModel(model, { network: deeper }, 'm')).toThrow(
      "the model's encoder.2.conv1.weight is absent, but 8x4x3x3x3 is wanted",
    );
    const twoHeads = makeModel('multi-output');
    expect(() => requireModel(twoHeads, { network: model.info.network }, 'm')).toThrow(
      "the model's heads.tissue.weight is 4x2x1x1x1, but none is wanted",
    );
    requireModel(
      model,
      { variant: 'single', modalities: ['FLAIR', 'T1w'], network: model.info.network },
      'm',
    );
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
      'metadata that is no JSON',
      () =>
        tampered(({ metadata }) => {
          metadata.voxelgrad = '{';
        }),
      'm: has no voxelgrad metadata',
    ],
    [
      'a newer version',
      () => redescribed((d) => Object.assign(d, { version: 2 })),
      'checkpoint version 2; this program reads up to 1',
    ],
    [
      'another kind',
      () => redescribed((d) => Object.assign(d, { kind: 'training' })),
      'is a "training" checkpoint, not a model one',
    ],
    ['no description', () => redescribed((d) => delete d.model), /the description of the network is wrong/],
    [
      'an unknown variant',
      () => redescribed((d) => Object.assign(d.model!, { variant: 'double' })),
      /is wrong: variant: /,
    ],
    [
      'a threshold above 1',
      () => redescribed((d) => Object.assign(d.model!, { threshold: 2 })),
      /is wrong: threshold: /,
    ],
    [
      'an enormous network',
      () => redescribed((d) => Object.assign(d.model!.network, { inChannels: 1e9 })),
      /is wrong: network.inChannels: /,
    ],
    [
      'levels that do not pair up',
      () => redescribed((d) => Object.assign(d.model!.network, { up: [] })),
      /is wrong: network: the decoder has one level less/,
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

describe('a training state', () => {
  it('comes back bit for bit and has equal bytes', () => {
    const state = makeState();
    const bytes = encodeTrainingState(state);
    expect(encodeTrainingState(makeState())).toEqual(bytes);
    const back = decodeTrainingState(bytes, 's', state.configHash);
    expect(back.step).toBe(12345);
    expect(back.model.info).toEqual(state.model.info);
    for (const part of ['adamM', 'adamV', 'random'] as const)
      expect(new Map<string, unknown>([...back[part]].sort())).toEqual(
        new Map<string, unknown>([...state[part]].sort()),
      );
    expect(new Map([...back.model.weights].sort())).toEqual(new Map([...state.model.weights].sort()));
    expect(Random.fromState(back.random.get('patches')!).uint32()).toBe(new Random(3).uint32());
  });

  it('does not go on with other settings', () => {
    const bytes = encodeTrainingState(makeState());
    expect(() => decodeTrainingState(bytes, 's', 'b'.repeat(64))).toThrow(
      's: written with other settings (hash aaaaaaaaaaaa) than now (bbbbbbbbbbbb)',
    );
  });

  it('is no model, and a model is no training state', () => {
    expect(() => decodeModel(encodeTrainingState(makeState()), 's')).toThrow(
      'is a "training" checkpoint, not a model one',
    );
    expect(() => decodeTrainingState(encodeModel(makeModel()), 'm')).toThrow(
      'is a "model" checkpoint, not a training one',
    );
  });

  it('needs a moment for every parameter', () => {
    const state = makeState();
    const adamV = new Map(state.adamV);
    adamV.delete('heads.lesion.weight');
    expect(() => encodeTrainingState({ ...state, adamV })).toThrow(
      'adam.v of the run: heads.lesion.weight 2x2x1x1x1 is missing',
    );
  });
});
