import { describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../src/core/errors.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { compilePlan } from '../../src/engine/tape/plan.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import type { Variant } from '../../src/study/presets/index.ts';
import { useGpu } from '../support/gpu.ts';
import { type Bound, withBindingLimit } from '../support/limit.ts';
import { relativeError } from '../support/nd.ts';
import { GoldenNetwork } from './network.ts';

/** What a training step of a golden variant computes, by name. */
type Step = ReadonlyMap<string, Float32Array>;

async function trainStep(gpu: Gpu, variant: Variant, training: boolean): Promise<Step> {
  const network = await GoldenNetwork.create(gpu, variant);
  try {
    const tape = new Tape(gpu.capabilities);
    const logits = network.forward(tape, training);
    const losses = training ? network.backward(tape, logits) : new Map();
    const keep = [...logits.values(), ...losses.values()];
    const plan = await compilePlan(gpu, tape.commands, { label: 'split', keep, poison: true });
    plan.run();
    const step = new Map<string, Float32Array>();
    for (const [head, tensor] of logits) step.set(`logits of ${head}`, await plan.read(tensor));
    for (const [head, tensor] of losses) step.set(`loss of ${head}`, await plan.read(tensor));
    for (const [name, grad] of training ? await network.net.grads!.readAll() : [])
      step.set(`gradient of ${name}`, grad);
    for (const [name, value] of await network.net.state.readAll()) step.set(name, value);
    plan.destroy();
    return step;
  } finally {
    network.destroy();
  }
}

/** Sums in another order: as far as PyTorch's from ours. */
const FORWARD = 2e-5;
const GRADIENT = 2e-4;
/**
 * Two of the 16 KiB channels of the full resolution, as much as a sample's logits of the lesion head. (The four logits of
 * the tissue head are 64 KiB, and one workgroup of the loss takes all of these 16³ voxels.)
 */
const LIMIT = 2 * 16 ** 3 * 4;

describe.each(['single', 'multi-input'] as const)(
  '%s where two channels are all that can be bound',
  (variant) => {
    const context = useGpu();

    it.each([
      ['predicts', false],
      ['trains', true],
    ])('%s the same: logits, losses, gradients, running statistics', async (_, training) => {
      const { gpu } = context;
      const step = (limit: number): Promise<{ value: Step; bound: Bound }> =>
        withBindingLimit(gpu, limit, () => trainStep(gpu, variant, training));
      const whole = await step(gpu.capabilities.maxBindingBytes);
      const parts = await step(LIMIT);
      expect([...parts.value.keys()]).toEqual([...whole.value.keys()]);
      const errors = [...parts.value].map(
        ([name, value]) => [name, relativeError(value, whole.value.get(name)!)] as const,
      );
      const tooLarge = ([name, error]: readonly [string, number]): boolean =>
        !(error < (name.startsWith('gradient') ? GRADIENT : FORWARD));
      expect(errors.filter(tooLarge)).toEqual([]);
      expect(whole.bound.largest).toBeGreaterThan(3 * LIMIT);
      expect(parts.bound.largest).toBe(LIMIT);
      expect(parts.bound.groups).toBeGreaterThan(2 * whole.bound.groups);
      expect(gpu.buffers).toEqual([]);
    });

    it('is refused, with the tensor named, where not even one can be bound', async () => {
      const { gpu } = context;
      const attempt = withBindingLimit(gpu, LIMIT / 2 - 4, () => trainStep(gpu, variant, false));
      await expect(attempt).rejects.toThrow(OutOfMemoryError);
      await expect(attempt).rejects.toThrow(/conv3d\/forward binds .* this adapter binds at most 16\.4 kB/);
      expect(gpu.buffers).toEqual([]);
    });
  },
);
