import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { gpuComparison } from '../../../src/imaging/register/joint-histogram.ts';
import { normalisedMutualInformation } from '../../../src/imaging/register/mutual-information.ts';
import { poseMatrix } from '../../../src/imaging/register/pose.ts';
import { binImage, drawSamples, sampleToVoxel } from '../../../src/imaging/register/samples.ts';
import { axisAlignedGrid, type Volume } from '../../../src/imaging/volume/volume.ts';
import { jointHistogram } from '../../reference/joint-histogram.ts';
import { useGpu } from '../../support/gpu.ts';

const device = useGpu();

function noise(shape: [number, number, number], spacing: [number, number, number], seed: number): Volume {
  const random = new Random(seed);
  const data = Float32Array.from({ length: shape[0] * shape[1] * shape[2] }, () => random.uniform());
  return { grid: axisAlignedGrid(shape, spacing, [-11, 4, 30]), data };
}

describe('joint histograms', () => {
  const centre = [-5, 10, 35] as const;
  const samples = drawSamples(noise([31, 23, 17], [0.9, 1.1, 1.3], 1), centre);
  const moving = binImage(noise([19, 29, 11], [1.3, 0.8, 2], 2));
  const random = new Random(3);
  // More than one dispatch holds, and one that leaves the image altogether.
  const rows = Array.from({ length: 37 }, (_, i) => {
    const parameters = Float64Array.from({ length: 12 }, () => random.uniform(-6, 6));
    if (i === 5) parameters[0] = 500;
    return sampleToVoxel(moving.grid, centre, poseMatrix(parameters, centre));
  });

  it('of many transforms agree with float64', async () => {
    expect(samples.count).toBeGreaterThan(3 * 4096 - 200);
    const comparison = await gpuComparison(device.gpu)(samples, moving);
    const counted = await comparison.histograms(rows);
    counted.forEach((counts, i) => {
      const wanted = jointHistogram(samples.data, moving, rows[i]!);
      // A weight on the border of two steps may fall to the other, a sample on the image's border may leave it.
      let apart = 0;
      wanted.forEach((count, cell) => {
        apart += Math.abs(count - counts[cell]!);
      });
      expect(apart / 64).toBeLessThan(samples.count / 1000);
      expect(normalisedMutualInformation(counts)).toBeCloseTo(normalisedMutualInformation(wanted), 4);
    });
    expect(Array.from(counted[5]!).every((count) => count === 0)).toBe(true);
    const again = await comparison.histograms([rows[36]!, rows[2]!]);
    expect(again[0]).toEqual(counted[36]);
    expect(again[1]).toEqual(counted[2]);
    comparison.destroy();
  });
});

describe('normalised mutual information', () => {
  it('has the values that NumPy gives', () => {
    // p = h / h.sum(); (H(p.sum(1)) + H(p.sum(0))) / H(p) of these counts, NumPy 1.24.
    const counts = new Float64Array(1024);
    counts[0] = 5;
    counts[1] = 2;
    counts[33] = 7;
    counts[66] = 3;
    counts[65] = 1;
    expect(normalisedMutualInformation(counts)).toBeCloseTo(1.4370068, 6);
  });

  it('is 2 for equal images, 1 for independent ones, 0 for none', () => {
    const counts = new Float64Array(1024);
    for (let i = 0; i < 32; i++) counts[i * 33] = 3 + i;
    expect(normalisedMutualInformation(counts)).toBeCloseTo(2, 12);
    expect(normalisedMutualInformation(new Float64Array(1024).fill(4))).toBeCloseTo(1, 12);
    expect(normalisedMutualInformation(new Float64Array(1024))).toBe(0);
  });
});
