import { describe, expect, it } from 'vitest';
import { Random } from '../../../../src/core/random.ts';
import { sizeOf } from '../../../../src/core/shape.ts';
import { loss } from '../../../../src/engine/loss/index.ts';
import { Network } from '../../../../src/engine/nn/network.ts';
import { architectureOf, declarationOf, designNetwork } from '../../../../src/engine/nn/networks/index.ts';
import { TensorStore } from '../../../../src/engine/tape/store.ts';
import { Tape } from '../../../../src/engine/tape/tape.ts';
import * as nn from '../../../../src/engine/trainer/nn.ts';
import { useGpu } from '../../../support/gpu.ts';

const SHAPE = [1, 1, 8, 8, 8] as const;
const REQUEST = {
  inChannels: 1,
  heads: [{ name: 'labels', channels: 2 }],
  baseChannels: 5,
  levels: 5,
  patch: [8, 8, 8],
} as const;

describe('MeshNet', () => {
  const context = useGpu();

  it("is designed with Brainchop's dilations, and takes any patch", () => {
    const spec = designNetwork('meshnet', REQUEST);
    expect(spec.config).toMatchObject({ dilations: [1, 2, 4, 8, 16, 8, 4, 2, 1] });
    expect(architectureOf(spec).patchMultiple).toEqual([1, 1, 1]);
    const names = declarationOf(spec).parameters.map(({ name }) => name);
    expect(names.slice(0, 4)).toEqual([
      'model.0.0.weight',
      'model.0.0.bias',
      'model.0.1.weight',
      'model.0.1.bias',
    ]);
    expect(names.slice(-2)).toEqual(['model.9.weight', 'model.9.bias']);
    const folded = designNetwork('meshnet', REQUEST, { batchNorm: false, activation: 'elu' });
    expect(declarationOf(folded).state).toEqual([]);
    expect(() => designNetwork('meshnet', REQUEST, { dropout: 1 })).toThrow(/network meshnet: dropout/);
    expect(() => designNetwork('meshnet', REQUEST, { channels: [2] })).toThrow(/one entry per layer/);
  });

  it('drops channels in training: other ones in each step, the same after resuming, none in a prediction', async () => {
    const { gpu } = context;
    const given = { dropout: 0.5, dilations: [1, 2], batchNorm: false };
    const spec = designNetwork('meshnet', REQUEST, given);
    const options = {
      input: SHAPE,
      target: SHAPE,
      loss: loss.dice(),
      // A rate of 0: what changes from step to step is the mask.
      optimizer: { settings: {}, rate: () => 0 },
    };
    const random = new Random(1);
    const x = Float32Array.from({ length: sizeOf(SHAPE) }, () => random.normal());
    const y = x.map((value) => (value > 0 ? 1 : 0));
    const trainer = await nn.trainer(gpu, spec, options);
    const losses = [await trainer.step(x, y), await trainer.step(x, y)];
    const saved = await trainer.save();
    losses.push(await trainer.step(x, y), await trainer.step(x, y));
    expect(new Set(losses).size).toBeGreaterThan(2);
    expect(await trainer.predict(x)).toEqual(await trainer.predict(x));
    const resumed = await nn.trainer(gpu, spec, options);
    resumed.load(saved);
    expect([await resumed.step(x, y), await resumed.step(x, y)]).toEqual(losses.slice(2));
    for (const each of [trainer, resumed]) each.close();

    const net = await Network.create(gpu, architectureOf(spec), { training: true });
    const store = await TensorStore.create(gpu, 'input', [{ name: 'input', shape: SHAPE }]);
    const tape = new Tape(gpu.capabilities);
    expect(() => net.forward(tape, store.get('input'), 'train')).toThrow(/nothing sets their seed/);
    for (const owner of [net, store]) owner.destroy();
    expect(gpu.buffers).toEqual([]);
  });
});
