import { describe, expect, it } from 'vitest';
import { fitExponent, measureScaling } from '../../src/bench/scaling.ts';
import { useGpu } from '../support/gpu.ts';

const host = useGpu();

describe('fitExponent', () => {
  it('finds the exponent of a power, whatever its factor', () => {
    for (const b of [0, 0.5, 1, 2])
      expect(fitExponent([1, 2, 5, 9].map((x) => [x, 3 * x ** b]))).toBeCloseTo(b, 10);
  });

  it('lies between the slopes where they differ', () => {
    expect(
      fitExponent([
        [1, 1],
        [2, 2],
        [4, 8],
      ]),
    ).toBeCloseTo(1.5, 10);
  });
});

describe('measureScaling', () => {
  it('measures a step at each size, with memory linear in the batch', async () => {
    const fixed = {
      variant: 'single',
      modalities: ['a'],
      baseChannels: 4,
      levels: 2,
      patch: 8,
      batch: 1,
    } as const;
    const seen: number[] = [];
    const onPoint = ({ value }: { value: number }): number => seen.push(value);
    const series = await measureScaling(host.gpu, 'batch', [2, 4], fixed, { replays: 1, onPoint });
    expect(seen).toEqual([2, 4]);
    expect(series.points.map(({ size }) => size)).toEqual([1024, 2048]);
    expect(series.memoryExponent).toBeGreaterThan(0.5);
    expect(series.memoryExponent).toBeLessThan(1.05);
    expect(host.gpu.buffers).toEqual([]);
  });
});
