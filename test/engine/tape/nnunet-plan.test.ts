import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { findLoss } from '../../../src/engine/loss/index.ts';
import { Network } from '../../../src/engine/nn/network.ts';
import { architectureOf, designNetwork } from '../../../src/engine/nn/networks/index.ts';
import { recordPrediction } from '../../../src/engine/nn/prediction.ts';
import { recordTrainingStep } from '../../../src/engine/nn/training-step.ts';
import { compilePlan } from '../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import { useGpu } from '../../support/gpu.ts';

const EDGE = 128;
const NETWORK = architectureOf(
  designNetwork('nnunet', {
    inChannels: 2,
    heads: [{ name: 'labels', channels: 2 }],
    baseChannels: 32,
    levels: 6,
    patch: [EDGE, EDGE, EDGE],
  }),
);

describe('an nnU-Net of six stages on patches of 128³', () => {
  const device = useGpu();

  it('predicts within 1.15 times the bytes that are alive at once', async () => {
    const gpu = Gpu.counting(device.gpu.capabilities);
    const net = await Network.create(gpu, NETWORK, { training: false });
    const shape = [1, 2, EDGE, EDGE, EDGE];
    const store = await TensorStore.create(gpu, 'tile', [{ name: 'input', shape }]);
    const tape = new Tape(gpu.capabilities);
    const outputs = recordPrediction(tape, net, store.get('input'));
    const keep = [...outputs.values()];
    const { statistics } = await compilePlan(gpu, tape.commands, { label: 'tile', keep });
    expect(statistics.livenessBytes).toBeGreaterThan(500e6);
    expect(statistics.arenaBytes / statistics.livenessBytes).toBeLessThan(1.15);
  });

  it('trains within it', async () => {
    const gpu = Gpu.counting(device.gpu.capabilities);
    const request = {
      network: NETWORK,
      batch: 2,
      patch: [EDGE, EDGE, EDGE],
      objectives: [{ head: 'labels', loss: findLoss('dice-ce').bind({}, 'softmax'), weight: 1 }],
      optimizer: { weightDecay: 0, maxGradNorm: 12 },
      stored: 'f32',
    } as const;
    const step = await recordTrainingStep(gpu, request, new Tape(gpu.capabilities), new Random(1));
    const keep = step.losses.map(({ output }) => output);
    const { statistics } = await compilePlan(gpu, step.commands, { label: 'train', keep });
    expect(statistics.arenaBytes / statistics.livenessBytes).toBeLessThan(1.15);
  });
});
