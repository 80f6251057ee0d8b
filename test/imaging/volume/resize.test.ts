import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { resample } from '../../../src/imaging/volume/resample.ts';
import { resize, resizedGrid } from '../../../src/imaging/volume/resize.ts';
import { axisAlignedGrid, gridFromAffine, toWorld, voxelCount } from '../../../src/imaging/volume/volume.ts';

/** Turned about all axes, one of them mirrored, with voxels of 1 x 2 x 3 mm. */
const OBLIQUE = gridFromAffine(
  [8, 7, 6],
  new Float64Array([-0.96, 0.28, 0, 0, 0.448, 1.536, 1.2, 0, 0.504, 1.728, -2.4, 0, 31, -22, 17, 1]),
);

function noise(count: number): Float32Array {
  const random = new Random(3);
  return Float32Array.from({ length: count }, () => random.uniform());
}

describe('resizedGrid', () => {
  it('covers the same field of view, turned the same way', () => {
    const grid = resizedGrid(OBLIQUE, [2, 2, 2]);
    expect(grid.shape).toEqual([4, 7, 9]);
    grid.spacing.forEach((mm) => void expect(mm).toBeCloseTo(2, 12));
    for (let axis = 0; axis < 3; axis++)
      for (let world = 0; world < 3; world++)
        expect(grid.affine[axis * 4 + world]! / grid.spacing[axis]!).toBeCloseTo(
          OBLIQUE.affine[axis * 4 + world]! / OBLIQUE.spacing[axis]!,
          12,
        );
    const [a, b] = [toWorld(grid, [1.5, 3, 4]), toWorld(OBLIQUE, [3.5, 3, 2.5])];
    a.forEach((mm, i) => void expect(mm).toBeCloseTo(b[i]!, 10));
  });

  it('leaves an axis whose size stays as it is, to the bit', () => {
    const grid = resizedGrid(OBLIQUE, [OBLIQUE.spacing[0], 1, OBLIQUE.spacing[2]]);
    expect(grid.shape).toEqual([8, 14, 6]);
    for (const i of [0, 1, 2, 8, 9, 10]) expect(grid.affine[i]).toBe(OBLIQUE.affine[i]);
    expect(resizedGrid(OBLIQUE, OBLIQUE.spacing).affine).toEqual(OBLIQUE.affine);
  });

  it('takes a voxel more rather than to cut the field of view', () => {
    expect(resizedGrid(axisAlignedGrid([10, 10, 10], [1, 1, 1]), [3, 0.9, 20]).shape).toEqual([4, 12, 1]);
  });
});

describe('resize', () => {
  it('interpolates linearly where voxels become smaller, as resample does', () => {
    const data = noise(voxelCount(OBLIQUE));
    const grid = resizedGrid(OBLIQUE, [0.7, 1.1, 1.3]);
    const wanted = resample({ grid: OBLIQUE, data }, grid).data;
    const [nx, ny, nz] = grid.shape;
    let compared = 0;
    resize(data, OBLIQUE, grid).forEach((v, i) => {
      const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
      // `resample` ends half a voxel outside the outermost centres.
      if (x === 0 || y === 0 || z === 0 || x === nx - 1 || y === ny - 1 || z === nz - 1) return;
      expect(v).toBeCloseTo(wanted[i]!, 5);
      compared++;
    });
    expect(compared).toBeGreaterThan(500);
  });

  it('takes the mean over the new voxel where voxels become larger', () => {
    const from = axisAlignedGrid([8, 1, 1], [1, 1, 1]);
    const data = Float32Array.from([3, 1, 4, 1, 5, 9, 2, 6]);
    expect([...resize(data, from, resizedGrid(from, [2, 1, 1]))]).toEqual([2, 2.5, 7, 4]);
    // Four voxels of 2.5 mm reach a millimetre beyond the eight: of the first one 1.5 mm are inside.
    const wide = resizedGrid(from, [2.5, 1, 1]);
    expect(wide.shape).toEqual([4, 1, 1]);
    const wanted = [
      (3 + 0.5 * 1) / 1.5,
      (0.5 * 1 + 4 + 1) / 2.5,
      (5 + 9 + 0.5 * 2) / 2.5,
      (0.5 * 2 + 6) / 1.5,
    ];
    resize(data, from, wide).forEach((v, i) => void expect(v).toBeCloseTo(wanted[i]!, 6));
  });

  it('does not alias: a chequerboard becomes grey', () => {
    const from = axisAlignedGrid([24, 24, 24], [1, 1, 1]);
    const board = Float32Array.from(
      { length: 24 ** 3 },
      (_, i) => ((i % 24) + (Math.floor(i / 24) % 24) + Math.floor(i / 576)) % 2,
    );
    const to = resizedGrid(from, [3, 3, 3]);
    const grey = resize(board, from, to);
    const linear = resample({ grid: from, data: board }, to).data;
    const spread = (values: Float32Array): number => Math.max(...values) - Math.min(...values);
    expect(spread(grey)).toBeLessThan(0.1);
    expect(spread(linear)).toBe(1);
  });

  it('keeps a constant, a mean, and on its own grid every bit', () => {
    const data = noise(voxelCount(OBLIQUE));
    const same = resize(data, OBLIQUE, OBLIQUE);
    expect(same).toEqual(data);
    expect(same).not.toBe(data);
    const ones = resize(new Uint8Array(data.length).fill(1), OBLIQUE, resizedGrid(OBLIQUE, [2.7, 0.9, 1.4]));
    for (const v of ones) expect(v).toBeCloseTo(1, 6);
  });

  it('refuses grids that are turned against each other', () => {
    const to = axisAlignedGrid([8, 7, 6], [1, 2, 3]);
    expect(() => resize(noise(voxelCount(OBLIQUE)), OBLIQUE, to)).toThrow(/axes of both grids are parallel/);
    expect(() => resize(noise(5), OBLIQUE, OBLIQUE)).toThrow(/5 values/);
  });
});
