import { describe, expect, it } from 'vitest';
import { findLoss } from '../../src/engine/loss/index.ts';
import { Network, type NetworkSpec } from '../../src/engine/nn/network.ts';
import { architectureOf } from '../../src/engine/nn/networks/index.ts';
import { recordPrediction } from '../../src/engine/nn/prediction.ts';
import { INPUT, recordTrainingStep } from '../../src/engine/nn/training-step.ts';
import { compilePlan } from '../../src/engine/tape/plan.ts';
import { TensorStore } from '../../src/engine/tape/store.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import { loadGolden } from '../support/golden.ts';
import { useGpu } from '../support/gpu.ts';
import { relativeError, toFloat32 } from '../support/nd.ts';

/** A case of networks.safetensors. */
interface NetworkCase {
  readonly name: string;
  readonly network: NetworkSpec;
  readonly lr: number;
  readonly objectives: readonly { readonly head: string; readonly loss: string; readonly weight: number }[];
}

const FORWARD = 2e-5;
const GRADIENT = 2e-4;
/** Of losses and parameters during ten steps: Adam divides by small second moments, which enlarges rounding. */
const STEPS = 1e-3;
/** A gradient that is zero but for PyTorch's rounding: of a bias that the norm behind it cancels. */
const ZERO = 1e-12;

const golden = loadGolden<NetworkCase>('networks');

/** Errors by name that reach the tolerance. */
function tooLarge(errors: Iterable<readonly [string, number]>, tolerance: number): string[] {
  return [...errors].filter(([, error]) => !(error < tolerance)).map(([name, error]) => `${name}: ${error}`);
}

describe.each(golden.cases)('$name against PyTorch', ({ name, network, lr, objectives }) => {
  const context = useGpu();
  const input = golden.get(`${name}/input`);
  const before = golden.below(`${name}/before/`);

  it('predicts', async () => {
    const { gpu } = context;
    const net = await Network.create(gpu, architectureOf(network), { training: false });
    net.load(before);
    const store = await TensorStore.create(gpu, 'input', [{ name: INPUT, shape: input.shape }]);
    store.write(INPUT, toFloat32(input));
    const tape = new Tape(gpu.capabilities);
    const activations = Object.fromEntries(objectives.map(({ head }) => [head, 'none' as const]));
    const outputs = recordPrediction(tape, net, store.get(INPUT), { activations });
    const keep = [...outputs.values()];
    const plan = await compilePlan(gpu, tape.commands, { label: 'prediction', keep, poison: true });
    plan.run();
    for (const [head, output] of outputs) {
      const expected = golden.get(`${name}/evaluation/${head}`);
      expect(output.shape, head).toEqual(expected.shape);
      expect(relativeError(await plan.read(output), expected.data), head).toBeLessThan(FORWARD);
    }
    for (const owner of [plan, store, net]) owner.destroy();
    expect(gpu.buffers).toEqual([]);
  });

  it('trains: the gradient of every parameter, and ten steps of Adam', async () => {
    const { gpu } = context;
    const tape = new Tape(gpu.capabilities);
    const [batch, , ...patch] = input.shape as [number, number, number, number, number];
    const step = await recordTrainingStep(
      gpu,
      {
        network: architectureOf(network),
        batch,
        patch,
        objectives: objectives.map(({ head, loss, weight }) => ({
          head,
          loss: findLoss(loss).bind({}),
          weight,
        })),
      },
      tape,
    );
    step.net.load(before);
    step.batch.write(INPUT, toFloat32(input));
    for (const { head } of objectives)
      step.batch.write(head, toFloat32(golden.get(`${name}/target/${head}`)));
    const keep = step.losses.map(({ output }) => output);
    const plan = await compilePlan(gpu, step.commands, { label: 'step', keep, poison: true });
    const losses = golden.get(`${name}/losses`);
    for (let i = 0; i < losses.shape[0]!; i++) {
      step.setStep({ step: i, learningRate: lr });
      plan.run();
      for (const [h, { head, output }] of step.losses.entries()) {
        const expected = losses.data[i * step.losses.length + h]!;
        const [loss] = await plan.read(output);
        expect(Math.abs(loss! - expected) / Math.abs(expected), `${head}, step ${i}`).toBeLessThan(
          i === 0 ? FORWARD : STEPS,
        );
      }
      if (i > 0) continue;
      const grads = await step.net.grads!.readAll();
      const expected = golden.below(`${name}/grad/`);
      expect([...grads.keys()].sort()).toEqual([...expected.keys()].sort());
      const errors = [...expected].map(([parameter, grad]) => {
        const actual = grads.get(parameter)!;
        const zero = grad.every((value) => Math.abs(value) < ZERO);
        return [parameter, zero ? Math.max(...actual.map(Math.abs)) : relativeError(actual, grad)] as const;
      });
      expect(tooLarge(errors, GRADIENT)).toEqual([]);
    }
    const found = await step.net.save();
    const after = golden.below(`${name}/after/`);
    expect([...found.keys()].sort()).toEqual([...after.keys()].sort());
    const errors = [...after].map(
      ([tensor, value]) => [tensor, relativeError(found.get(tensor)!, value)] as const,
    );
    expect(tooLarge(errors, STEPS)).toEqual([]);
    for (const owner of [plan, step]) owner.destroy();
    expect(gpu.buffers).toEqual([]);
  });
});
