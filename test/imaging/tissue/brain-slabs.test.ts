import { describe, expect, it } from 'vitest';
import { OutOfMemoryError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { type BrainSlab, cutSlabs, largestSlab } from '../../../src/imaging/tissue/brain-slabs.ts';
import { type BrainVoxels, listVoxels } from '../../../src/imaging/tissue/brain-voxels.ts';

const MIB = 2 ** 20;
const DEFAULT_LIMITS = { maxBindingBytes: 128 * MIB, maxBufferBytes: 256 * MIB };
const SHAPE = [6, 5, 9] as const;

/** A ragged brain whose fifth plane is empty. */
function ragged(): BrainVoxels {
  const random = new Random(3);
  const mask = Uint8Array.from({ length: 270 }, (_, i) => {
    const z = Math.floor(i / 30);
    return z !== 4 && (random.uniform() < 0.7 || i % 30 === 7) ? 1 : 0;
  });
  return listVoxels(mask, SHAPE);
}

/** Place in the whole list of a slab's neighbour; the whole count where there is none. */
function across({ voxels, start }: BrainSlab, whole: BrainVoxels, side: number, v: number): number {
  const other = voxels.neighbours[side * voxels.count + v]!;
  return other === voxels.count ? whole.count : other + start;
}

describe('cutSlabs', () => {
  it('leaves a brain that fits in one piece', () => {
    const whole = ragged();
    const [slab, ...rest] = cutSlabs(whole, whole.count, DEFAULT_LIMITS);
    expect(rest).toEqual([]);
    expect(slab).toEqual({ voxels: whole, start: 0, first: 0, end: whole.count });
  });

  it.each([80, 95, 120])('of at most %i voxels: own each voxel once, with all its neighbours', (most) => {
    const whole = ragged();
    const slabs = cutSlabs(whole, most, DEFAULT_LIMITS);
    expect(slabs.length).toBeGreaterThan(1);
    let next = 0;
    for (const slab of slabs) {
      const { voxels, start, first, end } = slab;
      expect(voxels.count).toBeLessThanOrEqual(most);
      expect(start + first).toBe(next);
      next = start + end;
      for (let v = 0; v < voxels.count; v++) {
        expect(voxels.position[v]).toBe(whole.position[start + v]);
        if (v < first || v >= end) continue;
        for (let side = 0; side < 6; side++)
          expect(across(slab, whole, side, v)).toBe(whole.neighbours[side * whole.count + start + v]);
      }
      const rows = Array.from({ length: 45 }, (_, row) => voxels.rowStart[row + 1]! - voxels.rowStart[row]!);
      expect(rows.reduce((sum, n) => sum + n, 0)).toBe(end - first);
      rows.forEach((n, row) => {
        if (n > 0) expect(n).toBe(whole.rowStart[row + 1]! - whole.rowStart[row]!);
      });
    }
    expect(next).toBe(whole.count);
  });

  it('refuses a brain of which not even three planes fit', () => {
    const attempt = (): unknown => cutSlabs(ragged(), 20, DEFAULT_LIMITS);
    expect(attempt).toThrow(OutOfMemoryError);
    expect(attempt).toThrow(/three planes of the brain hold \d+ voxels; .* at most 20 together/);
  });
});

describe('largestSlab', () => {
  it('is what the widest table of 24 bytes a voxel leaves where a binding is small', () => {
    const limits = { maxBindingBytes: 128 * MIB, maxBufferBytes: 4096 * MIB };
    expect(largestSlab([364, 436, 364], 1, limits)).toBe(Math.floor((128 * MIB) / 24));
  });

  it('is what one buffer holds where that is less, and never below 0', () => {
    const limits = { maxBindingBytes: 4096 * MIB, maxBufferBytes: 256 * MIB };
    const most = largestSlab([182, 218, 182], 3, limits);
    expect(most).toBeLessThan((256 * MIB) / (4 * 14));
    expect(most).toBeGreaterThan((0.9 * 256 * MIB) / (4 * 14));
    expect(largestSlab([182, 218, 182], 3, { maxBindingBytes: 1000, maxBufferBytes: 1000 })).toBe(0);
  });
});
