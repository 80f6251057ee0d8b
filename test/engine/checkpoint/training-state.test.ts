import { describe, expect, it } from 'vitest';
import { CheckpointError, VoxelgradError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { readSafetensors, writeSafetensors } from '../../../src/engine/checkpoint/safetensors.ts';
import { encodeTrainingState, stateHash } from '../../../src/engine/checkpoint/training-state.ts';
import {
  decodeModel,
  decodeTrainingState,
  encodeModel,
  type TrainingState,
} from '../../../src/pipeline/models/model.ts';
import { makeModel, makeState } from './make.ts';

const sorted = (map: ReadonlyMap<string, unknown>): Map<string, unknown> => new Map([...map].sort());

describe('a training state', () => {
  it('comes back bit for bit and has equal bytes', async () => {
    const state = makeState();
    const bytes = await encodeTrainingState(state);
    expect(await encodeTrainingState(makeState())).toEqual(bytes);
    const back = await decodeTrainingState(bytes, 's');
    for (const part of ['step', 'progress', 'configHash', 'data', 'kernels', 'adapter'] as const)
      expect(back[part], part).toEqual(state[part]);
    expect(back.model.info).toEqual(state.model.info);
    for (const part of ['adamM', 'adamV', 'random'] as const)
      expect(sorted(back[part])).toEqual(sorted(state[part]));
    expect(sorted(back.model.weights)).toEqual(sorted(state.model.weights));
    expect(Random.fromState(back.random.get('patches')!).uint32()).toBe(new Random(3).uint32());
  });

  it('is told apart from a damaged one, whichever byte changed', async () => {
    const good = await encodeTrainingState(makeState());
    const random = new Random(1);
    const places = [0, 3, 8, 20, 40, 100, good.length - 1];
    for (let i = 0; i < 200; i++) places.push(random.integer(good.length));
    for (const place of places) {
      const bad = good.slice();
      bad[place]! ^= 1 << random.integer(8);
      await expect(decodeTrainingState(bad, 's'), `byte ${place}`).rejects.toThrow(VoxelgradError);
    }
    for (const length of [0, 7, 9, 90, 200, good.length - 1])
      await expect(decodeTrainingState(good.subarray(0, length), 's')).rejects.toThrow(VoxelgradError);
    expect((await decodeTrainingState(good, 's')).step).toBe(12345);
  });

  it('names the checksum where a weight changed', async () => {
    const bytes = await encodeTrainingState(makeState());
    bytes[bytes.length - 1]! ^= 1;
    await expect(decodeTrainingState(bytes, 's')).rejects.toThrow(
      /^s: its bytes have the checksum [0-9a-f]{12}…, but it was written with [0-9a-f]{12}…/,
    );
  });

  it('is refused without a checksum', async () => {
    const { tensors, metadata } = readSafetensors(await encodeTrainingState(makeState()), 's');
    const { checksum: _, ...rest } = Object.fromEntries(metadata);
    await expect(decodeTrainingState(writeSafetensors(tensors, rest), 's')).rejects.toThrow(
      's: has no checksum',
    );
  });

  it('has a hash of what decides the steps to come', async () => {
    const hash = await stateHash(makeState());
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    const changed = (change: Partial<TrainingState>): Promise<string> =>
      stateHash({ ...makeState(), ...change });
    expect(await changed({ progress: { seconds: 99, loss: 9 } })).toBe(hash);
    expect(await changed({ model: makeModel('multi-output', 2) })).not.toBe(hash);
    expect(await changed({ random: new Map([['patches', new Random(4).state]]) })).not.toBe(hash);
    const adamV = new Map(makeState().adamV);
    adamV.set('heads.lesion.bias', Float32Array.of(0.25, 0.26));
    expect(await changed({ adamV })).not.toBe(hash);
  });

  it('is no model, and a model is no training state', async () => {
    const bytes = await encodeTrainingState(makeState());
    expect(() => decodeModel(bytes, 's')).toThrow('is a "training" checkpoint, not a model one');
    await expect(decodeTrainingState(encodeModel(makeModel()), 'm')).rejects.toThrow(
      'is a "model" checkpoint, not a training one',
    );
  });

  it('needs a moment for every parameter, finite values and a step', async () => {
    const state = makeState();
    const adamV = new Map(state.adamV);
    adamV.delete('heads.lesion.weight');
    await expect(encodeTrainingState({ ...state, adamV })).rejects.toThrow(
      'adam.v of the run: heads.lesion.weight 2x2x1x1x1 is missing',
    );
    adamV.set('heads.lesion.weight', new Float32Array(4).fill(Number.NaN));
    await expect(encodeTrainingState({ ...state, adamV })).rejects.toThrow(CheckpointError);
    const bytes = await encodeTrainingState({ ...state, step: 0 });
    await expect(decodeTrainingState(bytes, 's')).rejects.toThrow(/^s: step: /);
  });
});
