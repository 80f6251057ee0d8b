import { describe, expect, it } from 'vitest';
import { Random } from '../../../../src/core/random.ts';
import type { Gpu } from '../../../../src/engine/gpu/gpu.ts';
import { findLoss } from '../../../../src/engine/loss/index.ts';
import type { NetworkSpec } from '../../../../src/engine/nn/network.ts';
import { architectureOf, declarationOf, designNetwork } from '../../../../src/engine/nn/networks/index.ts';
import { INPUT, recordTrainingStep } from '../../../../src/engine/nn/training-step.ts';
import { compilePlan } from '../../../../src/engine/tape/plan.ts';
import { Tape } from '../../../../src/engine/tape/tape.ts';
import { useGpu } from '../../../support/gpu.ts';

const HEADS = [
  { name: 'labels', channels: 2 },
  { name: 'map', channels: 1 },
];
const REQUEST = { inChannels: 1, heads: HEADS, baseChannels: 2, levels: 2, patch: [4, 4, 4] } as const;

const soft = (config: object = {}): NetworkSpec => designNetwork('unet-soft', REQUEST, config);

/** Parameters and losses after some steps on one batch. */
async function train(
  gpu: Gpu,
  network: NetworkSpec,
  steps: number,
): Promise<{ tensors: Map<string, Float32Array>; losses: Map<string, number> }> {
  const tape = new Tape(gpu.capabilities);
  const objectives = [
    { head: 'labels', loss: findLoss('dice-ce').bind({}), weight: 1 },
    { head: 'map', loss: findLoss('mse').bind({}), weight: 1 },
  ];
  const step = await recordTrainingStep(
    gpu,
    { network: architectureOf(network), batch: 1, patch: [4, 4, 4], objectives },
    tape,
    new Random(1),
  );
  const random = new Random(2);
  const numbers = (next: () => number): Float32Array => Float32Array.from({ length: 64 }, next);
  const normal = (): Float32Array => numbers(() => random.normal());
  step.batch.write(INPUT, normal());
  step.batch.write(
    'labels',
    numbers(() => Number(random.uniform() < 0.3)),
  );
  step.batch.write('map', normal());
  const plan = await compilePlan(gpu, step.commands, {
    label: 'soft',
    keep: step.losses.map(({ output }) => output),
  });
  for (let i = 0; i < steps; i++) {
    step.setStep({ step: i, learningRate: 1e-2 });
    plan.run();
  }
  const losses = new Map<string, number>();
  for (const { head, output } of step.losses) losses.set(head, (await plan.read(output))[0]!);
  const tensors = await step.net.save();
  for (const owner of [plan, step]) owner.destroy();
  return { tensors, losses };
}

/** Squared distance of the two networks' parameters. */
function distanceOf(tensors: ReadonlyMap<string, Float32Array>): number {
  let sum = 0;
  for (const [name, values] of tensors)
    if (name.startsWith('labels.') && !/running/.test(name)) {
      const other = tensors.get(name.replace('labels.', 'map.'))!;
      values.forEach((value, i) => {
        sum += (value - other[i]!) ** 2;
      });
    }
  return sum;
}

describe('soft sharing', () => {
  const context = useGpu();

  it('starts with networks that are alike, and tells their distance', async () => {
    const { tensors } = await train(context.gpu, soft(), 0);
    expect(distanceOf(tensors)).toBe(0);
    const { tensors: later, losses } = await train(context.gpu, soft(), 3);
    const two = await train(context.gpu, soft(), 2);
    expect(distanceOf(later)).toBeGreaterThan(0);
    // What is told of a step is the distance before it.
    expect(losses.get('parameter-distance')).toBeCloseTo(distanceOf(two.tensors), 5);
  });

  it('keeps the networks closer with a larger weight', async () => {
    const distances: number[] = [];
    for (const weight of [0, 0.1, 10])
      distances.push(distanceOf((await train(context.gpu, soft({ weight }), 20)).tensors));
    expect(distances[1]).toBeLessThan(distances[0]! * 0.9);
    expect(distances[2]).toBeLessThan(distances[1]! * 0.5);
  });

  it('is hard sharing in the limit, to the bit', async () => {
    const hard = await train(context.gpu, designNetwork('unet', REQUEST), 5);
    const limit = await train(context.gpu, soft({ weight: 'infinite' }), 5);
    expect([...limit.tensors].sort()).toEqual([...hard.tensors].sort());
    expect(limit.losses).toEqual(hard.losses);
  });

  it('without a penalty is one network per task, each alone, to the bit', async () => {
    const { losses } = await train(context.gpu, soft({ weight: 0 }), 1);
    const hard = await train(context.gpu, designNetwork('unet', REQUEST), 1);
    // The first step's forward pass sees the same numbers in both.
    expect(losses.get('labels')).toBe(hard.losses.get('labels'));
    expect(losses.get('parameter-distance')).toBe(0);
  });

  it('has a U-Net per head', () => {
    const names = declarationOf(soft()).parameters.map(({ name }) => name);
    expect(names).toContain('labels.encoder.0.conv1.weight');
    expect(names).toContain('map.decoder.0.up.weight');
    expect(names).toContain('heads.map.weight');
  });

  it('refuses one task, a trace norm of three, and what is no weight', () => {
    expect(() => designNetwork('unet-soft', { ...REQUEST, heads: HEADS.slice(0, 1) })).toThrow(
      /there is one task only/,
    );
    const three = [...HEADS, { name: 'third', channels: 1 }];
    expect(() => designNetwork('unet-soft', { ...REQUEST, heads: three }, { norm: 'trace' })).toThrow(
      /the trace norm compares two tasks; for more choose l2/,
    );
    expect(() => soft({ weight: -1 })).toThrow(/network unet-soft: weight/);
    expect(() => soft({ norm: 'l1' })).toThrow(/network unet-soft: norm/);
  });
});
