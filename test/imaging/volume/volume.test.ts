import { describe, expect, it } from 'vitest';
import {
  axisAlignedGrid,
  describeGrid,
  gridFromAffine,
  sameGrid,
  toWorld,
  voxelVolume,
  worldToVoxel,
} from '../../../src/imaging/volume/volume.ts';

const sheared = gridFromAffine(
  [4, 5, 6],
  new Float64Array([2, 0, 0, 0, 1, 3, 0, 0, 0, 0, -4, 0, 10, 20, 30, 1]),
);

describe('grids', () => {
  it('read spacing off the affine', () => {
    expect(sheared.spacing).toEqual([2, Math.hypot(1, 3), 4]);
    expect(voxelVolume(sheared)).toBeCloseTo(24, 12);
    expect(voxelVolume(axisAlignedGrid([2, 2, 2], [0.5, 2, 3]))).toBe(3);
  });
  it('map indices to the world and back', () => {
    expect(toWorld(sheared, [1, 2, 3])).toEqual([14, 26, 18]);
    const back = worldToVoxel(sheared);
    const [x, y, z] = [14, 26, 18];
    const index = [0, 1, 2].map((r) => back[r]! * x + back[4 + r]! * y + back[8 + r]! * z + back[12 + r]!);
    index.forEach((v, i) => {
      expect(v).toBeCloseTo(i + 1, 12);
    });
  });
  it('say which affine has no way back', () => {
    const flat = gridFromAffine([2, 2, 2], new Float64Array(16));
    expect(() => worldToVoxel(flat)).toThrow('singular');
  });
  it('are the same within a hundredth of a millimetre at every corner', () => {
    const a = axisAlignedGrid([100, 100, 100], [1, 1, 1]);
    expect(sameGrid(a, axisAlignedGrid([100, 100, 100], [1.00005, 1, 1]))).toBe(true);
    expect(sameGrid(a, axisAlignedGrid([100, 100, 100], [1.001, 1, 1]))).toBe(false);
    expect(sameGrid(a, axisAlignedGrid([100, 100, 100], [1, 1, 1], [0, 0.02, 0]))).toBe(false);
    expect(sameGrid(a, axisAlignedGrid([100, 100, 99], [1, 1, 1]))).toBe(false);
  });
  it('describe themselves', () => {
    expect(describeGrid(axisAlignedGrid([91, 109, 91], [2, 2, 2], [-90, -126, -72]))).toBe(
      '91x109x91 at 2x2x2 mm, origin (-90, -126, -72)',
    );
  });
});
