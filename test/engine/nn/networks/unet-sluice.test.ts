import { describe, expect, it } from 'vitest';
import { Random } from '../../../../src/core/random.ts';
import type { Gpu } from '../../../../src/engine/gpu/gpu.ts';
import { Network, type NetworkSpec } from '../../../../src/engine/nn/network.ts';
import { architectureOf, declarationOf, designNetwork } from '../../../../src/engine/nn/networks/index.ts';
import { recordPrediction } from '../../../../src/engine/nn/prediction.ts';
import { INPUT } from '../../../../src/engine/nn/training-step.ts';
import { compilePlan } from '../../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../../src/engine/tape/store.ts';
import { Tape } from '../../../../src/engine/tape/tape.ts';
import { useGpu } from '../../../support/gpu.ts';
import { normal, relativeError, toFloat32 } from '../../../support/nd.ts';

const HEADS = [
  { name: 'labels', channels: 2 },
  { name: 'map', channels: 1 },
];
const REQUEST = { inChannels: 1, heads: HEADS, baseChannels: 2, levels: 3, patch: [8, 8, 8] } as const;

const sluice = (config: object = {}): NetworkSpec => designNetwork('unet-sluice', REQUEST, config);

async function predict(
  gpu: Gpu,
  network: NetworkSpec,
  weights: ReadonlyMap<string, Float32Array>,
): Promise<Map<string, Float32Array>> {
  const net = await Network.create(gpu, architectureOf(network), { training: false });
  net.load(weights);
  const shape = [1, 1, 8, 8, 8];
  const store = await TensorStore.create(gpu, 'input', [{ name: INPUT, shape }]);
  store.write(INPUT, toFloat32(normal(shape, 5)));
  const tape = new Tape(gpu.capabilities);
  const activations = { labels: 'none', map: 'none' } as const;
  const outputs = recordPrediction(tape, net, store.get(INPUT), { activations });
  const plan = await compilePlan(gpu, tape.commands, { label: 'sluice', keep: [...outputs.values()] });
  plan.run();
  const found = new Map<string, Float32Array>();
  for (const [head, output] of outputs) found.set(head, await plan.read(output));
  for (const owner of [plan, store, net]) owner.destroy();
  return found;
}

describe('the sluice network', () => {
  const context = useGpu();

  it('mixes subspaces behind every block, and the levels of the decoder', () => {
    const { parameters } = declarationOf(sluice());
    const shapes = new Map(parameters.map(({ name, shape }) => [name, shape]));
    expect(shapes.get('sluice.encoder.2.labels.alpha')).toEqual([2, 4]);
    expect(shapes.get('sluice.decoder.0.map.alpha')).toEqual([2, 4]);
    expect(shapes.get('heads.labels.beta')).toEqual([1, 2]);
    expect(shapes.get('heads.labels.1.weight')).toEqual([2, 4, 1, 1, 1]);
    const alpha = parameters.find(({ name }) => name === 'sluice.encoder.0.map.alpha')!;
    // What a subspace keeps, and a third of the rest from each of the others; then the second subspace.
    const third = expect.closeTo(0.1 / 3, 12);
    expect(alpha.init).toEqual({
      kind: 'rows',
      values: [0.9, third, third, third, third, 0.9, third, third],
    });
  });

  it('with mixtures that mix nothing is a network per task', async () => {
    const { gpu } = context;
    const alone = designNetwork('unet-soft', REQUEST);
    const net = await Network.create(gpu, architectureOf(alone), { training: false, random: new Random(3) });
    const separate = await net.save();
    net.destroy();
    const weights = new Map<string, Float32Array>();
    for (const { name, shape } of declarationOf(sluice()).parameters) {
      const size = shape.reduce((a, b) => a * b, 1);
      if (name.endsWith('alpha')) weights.set(name, Float32Array.of(1, 0, 0, 0, 0, 1, 0, 0));
      else if (name.endsWith('beta')) weights.set(name, Float32Array.of(1, 0));
      // The heads of coarser levels have a share of 0.
      else
        weights.set(
          name,
          separate.get(name.replace(/^(heads\.\w+)\.0/, '$1')) ?? new Float32Array(size).fill(7),
        );
    }
    for (const [name, values] of separate) if (/running/.test(name)) weights.set(name, values);
    const expected = await predict(gpu, alone, separate);
    const found = await predict(gpu, sluice(), weights);
    for (const { name } of HEADS)
      expect(relativeError(found.get(name)!, expected.get(name)!), name).toBeLessThan(1e-6);
  });

  it('refuses one task, and blocks that do not fall into two subspaces', () => {
    expect(() => designNetwork('unet-sluice', { ...REQUEST, heads: HEADS.slice(0, 1) })).toThrow(
      /there is one task only/,
    );
    expect(() => designNetwork('unet-sluice', { ...REQUEST, baseChannels: 3 })).toThrow(
      /every block has an even number of channels/,
    );
  });
});
