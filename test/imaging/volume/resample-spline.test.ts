import { describe, expect, it } from 'vitest';
import { poseMatrix } from '../../../src/imaging/register/pose.ts';
import { resample } from '../../../src/imaging/volume/resample.ts';
import { movedGrid, resampleSpline } from '../../../src/imaging/volume/resample-spline.ts';
import { axisAlignedGrid, gridFromAffine, type Volume } from '../../../src/imaging/volume/volume.ts';

const grid = axisAlignedGrid([3, 4, 5], [1, 1, 1]);
const volume = { grid, data: Float32Array.from({ length: 60 }, (_, i) => (i * 7) % 31) };

describe('resampleSpline', () => {
  it('agrees with SciPy on an oblique grid', () => {
    // scipy.ndimage.map_coordinates(order=3, mode='mirror') at the same positions, clipped to 0..30, SciPy 1.10.
    const scipy = [
      22.63569, 22.18883, 13.66152, 12.66205, 20.98438, 20.36775, 16.8552, 16.40637, 16.90677, 16.73448,
      22.80912, 20.09584, 1.96921, 6.96636, 19.95532, 22.50561, 13.88441, 7.68638, 5.68166, 16.62293,
      24.18147, 8.07417, 0, 7.64808, 16.19488, 12.25196, 10.27733, 5.4265, 8.9535, 17.68844, 16.61332,
      4.12858, 4.49188, 9.73321, 17.34594, 22.9551,
    ];
    const affine = new Float64Array([0.5, -0.2, 0, 0, 0.1, 0.8, 0.3, 0, 0, 0.1, 0.6, 0, 0.4, 0.9, 0.2, 1]);
    const out = resampleSpline(volume, gridFromAffine([3, 3, 4], affine));
    scipy.forEach((v, i) => {
      expect(out.data[i]).toBeCloseTo(v, 4);
    });
  });

  it('goes through the values, and takes what lies outside', () => {
    resampleSpline(volume, grid).data.forEach((v, i) => {
      expect(v).toBeCloseTo(volume.data[i]!, 4);
    });
    const far = resampleSpline(volume, axisAlignedGrid([2, 1, 1], [3, 1, 1]), -1);
    expect(far.data[1]).toBe(-1);
    const slice = { grid: axisAlignedGrid([1, 1, 1], [1, 1, 1]), data: Float32Array.of(4) };
    expect(resampleSpline(slice, slice.grid).data[0]).toBeCloseTo(4, 5);
  });

  it('brings a mask of lesions through a rotation of 10 degrees and back', () => {
    const size = [40, 40, 40] as [number, number, number];
    const work = axisAlignedGrid(size, [1, 1, 1], [-20, -20, -20]);
    const lesions: [x: number, y: number, z: number, rx: number, ry: number, rz: number][] = [
      [12, 14, 20, 4, 3, 6],
      [27, 22, 15, 5, 3.5, 3],
      [22, 30, 27, 3, 3, 3.5],
    ];
    const mask: Volume = {
      grid: work,
      data: Float32Array.from({ length: 64000 }, (_, i) => {
        const p = [i % 40, Math.floor(i / 40) % 40, Math.floor(i / 1600)];
        return lesions.some(
          ([x, y, z, rx, ry, rz]) =>
            ((p[0]! - x) / rx) ** 2 + ((p[1]! - y) / ry) ** 2 + ((p[2]! - z) / rz) ** 2 < 1,
        )
          ? 1
          : 0;
      }),
    };
    const turn = poseMatrix([0.3, -0.4, 0.2, 8, 8, 8.1], [0, 0, 0]);
    const there = resampleSpline({ grid: movedGrid(work, turn), data: mask.data }, work);
    const backTurn = movedGrid(work, turn).affine;
    const back = resample(
      { grid: work, data: there.data },
      gridFromAffine(size, Float64Array.from(backTurn)),
    );
    let [both, sum] = [0, 0];
    back.data.forEach((v, i) => {
      const inside = v >= 0.5 ? 1 : 0;
      both += inside * mask.data[i]!;
      sum += inside + mask.data[i]!;
    });
    expect(sum).toBeGreaterThan(1000);
    expect((2 * both) / sum).toBeGreaterThan(0.93);
  });
});
