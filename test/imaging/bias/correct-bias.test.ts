import { describe, expect, it } from 'vitest';
import { correctBias } from '../../../src/imaging/bias/correct-bias.ts';
import { makePhantom } from '../../../src/study/phantom/index.ts';

const phantom = makePhantom({
  seed: 9,
  subjectIndex: 1,
  shape: [60, 72, 60],
  spacing: 3,
  noise: 0.03,
  biasField: 0,
});
const { grid, brain } = phantom;
const flair = phantom.modalities.FLAIR;
const [nx, ny, nz] = grid.shape;

/** A coil on one side and a darker middle: 1.5 from the 5th to the 95th percentile. */
const field = Float64Array.from({ length: brain.length }, (_, i) => {
  const [x, y, z] = [(i % nx) / nx, (Math.floor(i / nx) % ny) / ny, Math.floor(i / (nx * ny)) / nz];
  return Math.exp(0.55 * (x - 0.5) - 0.4 * (z - 0.5) + 0.9 * ((y - 0.5) ** 2 + (x - 0.5) ** 2));
});

/** 95th over 5th percentile of a ratio in the brain. */
function spread(of: (i: number) => number): number {
  const values: number[] = [];
  brain.forEach((v, i) => {
    if (v !== 0 && flair[i]! > 0) values.push(of(i));
  });
  values.sort((a, b) => a - b);
  return values[Math.floor(0.95 * values.length)]! / values[Math.floor(0.05 * values.length)]!;
}

/** Mean of the lesions over the mean of what lies within three voxels of them. */
function contrast(image: ArrayLike<number>): number {
  const near = new Uint8Array(brain.length);
  phantom.lesions.forEach((v, i) => {
    if (v === 0) return;
    for (const step of [1, 2, 3])
      for (const d of [1, nx, nx * ny]) for (const s of [-1, 1]) near[i + s * step * d] = 1;
  });
  const mean = (keep: (i: number) => boolean): number => {
    let [sum, count] = [0, 0];
    for (let i = 0; i < brain.length; i++)
      if (keep(i)) {
        sum += image[i]!;
        count++;
      }
    return sum / count;
  };
  return (
    mean((i) => phantom.lesions[i] === 1) /
    mean((i) => near[i] === 1 && brain[i] === 1 && phantom.lesions[i] === 0)
  );
}

describe('bias field', () => {
  it('is taken out of a FLAIR, and lesions keep their contrast', () => {
    const data = flair.map((v, i) => v * field[i]!);
    expect(spread((i) => field[i]!)).toBeGreaterThan(1.4);
    const done = correctBias({ grid, data }, brain);
    expect(done.spread).toBeGreaterThan(1.3);
    expect(spread((i) => done.data[i]! / flair[i]!)).toBeLessThan(1.12);
    expect(Math.abs(contrast(done.data) / contrast(flair) - 1)).toBeLessThan(0.03);
    expect(correctBias({ grid, data }, brain).data).toEqual(done.data);
  });

  it('is hardly found where there is none', () => {
    const done = correctBias({ grid, data: flair }, brain);
    expect(done.spread).toBeLessThan(1.12);
    expect(Math.abs(contrast(done.data) / contrast(flair) - 1)).toBeLessThan(0.03);
    done.data.forEach((v, i) => {
      if (flair[i] === 0) expect(v).toBe(0);
    });
  });

  it('is not looked for in an empty brain', () => {
    expect(() => correctBias({ grid, data: flair }, new Uint8Array(brain.length))).toThrow('only 0 voxels');
  });
});
