import { describe, expect, it } from 'vitest';
import { loss } from '../../../src/engine/loss/index.ts';
import type { Layer } from '../../../src/engine/nn/layer.ts';
import { adam } from '../../../src/engine/optim/optimizer.ts';
import * as nn from '../../../src/engine/trainer/nn.ts';
import { useGpu } from '../../support/gpu.ts';

const INPUT = [2, 1, 6, 6, 5] as const;
const SIZE = 2 * 6 * 6 * 5;
const OPTIONS = {
  input: INPUT,
  target: INPUT,
  loss: loss.generalizedDice(),
  optimizer: adam({ lr: 1e-2 }),
  seed: 3,
};

/** Two random layers, so that each must find its own numbers again. */
function network(p: number): Layer {
  return nn.sequential(
    nn.conv3d(6, { kernel: 3 }),
    nn.instanceNorm({ slope: 0.01 }),
    nn.dropout({ p, perChannel: true }),
    nn.conv3d(6, { kernel: 3 }),
    nn.elu(),
    nn.dropout({ p }),
    nn.conv3d(2, { kernel: 1 }),
  );
}

const x = Float32Array.from({ length: SIZE }, (_, i) => Math.sin(i * i));
const y = x.map((value) => (value > 0.3 ? 1 : 0));

async function losses(trainer: nn.Trainer, steps: number): Promise<number[]> {
  const found: number[] = [];
  for (let i = 0; i < steps; i++) found.push(await trainer.step(x, y));
  return found;
}

describe('training with dropout', () => {
  const context = useGpu();

  it('has the same bits when it is repeated, and when it is resumed after any step', async () => {
    const { gpu } = context;
    const make = (seed = OPTIONS.seed): Promise<nn.Trainer> =>
      nn.trainer(gpu, network(0.4), { ...OPTIONS, seed });
    const whole = await make();
    const expected = await losses(whole, 5);
    const weights = await whole.save();
    for (const stop of [0, 1, 3]) {
      const first = await make();
      expect(await losses(first, stop)).toEqual(expected.slice(0, stop));
      const saved = await first.save();
      first.close();
      // Neither its own seed nor a step of its own may leave a trace.
      const second = await make(9);
      await losses(second, 1);
      second.load(saved);
      expect(await losses(second, 5 - stop), `stopped after ${stop}`).toEqual(expected.slice(stop));
      expect(await second.save()).toEqual(weights);
      second.close();
    }
    whole.close();
    expect(gpu.buffers).toEqual([]);
  });

  it('drops when it learns, anew in each step, and not when it predicts', async () => {
    const { gpu } = context;
    const none = { ...OPTIONS, optimizer: adam({ lr: 0 }) };
    const [wet, dry] = [await nn.trainer(gpu, network(0.4), none), await nn.trainer(gpu, network(0), none)];
    // With a rate of 0 the weights stay: only the masks can tell two steps apart.
    const [first, second] = await losses(wet, 2);
    expect(first).not.toBe(second);
    expect(new Set(await losses(dry, 2)).size).toBe(1);
    expect(await wet.predict(x)).toEqual(await dry.predict(x));
    for (const trainer of [wet, dry]) trainer.close();
  });
});
