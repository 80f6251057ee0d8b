import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Axis,
  type AxisOrder,
  canonicalOrder,
  inverseOrder,
  orderBetween,
  orientationOf,
  reorient,
  reorientGrid,
  toCanonical,
} from '../../../src/imaging/volume/orientation.ts';
import {
  axisAlignedGrid,
  type Grid,
  gridFromAffine,
  sameGrid,
  toWorld,
} from '../../../src/imaging/volume/volume.ts';

const order = fc.record({
  axes: fc.shuffledSubarray<Axis>([0, 1, 2], { minLength: 3 }) as fc.Arbitrary<[Axis, Axis, Axis]>,
  flips: fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()),
});
const ras = axisAlignedGrid([3, 4, 5], [1, 2, 3], [-10, 20, -30]);
const volume = { grid: ras, data: Float32Array.from({ length: 60 }, (_, i) => i) };

/** The value at a world position, found by going through every voxel. */
function valueAt(grid: Grid, data: Float32Array, world: readonly number[]): number | undefined {
  const [nx, ny, nz] = grid.shape;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++)
        if (toWorld(grid, [x, y, z]).every((v, i) => Math.abs(v - world[i]!) < 1e-6))
          return data[(z * ny + y) * nx + x];
  return undefined;
}

describe('reorientation', () => {
  it('keeps every value at its place in the world, and goes back exactly', () => {
    fc.assert(
      fc.property(order, (o: AxisOrder) => {
        const moved = reorient(volume, o);
        for (const index of [
          [0, 0, 0],
          [2, 3, 4],
          [1, 2, 3],
          [2, 0, 1],
        ] as const) {
          const value = volume.data[(index[2] * 4 + index[1]) * 3 + index[0]];
          expect(valueAt(moved.grid, moved.data, toWorld(ras, index))).toBe(value);
        }
        const back = reorient(moved, inverseOrder(o));
        expect([...back.data]).toEqual([...volume.data]);
        expect(sameGrid(back.grid, ras, 1e-9)).toBe(true);
        const canonical = toCanonical(moved);
        expect(orientationOf(canonical.volume.grid)).toBe('RAS');
        expect([...canonical.volume.data]).toEqual([...volume.data]);
        expect([...reorient(canonical.volume, canonical.back).data]).toEqual([...moved.data]);
        const found = orderBetween(moved.grid, ras);
        expect(found).toBeDefined();
        expect([...reorient(moved, found!).data]).toEqual([...volume.data]);
      }),
      { numRuns: 60, seed: 1 },
    );
  });

  it('works on masks', () => {
    const mask = { grid: ras, data: Uint8Array.from({ length: 60 }, (_, i) => i) };
    const moved = reorient(mask, { axes: [2, 1, 0], flips: [false, true, false] });
    expect(moved.data).toBeInstanceOf(Uint8Array);
    expect(moved.grid.shape).toEqual([5, 4, 3]);
    expect(moved.data[0]).toBe(9);
  });
});

describe('names of orientations', () => {
  it.each([
    [[1, 0, 0, 0, 1, 0, 0, 0, 1], 'RAS'],
    [[-1, 0, 0, 0, 1, 0, 0, 0, 1], 'LAS'],
    [[0, 0, -1, 1, 0, 0, 0, -1, 0], 'IRP'],
    [[0, -1, 0, 0, 0, -1, -1, 0, 0], 'PIL'],
    [[0.8, 0.6, 0, -0.6, 0.8, 0, 0, 0, -1], 'RAI'],
  ])('%j is %s', (c, name) => {
    const affine = new Float64Array([
      c[0]!,
      c[1]!,
      c[2]!,
      0,
      c[3]!,
      c[4]!,
      c[5]!,
      0,
      c[6]!,
      c[7]!,
      c[8]!,
      0,
      0,
      0,
      0,
      1,
    ]);
    const grid = gridFromAffine([2, 2, 2], affine);
    expect(orientationOf(grid)).toBe(name);
    expect(orientationOf(reorientGrid(grid, canonicalOrder(grid)))).toBe('RAS');
  });
});

describe('orderBetween', () => {
  it('finds none where voxels do not coincide', () => {
    expect(orderBetween(ras, axisAlignedGrid([3, 4, 5], [1, 2, 3], [-10, 20.5, -30]))).toBeUndefined();
    expect(orderBetween(ras, axisAlignedGrid([3, 4, 6], [1, 2, 3], [-10, 20, -30]))).toBeUndefined();
  });
});
