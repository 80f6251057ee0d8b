import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { sizeOf } from '../../../src/core/shape.ts';
import type { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { Adam, type AdamSettings, DEFAULT_ADAM } from '../../../src/engine/optim/adam.ts';
import { compilePlan, type Plan } from '../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import { adamReference } from '../../reference/adam.ts';
import { useGpu } from '../../support/gpu.ts';
import { relativeError } from '../../support/nd.ts';

const SPECS = [
  { name: 'conv.weight', shape: [3, 5, 3, 3, 3] },
  { name: 'conv.bias', shape: [3] },
  { name: 'large', shape: [40, 1000] },
  { name: 'scalar', shape: [1] },
];

interface Setup {
  readonly parameters: TensorStore;
  readonly grads: TensorStore;
  readonly losses: TensorStore;
  readonly adam: Adam;
  readonly plan: Plan;
  close(): void;
}

async function setUp(gpu: Gpu, settings: Partial<AdamSettings>, maxBindingBytes?: number): Promise<Setup> {
  const grads = await TensorStore.create(gpu, 'grads', SPECS);
  const parameters = await TensorStore.create(gpu, 'parameters', SPECS, { grads });
  const losses = await TensorStore.create(gpu, 'loss', [{ name: 'loss', shape: [1] }]);
  const adam = await Adam.create(gpu, parameters, grads, settings);
  const capabilities = { ...gpu.capabilities, ...(maxBindingBytes ? { maxBindingBytes } : {}) };
  const tape = new Tape(capabilities);
  adam.record(tape.emitter, losses.get('loss'));
  const plan = await compilePlan(gpu, tape.commands, { label: 'adam', poison: true });
  return {
    parameters,
    grads,
    losses,
    adam,
    plan,
    close: () => {
      plan.destroy();
      adam.destroy();
      for (const store of [parameters, grads, losses]) store.destroy();
    },
  };
}

function deviates(random: Random, size: number, deviation: number): Float32Array {
  return Float32Array.from({ length: size }, () => random.normal(0, deviation));
}

async function flatten(store: TensorStore): Promise<Float32Array> {
  return Float32Array.from([...(await store.readAll()).values()].flatMap((values) => [...values]));
}

const cases: readonly (readonly [string, Partial<AdamSettings>])[] = [
  ['plain', {}],
  ['other betas and epsilon', { betas: [0.8, 0.99], epsilon: 1e-4 }],
  ['weight decay', { weightDecay: 0.1 }],
  ['clipping', { maxGradNorm: 1 }],
  ['clipping that never sets in', { maxGradNorm: 1e9 }],
  ['clipping and weight decay', { maxGradNorm: 0.5, weightDecay: 0.02 }],
];

describe('Adam', () => {
  const context = useGpu();
  const total = SPECS.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

  /** Ten steps with gradients of very different size; the largest relative error of parameters, m and v. */
  const compare = async (
    settings: Partial<AdamSettings>,
    maxBindingBytes?: number,
  ): Promise<Float32Array> => {
    const { gpu } = context;
    const all = { ...DEFAULT_ADAM, ...settings };
    const setup = await setUp(gpu, settings, maxBindingBytes);
    const random = new Random(1);
    const start = deviates(random, total, 0.3);
    const expected = Float64Array.from(start);
    const m = new Float64Array(total);
    const v = new Float64Array(total);
    const write = (store: TensorStore, values: Float32Array): void => {
      let first = 0;
      for (const { name, shape } of SPECS) {
        store.write(name, values.subarray(first, first + sizeOf(shape)));
        first += sizeOf(shape);
      }
    };
    write(setup.parameters, start);
    for (let step = 1; step <= 10; step++) {
      const grads = deviates(random, total, 10 ** (1 - (step % 5)));
      for (let i = 0; i < total; i += 7) grads[i] = 0;
      write(setup.grads, grads);
      setup.losses.write('loss', Float32Array.of(step / 2));
      const rate = 5e-3 / step;
      setup.adam.setStep(step, rate);
      setup.plan.run();
      const reference = adamReference(expected, Float64Array.from(grads), m, v, step, rate, all);
      const status = await setup.adam.readStatus();
      expect(status).toMatchObject({ loss: step / 2, finite: true, skippedSteps: 0 });
      expect(
        relativeError([status.gradNorm, status.clip], [reference.gradNorm, reference.clip]),
      ).toBeLessThan(1e-6);
      expect(status.clip / reference.clip).toBeCloseTo(1, 5);
    }
    const result = await flatten(setup.parameters);
    expect(relativeError(result, expected), 'parameters').toBeLessThan(1e-6);
    expect(relativeError(await flatten(setup.adam.m), m), 'm').toBeLessThan(2e-6);
    expect(relativeError(await flatten(setup.adam.v), v), 'v').toBeLessThan(2e-6);
    setup.close();
    return result;
  };

  it.each(cases)('follows PyTorch over ten steps: %s', async (_, settings) => {
    await compare(settings);
  });

  it('does the same in slices where the device binds less, and repeats its bits', async () => {
    const whole = await compare({ weightDecay: 0.01 });
    expect(await compare({ weightDecay: 0.01 })).toEqual(whole);
    expect(await compare({ weightDecay: 0.01 }, 40_000)).toEqual(whole);
  });

  it.each([
    ['gradient NaN', Number.NaN, 1],
    ['gradient infinite', Number.NEGATIVE_INFINITY, 1],
    ['gradient whose square overflows', 1e30, 1],
    ['loss NaN', 1, Number.NaN],
    ['loss infinite', 1, Number.POSITIVE_INFINITY],
  ])('passes over a step that is not finite and says so: %s', async (_, gradient, loss) => {
    const setup = await setUp(context.gpu, { maxGradNorm: 1, weightDecay: 0.1 });
    const { parameters, grads, losses, adam, plan } = setup;
    parameters.write('scalar', Float32Array.of(3));
    const step = async (number: number, g: number, value: number): Promise<Float32Array[]> => {
      grads.write('conv.bias', Float32Array.of(0.5, g, 1));
      losses.write('loss', Float32Array.of(value));
      adam.setStep(number, 0.01);
      plan.run();
      return Promise.all([flatten(parameters), flatten(adam.m), flatten(adam.v)]);
    };
    const before = await step(1, 0.25, 1);
    expect(await adam.readStatus()).toMatchObject({ finite: true, skippedSteps: 0 });
    const during = await step(2, gradient, loss);
    expect(await adam.readStatus()).toMatchObject({ finite: false, skippedSteps: 1 });
    expect(during).toEqual(before);
    const after = await step(3, 0.25, 1);
    expect(await adam.readStatus()).toMatchObject({ finite: true, skippedSteps: 1 });
    expect(after[0]).not.toEqual(before[0]);
    expect(after.every((values) => values.every(Number.isFinite))).toBe(true);
    setup.close();
  });

  it('leaves the gaps between tensors zero and goes on from loaded moments', async () => {
    const { gpu } = context;
    const [first, second] = [await setUp(gpu, {}), await setUp(gpu, {})];
    const random = new Random(5);
    const steps = Array.from({ length: 4 }, () => deviates(random, 40_000, 1));
    const run = (setup: Setup, from: number, to: number): void => {
      for (let step = from; step < to; step++) {
        setup.grads.write('large', steps[step]!);
        setup.adam.setStep(step + 1, 1e-3);
        setup.plan.run();
      }
    };
    run(first, 0, 2);
    for (const [from, to] of [
      [first.parameters, second.parameters],
      [first.adam.m, second.adam.m],
      [first.adam.v, second.adam.v],
    ] as const)
      for (const [name, values] of await from.readAll()) to.write(name, values);
    run(first, 2, 4);
    run(second, 2, 4);
    expect(await flatten(second.parameters)).toEqual(await flatten(first.parameters));
    const { buffer } = first.parameters.flat.placement as { buffer: GPUBuffer };
    const flat = new Float32Array(await gpu.read(buffer, 0, buffer.size));
    expect(flat.filter((x) => x !== 0).length).toBeLessThanOrEqual(40_000);
    expect(flat.filter((x) => x !== 0).length).toBeGreaterThan(39_000);
    first.close();
    second.close();
  });

  it('refuses settings, steps and stores that cannot be meant', async () => {
    const { gpu } = context;
    const parameters = await TensorStore.create(gpu, 'parameters', SPECS);
    const other = await TensorStore.create(gpu, 'grads', [SPECS[0]!, { name: 'conv.bias', shape: [4] }]);
    const bytes = gpu.allocatedBytes;
    const make = (settings: Partial<AdamSettings>): Promise<Adam> =>
      Adam.create(gpu, parameters, parameters, settings);
    await expect(make({ betas: [1, 0.9] })).rejects.toThrow(/betas lie in \[0, 1\); got 1/);
    await expect(make({ epsilon: 0 })).rejects.toThrow(/epsilon is above 0; got 0/);
    await expect(make({ weightDecay: -1 })).rejects.toThrow(/weightDecay is at least 0; got -1/);
    await expect(make({ maxGradNorm: 0 })).rejects.toThrow(/maxGradNorm is above 0, or null; got 0/);
    await expect(Adam.create(gpu, parameters, other)).rejects.toThrow(
      /conv.bias is 3, but there stands conv.bias 4/,
    );
    expect(gpu.allocatedBytes).toBe(bytes);
    const adam = await make({});
    expect(() => adam.setStep(0, 1e-3)).toThrow(/steps count from 1; got 0/);
    expect(() => adam.setStep(1, Number.NaN)).toThrow(/learning rate is at least 0 and finite; got NaN/);
    adam.destroy();
    expect(gpu.allocatedBytes).toBe(bytes);
    parameters.destroy();
    other.destroy();
  });
});
