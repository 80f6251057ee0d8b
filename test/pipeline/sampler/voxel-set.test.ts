import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { VoxelSet } from '../../../src/pipeline/sampler/voxel-set.ts';

describe('a set of voxels', () => {
  it('lists the voxels of a mask in memory order, whatever the row length', () => {
    const random = new Random(3);
    for (const [size, width] of [
      [105, 7],
      [105, 1],
      [105, 105],
      [100, 7],
      [1, 1],
    ] as const) {
      const mask = Uint8Array.from({ length: size }, () =>
        random.uniform() < 0.2 ? 1 + random.integer(3) : 0,
      );
      const expected = [...mask.keys()].filter((i) => mask[i] !== 0);
      const set = new VoxelSet(mask, width);
      expect(set.count).toBe(expected.length);
      expect(expected.map((_, k) => set.at(k))).toEqual(expected);
    }
  });

  it('takes probabilities, and may be empty', () => {
    const set = new VoxelSet(Float32Array.of(0, 0.5, 0, 1, 0, 0), 3);
    expect([set.at(0), set.at(1)]).toEqual([1, 3]);
    const empty = new VoxelSet(new Uint8Array(6), 3);
    expect(empty.count).toBe(0);
    expect(() => empty.at(0)).toThrow(RangeError);
    expect(() => set.at(2)).toThrow('voxel 2 of 2');
  });
});
