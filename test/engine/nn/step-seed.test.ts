import { describe, expect, it } from 'vitest';
import { UsageError } from '../../../src/core/errors.ts';
import { StepSeed } from '../../../src/engine/nn/step-seed.ts';
import { dropout } from '../../../src/engine/ops/dropout.ts';
import { compilePlan } from '../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import { useGpu } from '../../support/gpu.ts';

const context = useGpu();
const SIZE = 1 << 16;
const P = 0.25;

/** What dropout keeps of ones at some steps, in two layers, in runs of the seeds given. */
async function masksOf(seeds: readonly number[], steps: readonly number[]): Promise<Float32Array[]> {
  const { gpu } = context;
  const ones = await TensorStore.create(gpu, 'ones', [{ name: 'x', shape: [SIZE] }]);
  ones.write('x', new Float32Array(SIZE).fill(1));
  const masks: Float32Array[] = [];
  for (const seed of seeds) {
    const random = await StepSeed.create(gpu, seed);
    const tape = new Tape(gpu.capabilities);
    const layers = [0, 1].map((stream) =>
      tape.apply(dropout, [ones.get('x')], { p: P, seed: random.tensor, stream }),
    );
    const plan = await compilePlan(gpu, tape.commands, { label: 'dropout', keep: layers });
    for (const step of steps) {
      random.setStep(step);
      plan.run();
      for (const layer of layers) masks.push(await plan.read(layer));
    }
    for (const owner of [plan, random]) owner.destroy();
  }
  ones.destroy();
  expect(gpu.buffers).toEqual([]);
  return masks;
}

describe('StepSeed', () => {
  it('gives each step, layer and run a mask of its own, and a repeated or resumed step the same one', async () => {
    const through = await masksOf([7], [1, 2, 3]);
    const resumed = await masksOf([7], [3, 2]);
    expect(resumed.slice(0, 2)).toEqual(through.slice(4));
    expect(resumed.slice(2)).toEqual(through.slice(2, 4));
    const masks = [...through, ...(await masksOf([8, 7 + 2 ** 16], [1]))];
    const deviation = Math.sqrt(P * (1 - P));
    const kept = Math.fround(1 / (1 - P));
    for (const mask of masks) expect(mask.every((x) => x === 0 || x === kept)).toBe(true);
    const normalised = masks.map((mask) => Array.from(mask, (x) => ((x === 0 ? 1 : 0) - P) / deviation));
    // Means and correlations of independent masks are normal with a deviation of 1 / sqrt(SIZE).
    const limit = 4.5 / Math.sqrt(SIZE);
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / SIZE;
    normalised.forEach((a, i) => {
      expect(Math.abs(mean(a)), `share dropped in mask ${i}`).toBeLessThan(limit);
      for (const lag of [1, 2, 3, 4, 64])
        expect(
          Math.abs(mean(a.map((x, k) => x * a[(k + lag) % SIZE]!))),
          `mask ${i} with itself, ${lag} further`,
        ).toBeLessThan(limit);
      normalised.slice(0, i).forEach((b, j) => {
        expect(Math.abs(mean(a.map((x, k) => x * b[k]!))), `masks ${i} and ${j}`).toBeLessThan(limit);
      });
    });
  });

  it('counts steps in whole numbers', async () => {
    const random = await StepSeed.create(context.gpu, 1);
    for (const step of [-1, 0.5, Number.NaN]) expect(() => random.setStep(step)).toThrow(UsageError);
    expect(() => random.setStep(-1)).toThrow('step seed: a step is a whole number from 0 on; got -1');
    random.destroy();
  });
});
