import { describe, expect, it } from 'vitest';
import { fitExponent, measureScaling } from '../../../src/pipeline/bench/scaling.ts';
import {
  formatScaling,
  type ScalingReport,
  scalingPicture,
} from '../../../src/pipeline/bench/scaling-report.ts';
import { useGpu } from '../../support/gpu.ts';

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
      channels: 1,
      baseChannels: 4,
      levels: 2,
      patch: 16,
      batch: 1,
    } as const;
    const seen: number[] = [];
    const onPoint = ({ value }: { value: number }): number => seen.push(value);
    const series = await measureScaling(host.gpu, 'batch', [2, 4], fixed, { replays: 1, onPoint });
    expect(seen).toEqual([2, 4]);
    expect(series.points.map(({ size }) => size)).toEqual([8192, 16_384]);
    expect(series.memoryExponent).toBeGreaterThan(0.5);
    expect(series.memoryExponent).toBeLessThan(1.05);
    expect(host.gpu.buffers).toEqual([]);
  });
});

describe('the report of a scaling bench', () => {
  const report: ScalingReport = {
    adapter: 'some <adapter>',
    driver: 'system',
    commit: null,
    machine: { cores: 2, load: 0.5 },
    series: [
      {
        axis: 'batch',
        fixed: { channels: 1, baseChannels: 4, levels: 2, patch: 8, batch: 1 },
        timeExponent: 1.5,
        memoryExponent: 1,
        points: [
          { size: 512, value: 1, ms: 2, tensorBytes: 3e6 },
          { size: 1024, value: 2, ms: 6, tensorBytes: 6e6 },
        ],
      },
    ],
  };

  it('is a table with the exponents', () => {
    const rows = formatScaling(report)
      .split('\n')
      .filter((line) => line.startsWith('|'))
      .map((line) => line.split('|').map((cell) => cell.trim()));
    expect(rows[0]).toEqual(['', 'batch', '1', '2', 'exponent in voxels', '']);
    expect(rows.slice(2)).toEqual([
      ['', 'ms', '2', '6', '1.50', ''],
      ['', 'MB', '3', '6', '1.00', ''],
    ]);
  });

  it('is a picture with a point each', () => {
    const svg = scalingPicture(report);
    expect(svg).toMatch(/^<svg [\s\S]*<\/svg>\n$/);
    expect(svg).not.toMatch(/NaN|Infinity|undefined/);
    expect(svg).toContain('some &lt;adapter&gt;');
    expect(svg.match(/<circle /g)).toHaveLength(4);
  });
});
