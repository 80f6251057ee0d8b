import { describe, expect, it } from 'vitest';
import { compilePlan } from '../../src/engine/tape/plan.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import { VARIANTS } from '../../src/study/presets/index.ts';
import { useGpu } from '../support/gpu.ts';
import { type Nd, relativeError } from '../support/nd.ts';
import { GoldenNetwork } from './network.ts';

const FORWARD = 2e-5;
const GRADIENT = 2e-4;

/** Every other voxel along each axis. */
function everyOther(logits: ArrayLike<number>, shape: readonly number[]): number[] {
  const [items, channels, depth, height, width] = shape as [number, number, number, number, number];
  const out: number[] = [];
  for (let row = 0; row < items * channels; row++)
    for (let z = 0; z < depth; z += 2)
      for (let y = 0; y < height; y += 2)
        for (let x = 0; x < width; x += 2) out.push(logits[((row * depth + z) * height + y) * width + x]!);
  return out;
}

/** Errors by name that reach the tolerance. */
function tooLarge(errors: Iterable<readonly [string, number]>, tolerance: number): string[] {
  return [...errors].filter(([, error]) => !(error < tolerance)).map(([name, error]) => `${name}: ${error}`);
}

describe.each(VARIANTS)('%s against PyTorch', (variant) => {
  const context = useGpu();

  it('evaluates: logits from the running statistics', async () => {
    const { gpu } = context;
    const network = await GoldenNetwork.create(gpu, variant);
    const tape = new Tape(gpu.capabilities);
    const logits = network.forward(tape, false);
    const plan = await compilePlan(gpu, tape.commands, {
      label: 'evaluation',
      keep: [...logits.values()],
      poison: true,
    });
    plan.run();
    for (const [head, tensor] of logits) {
      const actual = everyOther(await plan.read(tensor), tensor.shape);
      expect(relativeError(actual, network.golden.get(`evaluation/${head}`).data), head).toBeLessThan(
        FORWARD,
      );
    }
    for (const owner of [plan, network]) owner.destroy();
    expect(gpu.buffers).toEqual([]);
  });

  it('trains: logits, losses, the gradient of every parameter, running statistics', async () => {
    const { gpu } = context;
    const network = await GoldenNetwork.create(gpu, variant);
    const { golden, net } = network;
    const tape = new Tape(gpu.capabilities);
    const logits = network.forward(tape, true);
    const losses = network.backward(tape, logits);
    const plan = await compilePlan(gpu, tape.commands, {
      label: 'training',
      keep: [...logits.values(), ...losses.values()],
      poison: true,
    });
    plan.run();

    expect([...logits.keys()]).toEqual([...golden.below('logits/').keys()]);
    for (const [head, tensor] of logits) {
      const expected: Nd = golden.get(`logits/${head}`);
      const actual = (await plan.read(tensor)).subarray(0, expected.data.length);
      expect(relativeError(actual, expected.data), `logits of ${head}`).toBeLessThan(FORWARD);
      const loss = await plan.read(losses.get(head)!);
      expect(relativeError(loss, golden.get(`loss/${head}`).data), `loss of ${head}`).toBeLessThan(FORWARD);
    }

    const expected = golden.below('grad/');
    const grads = await net.grads!.readAll();
    expect([...grads.keys()].sort()).toEqual([...expected.keys()].sort());
    const errors = [...expected].map(([name, grad]) => {
      const actual = grads.get(name)!;
      // Batch norm cancels the bias of the convolution before it: the gradient is exactly zero, and ours is never
      // computed. PyTorch's is rounding.
      if (/\.conv\d\.bias$/.test(name))
        return [name, Math.max(...actual.map(Math.abs), ...grad.map((g) => Math.abs(g) * 1e-3))] as const;
      return [name, relativeError(actual, grad)] as const;
    });
    expect(tooLarge(errors, GRADIENT)).toEqual([]);

    const state = await net.state.readAll();
    const after = golden.below('after/');
    expect([...state.keys()].sort()).toEqual([...after.keys()].sort());
    expect(
      tooLarge(
        [...after].map(([name, value]) => [name, relativeError(state.get(name)!, value)]),
        FORWARD,
      ),
    ).toEqual([]);

    // The parameters themselves are only read.
    const parameters = await net.parameters.readAll();
    for (const [name, value] of golden.below('before/'))
      if (!name.includes('.running_')) expect(parameters.get(name), name).toEqual(value);

    // Replayed, every gradient comes out with the same bits (the running statistics move on).
    plan.run();
    expect(await net.grads!.readAll()).toEqual(grads);
    for (const owner of [plan, network]) owner.destroy();
    expect(gpu.buffers).toEqual([]);
  });
});
