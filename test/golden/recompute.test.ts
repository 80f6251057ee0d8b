import { describe, expect, it } from 'vitest';
import { Random } from '../../src/core/random.ts';
import { Network } from '../../src/engine/nn/network.ts';
import { architectureOf } from '../../src/engine/nn/networks/index.ts';
import { compilePlan } from '../../src/engine/tape/plan.ts';
import { TensorStore } from '../../src/engine/tape/store.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import { LESION_HEAD, variantConfig } from '../../src/study/presets/index.ts';
import { useGpu } from '../support/gpu.ts';
import { normal, toFloat32 } from '../support/nd.ts';

describe('a network that fills normalised activations again in backward', () => {
  const context = useGpu();

  /** All gradients and the arena's size of one training step. */
  async function step(recompute: boolean): Promise<{ grads: Map<string, Float32Array>; arena: number }> {
    const { gpu } = context;
    const config = variantConfig('single', ['FLAIR', 'T1w'], { baseChannels: 4, levels: 3 });
    const net = await Network.create(gpu, architectureOf(config), { training: true, random: new Random(3) });
    const store = await TensorStore.create(gpu, 'data', [
      { name: 'input', shape: [2, 2, 16, 16, 16] },
      { name: 'grad', shape: [2, 2, 16, 16, 16] },
    ]);
    store.write('input', toFloat32(normal([2, 2, 16, 16, 16], 1)));
    store.write('grad', toFloat32(normal([2, 2, 16, 16, 16], 2)));
    const tape = new Tape(gpu.capabilities, undefined, { recompute });
    const logits = net.forward(tape, store.get('input'), 'train').get(LESION_HEAD.name)![0]!;
    tape.backward([{ output: logits, grad: store.get('grad') }]);
    const plan = await compilePlan(gpu, tape.commands, { label: 'step', poison: true });
    plan.run();
    const grads = await net.grads!.readAll();
    for (const owner of [plan, net, store]) owner.destroy();
    return { grads, arena: plan.statistics.arenaBytes };
  }

  it('has the same gradients to the bit, and a smaller arena', async () => {
    const kept = await step(false);
    const again = await step(true);
    expect(kept.grads.size).toBeGreaterThan(20);
    for (const [name, grad] of kept.grads) {
      expect(grad.some((value) => value !== 0 && Number.isFinite(value)) || name.endsWith('bias'), name).toBe(
        true,
      );
      expect(again.grads.get(name), name).toEqual(grad);
    }
    expect(again.arena).toBeLessThan(0.8 * kept.arena);
  });
});
