import { describe, expect, it } from 'vitest';
import { CheckpointError, NonFiniteError, ShapeError, UsageError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { sizeOf } from '../../../src/core/shape.ts';
import { loss } from '../../../src/engine/loss/index.ts';
import { designNetwork } from '../../../src/engine/nn/networks/index.ts';
import { adam } from '../../../src/engine/optim/optimizer.ts';
import * as nn from '../../../src/engine/trainer/nn.ts';
import { useGpu } from '../../support/gpu.ts';

const INPUT = [2, 1, 8, 8, 8] as const;
const OPTIONS = {
  input: INPUT,
  target: INPUT,
  loss: loss.generalizedDice(),
  optimizer: adam({ lr: 3e-2 }),
  seed: 1,
};
const net = nn.sequential(nn.conv3d(4, { kernel: 3 }), nn.relu(), nn.conv3d(2, { kernel: 1 }));

/** Noise, and where it is bright. */
function makeBatch(seed: number): { readonly x: Float32Array; readonly y: Float32Array } {
  const random = new Random(seed);
  const x = Float32Array.from({ length: sizeOf(INPUT) }, () => random.normal());
  return { x, y: x.map((value) => (value > 0.5 ? 1 : 0)) };
}

describe('trainer', () => {
  const context = useGpu();

  it('learns, and predicts what it has learned', async () => {
    const trainer = await nn.trainer(context.gpu, net, OPTIONS);
    const losses: number[] = [];
    for (let i = 0; i < 120; i++) {
      const { x, y } = makeBatch(i);
      losses.push(await trainer.step(x, y));
    }
    expect(losses.at(-1)).toBeLessThan(0.3 * losses[0]!);
    const { x, y } = makeBatch(1000);
    const probabilities = await trainer.predict(x);
    const voxels = sizeOf(INPUT) / 2;
    const right = y.filter((label, i) => {
      // Channel 1 of 2 of each item.
      const at = Math.floor(i / voxels) * 2 * voxels + voxels + (i % voxels);
      return probabilities[at]! > 0.5 === label > 0.5;
    });
    expect(right.length / y.length).toBeGreaterThan(0.95);
    // An item by itself gets the same answer.
    const alone = await trainer.predict(x.subarray(voxels));
    expect(alone).toEqual(probabilities.subarray(2 * voxels));
    trainer.close();
    expect(context.gpu.buffers).toEqual([]);
  });

  it('continues from what it saved, bit for bit', async () => {
    const { gpu } = context;
    const run = async (trainer: nn.Trainer, from: number, to: number): Promise<number[]> => {
      const losses: number[] = [];
      for (let i = from; i < to; i++) {
        const { x, y } = makeBatch(i);
        losses.push(await trainer.step(x, y));
      }
      return losses;
    };
    const whole = await nn.trainer(gpu, net, OPTIONS);
    await run(whole, 0, 3);
    const saved = await whole.save();
    const expected = await run(whole, 3, 6);
    const resumed = await nn.trainer(gpu, net, { ...OPTIONS, seed: 7 });
    resumed.load(saved);
    expect(resumed.steps).toBe(3);
    expect(await run(resumed, 3, 6)).toEqual(expected);
    expect(await resumed.save()).toEqual(await whole.save());
    const other = nn.sequential(nn.conv3d(3, { kernel: 3 }), nn.relu(), nn.conv3d(2, { kernel: 1 }));
    const wider = await nn.trainer(gpu, other, OPTIONS);
    expect(() => wider.load(saved)).toThrow(CheckpointError);
    const shorter = await nn.trainer(gpu, nn.conv3d(2, { kernel: 1 }), OPTIONS);
    expect(() => shorter.load(saved)).toThrow(CheckpointError);
    for (const each of [whole, resumed, wider, shorter]) each.close();
  });

  it('takes a registered kind, with a target and a loss per head', async () => {
    const heads = [
      { name: 'a', channels: 2 },
      { name: 'b', channels: 3 },
    ];
    const spec = designNetwork('unet', {
      inChannels: 1,
      heads,
      baseChannels: 2,
      levels: 2,
      patch: [8, 8, 8],
    });
    const each = loss.generalizedDice();
    const options = { ...OPTIONS, target: { a: INPUT, b: [2, 2, 8, 8, 8] }, loss: { a: each, b: each } };
    const trainer = await nn.trainer(context.gpu, spec, options);
    const { x, y } = makeBatch(1);
    const two = new Float32Array(2 * y.length);
    expect(await trainer.step(x, { a: y, b: two })).toBeGreaterThan(0);
    const found = await trainer.predictHeads(x);
    expect([...found].map(([head, values]) => [head, values.length])).toEqual([
      ['a', 2 * y.length],
      ['b', 3 * y.length],
    ]);
    await expect(trainer.step(x, y)).rejects.toThrow(/the head a has no target/);
    trainer.close();
  });

  it('refuses what does not fit, by name', async () => {
    const { gpu } = context;
    const refused = (network: Parameters<typeof nn.trainer>[1], change: object): Promise<unknown> =>
      nn.trainer(gpu, network, { ...OPTIONS, ...change }).then(
        () => undefined,
        (error: unknown) => error,
      );
    const target = await refused(net, { target: [2, 2, 8, 8, 8] });
    expect(target).toBeInstanceOf(ShapeError);
    expect(String(target)).toMatch(/an output 2x2x8x8x8 with a target 2x1x8x8x8; got 2x2x8x8x8/);
    const heads = [{ name: 'a', channels: 2 }];
    const spec = designNetwork('unet', {
      inChannels: 1,
      heads,
      baseChannels: 2,
      levels: 3,
      patch: [8, 8, 8],
    });
    const patch = await refused(spec, { input: [2, 1, 8, 8, 6], target: [2, 1, 8, 8, 6] });
    expect(patch).toBeInstanceOf(ShapeError);
    expect(String(patch)).toMatch(/depth, height and width are multiples of 4; got 2x1x8x8x6/);
    const unknown = await refused({ kind: 'vnet', config: {} }, {});
    expect(unknown).toBeInstanceOf(UsageError);
    expect(unknown).toMatchObject({ hint: expect.stringContaining('unet') });
    const trainer = await nn.trainer(gpu, net, OPTIONS);
    const { x, y } = makeBatch(1);
    await expect(trainer.step(x.subarray(1), y)).rejects.toThrow(ShapeError);
    await expect(trainer.step(x, y.subarray(1))).rejects.toThrow(
      /output is 2x1x8x8x8, 1024 values; got 1023/,
    );
    await expect(trainer.predict(x.subarray(1))).rejects.toThrow(/whole items of 1x8x8x8, 512 values each/);
    await expect(
      trainer.step(
        x.map(() => Number.NaN),
        y,
      ),
    ).rejects.toThrow(NonFiniteError);
    trainer.close();
    expect(gpu.buffers).toEqual([]);
  });
});
