import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../../src/core/errors.ts';
import { listVoxels } from '../../../src/imaging/tissue/brain-voxels.ts';

describe('listVoxels', () => {
  it('lists voxels in memory order with their neighbours, across no edge', () => {
    // x fastest: a row of three, one above its first, one in the next slice above its last.
    const mask = Uint8Array.from([1, 1, 1, 1, 0, 0, 0, 0, 9, 0, 0, 0]);
    const { count, index, position, neighbours, rowStart } = listVoxels(mask, [3, 2, 2]);
    expect(count).toBe(5);
    expect([...index]).toEqual([0, 1, 2, 3, 8]);
    expect([...position].map((p) => [p & 1023, (p >> 10) & 1023, p >> 20])).toEqual([
      [0, 0, 0],
      [1, 0, 0],
      [2, 0, 0],
      [0, 1, 0],
      [2, 0, 1],
    ]);
    expect([...rowStart]).toEqual([0, 3, 4, 5, 5]);
    const of = (v: number): number[] => [0, 1, 2, 3, 4, 5].map((n) => neighbours[n * count + v]!);
    expect(of(0)).toEqual([5, 1, 5, 3, 5, 5]);
    expect(of(2)).toEqual([1, 5, 5, 5, 5, 4]);
    expect(of(3)).toEqual([5, 5, 0, 5, 5, 5]);
    expect(of(4)).toEqual([5, 5, 5, 5, 2, 5]);
  });

  it('refuses an empty mask and extents that ten bits do not hold', () => {
    expect(() => listVoxels(new Uint8Array(8), [2, 2, 2])).toThrow(DatasetError);
    expect(() => listVoxels(new Uint8Array(1025).fill(1), [1025, 1, 1])).toThrow('1025x1x1');
  });
});
