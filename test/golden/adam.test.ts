import { describe, expect, it } from 'vitest';
import { Adam } from '../../src/engine/optim/adam.ts';
import { compilePlan } from '../../src/engine/tape/plan.ts';
import { TensorStore } from '../../src/engine/tape/store.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import { loadGolden } from '../support/golden.ts';
import { useGpu } from '../support/gpu.ts';
import { relativeError } from '../support/nd.ts';
import { GoldenNetwork } from './network.ts';

/** A run of the optimizer on two small tensors with made-up gradients. */
interface OptimizerCase {
  readonly name: string;
  readonly rates: readonly number[];
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  readonly clip: number | null;
}

const golden = loadGolden<OptimizerCase | { name: 'training'; lr: number; steps: number }>('adam');

describe('Adam against PyTorch', () => {
  const context = useGpu();

  for (const settings of golden.cases) {
    if (!('rates' in settings)) continue;
    const { name, rates, betas, eps, weightDecay, clip } = settings;
    it(`each of ${rates.length} steps, learning rate varying: ${name}`, async () => {
      const { gpu } = context;
      const before = golden.below(`${name}/before/`);
      const specs = [...before.keys()].map((key) => ({
        name: key,
        shape: golden.get(`${name}/before/${key}`).shape,
      }));
      const grads = await TensorStore.create(gpu, 'gradients', specs);
      const parameters = await TensorStore.create(gpu, 'parameters', specs, { grads });
      for (const [key, value] of before) parameters.write(key, value);
      const adam = await Adam.create(gpu, parameters, grads, {
        betas,
        epsilon: eps,
        weightDecay,
        maxGradNorm: clip,
      });
      const tape = new Tape(gpu.capabilities);
      adam.record(tape.emitter);
      const plan = await compilePlan(gpu, tape.commands, { label: 'adam', poison: true });
      for (const [step, rate] of rates.entries()) {
        let squares = 0;
        for (const [key, value] of golden.below(`${name}/grad${step}/`)) {
          grads.write(key, value);
          squares += value.reduce((sum, g) => sum + g * g, 0);
        }
        adam.setStep(step + 1, rate);
        plan.run();
        for (const [key, value] of golden.below(`${name}/after${step}/`))
          expect(relativeError(await parameters.read(key), value), `${key}, step ${step}`).toBeLessThan(1e-5);
        const status = await adam.readStatus();
        expect(status.gradNorm / Math.sqrt(squares)).toBeCloseTo(1, 5);
        expect(status.finite).toBe(true);
      }
      for (const owner of [plan, adam, parameters, grads]) owner.destroy();
      expect(gpu.buffers).toEqual([]);
    });
  }

  it('ten steps of the single variant: losses, final weights and running statistics', async () => {
    const { gpu } = context;
    const training = golden.cases.find((each) => 'lr' in each)!;
    const network = await GoldenNetwork.create(gpu, 'single');
    const { net } = network;
    const tape = new Tape(gpu.capabilities);
    const loss = network.backward(tape, network.forward(tape, true)).get('lesion')!;
    const adam = await Adam.create(gpu, net.parameters, net.grads!);
    adam.record(tape.emitter, loss);
    const plan = await compilePlan(gpu, tape.commands, { label: 'step', keep: [loss] });
    const losses: number[] = [];
    for (let step = 1; step <= training.steps; step++) {
      adam.setStep(step, training.lr);
      plan.run();
      losses.push((await plan.read(loss))[0]!);
      expect((await adam.readStatus()).loss).toBe(losses.at(-1));
    }
    const expected = golden.get('training/losses').data;
    for (const [step, value] of losses.entries())
      expect(Math.abs(value / expected[step]! - 1), `loss of step ${step}`).toBeLessThan(1e-5);
    const saved = await net.save();
    const errors: Record<string, number> = {};
    for (const [name, value] of golden.below('training/after/')) {
      const error = relativeError(saved.get(name)!, value);
      if (!(error < 1e-3)) errors[name] = error;
    }
    expect(errors).toEqual({});
    for (const owner of [plan, adam, network]) owner.destroy();
    expect(gpu.buffers).toEqual([]);
  });
});
