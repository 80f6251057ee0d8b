import { describe, expect, it } from 'vitest';
import { reorient } from '../../../src/imaging/volume/orientation.ts';
import { resample } from '../../../src/imaging/volume/resample.ts';
import { axisAlignedGrid, gridFromAffine } from '../../../src/imaging/volume/volume.ts';

const grid = axisAlignedGrid([3, 4, 5], [1, 1, 1]);
const volume = { grid, data: Float32Array.from({ length: 60 }, (_, i) => (i * 7) % 31) };

describe('resample', () => {
  it('agrees with SciPy on an oblique grid', () => {
    // scipy.ndimage.map_coordinates(order=1, mode='nearest') at the same positions, SciPy 1.10.
    const scipy = [
      20.52, 21.06, 15.4, 13, 18.5, 18.575, 15.4, 15.196, 14.992, 16.6, 20.86, 19.664, 7.84, 12.1, 17.6,
      17.184, 13.756, 11.568, 10.944, 15.7, 18.968, 9.965, 5.7, 11.2, 15.62, 11.2, 10.5, 7.52, 9.3, 14.8,
      13.95, 6.74, 10.38, 13.312, 15.34, 18.36,
    ];
    const affine = new Float64Array([0.5, -0.2, 0, 0, 0.1, 0.8, 0.3, 0, 0, 0.1, 0.6, 0, 0.4, 0.9, 0.2, 1]);
    const out = resample(volume, gridFromAffine([3, 3, 4], affine));
    scipy.forEach((v, i) => {
      expect(out.data[i]).toBeCloseTo(v, 5);
    });
  });

  it('on its own grid changes nothing', () => {
    for (const interpolation of ['linear', 'nearest'] as const)
      expect([...resample(volume, grid, interpolation).data]).toEqual([...volume.data]);
  });

  it('does what reorienting does where only axes differ', () => {
    const moved = reorient(volume, { axes: [2, 0, 1], flips: [true, false, true] });
    for (const interpolation of ['linear', 'nearest'] as const)
      expect([...resample(volume, moved.grid, interpolation).data]).toEqual([...moved.data]);
  });

  it('takes the edge up to half a voxel outside, and the given value beyond', () => {
    const line = axisAlignedGrid([4, 2, 2], [0.5, 1, 1], [-1, 0, 0]);
    const out = resample(volume, line, 'linear', -5);
    expect([...out.data.slice(0, 4)]).toEqual([-5, 0, 0, 3.5]);
  });

  it('keeps labels whole with nearest', () => {
    const mask = { grid, data: Uint8Array.from({ length: 60 }, (_, i) => i % 2) };
    const out = resample(mask, axisAlignedGrid([6, 8, 10], [0.49, 0.49, 0.49]), 'nearest');
    expect(new Set(out.data)).toEqual(new Set([0, 1]));
  });
});
