import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../../src/core/errors.ts';
import { boundingBox, crop, fullBox, uncrop } from '../../../src/imaging/volume/crop.ts';
import { axisAlignedGrid, toWorld } from '../../../src/imaging/volume/volume.ts';

const grid = axisAlignedGrid([6, 7, 8], [1, 2, 3], [5, 6, 7]);
const volume = { grid, data: Float32Array.from({ length: 336 }, (_, i) => i) };

function maskOf(...points: (readonly [number, number, number])[]): Uint8Array {
  const mask = new Uint8Array(336);
  for (const [x, y, z] of points) mask[(z * 7 + y) * 6 + x] = 1;
  return mask;
}

describe('boundingBox', () => {
  it('is tight, and widened by the margin as far as the volume goes', () => {
    const mask = maskOf([1, 2, 3], [4, 2, 6]);
    expect(boundingBox(mask, grid.shape)).toEqual({ start: [1, 2, 3], shape: [4, 1, 4] });
    expect(boundingBox(mask, grid.shape, 2)).toEqual({ start: [0, 0, 1], shape: [6, 5, 7] });
  });
  it('grows to the minimum without leaving the volume', () => {
    const mask = maskOf([0, 6, 3]);
    expect(boundingBox(mask, grid.shape, 0, [4, 4, 4])).toEqual({ start: [0, 3, 2], shape: [4, 4, 4] });
    expect(boundingBox(mask, grid.shape, 0, [9, 9, 9])).toEqual(fullBox(grid));
  });
  it('is nothing for an empty mask', () => {
    expect(boundingBox(new Uint8Array(336), grid.shape)).toBeUndefined();
  });
});

describe('crop', () => {
  it('keeps voxels at their places', () => {
    const cut = crop(volume, { start: [1, 2, 3], shape: [2, 3, 4] });
    expect(cut.data[0]).toBe((3 * 7 + 2) * 6 + 1);
    expect(cut.data.at(-1)).toBe((6 * 7 + 4) * 6 + 2);
    expect(toWorld(cut.grid, [0, 0, 0])).toEqual(toWorld(grid, [1, 2, 3]));
    expect(cut.grid.spacing).toEqual([1, 2, 3]);
  });
  it('is undone by uncrop', () => {
    fc.assert(
      fc.property(
        fc.tuple(fc.nat(5), fc.nat(6), fc.nat(7)),
        fc.tuple(fc.nat(5), fc.nat(6), fc.nat(7)),
        (a, b) => {
          const start = a.map((v, i) => Math.min(v, b[i]!)) as [number, number, number];
          const shape = a.map((v, i) => Math.abs(v - b[i]!) + 1) as [number, number, number];
          const back = uncrop(crop(volume, { start, shape }).data, { start, shape }, grid, -1);
          back.data.forEach((v, i) => {
            const at = [i % 6, Math.floor(i / 6) % 7, Math.floor(i / 42)];
            const inside = at.every((p, axis) => p >= start[axis]! && p < start[axis]! + shape[axis]!);
            expect(v).toBe(inside ? i : -1);
          });
        },
      ),
      { numRuns: 30, seed: 2 },
    );
  });
  it('refuses a box outside the volume and data of another size', () => {
    for (const start of [
      [-1, 0, 0],
      [5, 0, 0],
    ] as const)
      expect(() => crop(volume, { start, shape: [2, 2, 2] })).toThrow(ShapeError);
    expect(() => uncrop(new Float32Array(7), { start: [0, 0, 0], shape: [2, 2, 2] }, grid)).toThrow(
      'uncrop: data must fill the box',
    );
  });
});
