import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { recordTrainingStep, type TrainingStep } from '../../../src/engine/nn/training-step.ts';
import { alone, type Command } from '../../../src/engine/tape/command.ts';
import { compilePlan, dispatchesOf } from '../../../src/engine/tape/plan.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import { requestOf } from '../../../src/pipeline/bench/bench-step.ts';
import { useGpu } from '../../support/gpu.ts';
import { relativeError } from '../../support/nd.ts';

describe('a step whose commands run together', () => {
  const context = useGpu('gpu');
  // 32 and 64 channels: convolutions run as parts, which batch norm and pooling add up.
  const request = requestOf({ channels: 2, baseChannels: 32, levels: 2, patch: 8, batch: 2 });

  async function gradients(
    change: (commands: readonly Command[]) => readonly Command[],
  ): Promise<{ grads: Map<string, Float32Array>; state: Map<string, Float32Array>; dispatches: number }> {
    const { gpu } = context;
    const step: TrainingStep = await recordTrainingStep(
      gpu,
      request,
      new Tape(gpu.capabilities),
      new Random(3),
    );
    const random = new Random(4);
    for (const [name, { shape }] of step.batch.tensors) {
      const size = shape.reduce((a, b) => a * b, 1);
      step.batch.write(
        name,
        Float32Array.from({ length: size }, () => random.uniform(0, 1)),
      );
    }
    step.setStep({ step: 0, learningRate: 1e-3 });
    const plan = await compilePlan(gpu, change(step.commands), { label: 'step', poison: true });
    plan.run();
    const grads = await step.net.grads!.readAll();
    const state = await step.net.parameters.readAll();
    const { dispatches } = plan.statistics;
    plan.destroy();
    step.destroy();
    return { grads, state, dispatches };
  }

  it('has the gradients of one whose commands run alone', async () => {
    const together = await gradients((commands) => commands);
    const apart = await gradients((commands) => commands.map(alone));
    expect(together.dispatches).toBeLessThan(0.8 * apart.dispatches);
    for (const [name, grad] of apart.grads) {
      expect(grad.every(Number.isFinite), name).toBe(true);
      expect(relativeError(together.grads.get(name)!, grad), name).toBeLessThan(2e-4);
    }
    // Jobs and kept bits: without parts, sums are the same ones.
    const jobs = await gradients((commands) =>
      commands.map(({ sum: _sum, parts: _parts, ...command }) => command),
    );
    expect(jobs.dispatches).toBeLessThan(apart.dispatches);
    expect(jobs.grads).toEqual(apart.grads);
    expect(jobs.state).toEqual(apart.state);
  });

  it.each([1, 2])("takes at most 120 dispatches for the paper's network, batch %i", async (batch) => {
    const capabilities = { ...context.gpu.capabilities, maxBindingBytes: 2 ** 31 - 4, subgroupSize: 0 };
    const paper = requestOf({ channels: 4, baseChannels: 16, levels: 4, patch: 64, batch });
    const step = await recordTrainingStep(Gpu.counting(capabilities), paper, new Tape(capabilities));
    expect(dispatchesOf(step.commands, capabilities).length).toBeLessThanOrEqual(120);
  });
});
