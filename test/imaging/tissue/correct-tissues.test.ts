import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DatasetError, ShapeError } from '../../../src/core/errors.ts';
import type { TissueMaps } from '../../../src/imaging/dataset/tissue-maps.ts';
import { correctTissues } from '../../../src/imaging/tissue/correct-tissues.ts';

function maps(GM: number[], WM: number[], CSF: number[]): TissueMaps {
  return { GM: Float32Array.from(GM), WM: Float32Array.from(WM), CSF: Float32Array.from(CSF) };
}

describe('correctTissues', () => {
  it('makes lesion voxels white matter and leaves the others', () => {
    const before = maps([0.5, 0.75, 0], [0.25, 0.25, 0], [0.25, 0, 0]);
    const after = correctTissues(before, Uint8Array.from([0, 1, 255]), 'sub-1');
    expect(after).toEqual(maps([0.5, 0, 0], [0.25, 1, 1], [0.25, 0, 0]));
    expect(before).toEqual(maps([0.5, 0.75, 0], [0.25, 0.25, 0], [0.25, 0, 0]));
  });

  it('moves the share of lesion that a probability says', () => {
    const after = correctTissues(maps([0.5], [0.25], [0.25]), Float32Array.from([0.5]), 'sub-1');
    expect(after).toEqual(maps([0.25], [0.625], [0.125]));
  });

  it('repairs what sums to more than 1 and rounding below 0', () => {
    const after = correctTissues(maps([1, -0.01], [0.5, 1.01], [0.5, 0]), new Uint8Array(2), 'sub-1');
    expect(after).toEqual(maps([0.5, 0], [0.25, 1], [0.25, 0]));
  });

  it('always gives a probability, and 1 for white matter in lesions', () => {
    const value = fc.float({ min: Math.fround(-0.4), max: Math.fround(1.4), noNaN: true });
    const share = fc.float({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value, value, share)), (voxels) => {
        const column = (i: 0 | 1 | 2 | 3): number[] => voxels.map((voxel) => voxel[i]);
        const before = maps(column(0), column(1), column(2));
        const soft = correctTissues(before, Float32Array.from(column(3)), 'sub-1');
        const hard = correctTissues(before, new Uint8Array(voxels.length).fill(1), 'sub-1');
        for (let i = 0; i < voxels.length; i++) {
          const three = [soft.GM[i]!, soft.WM[i]!, soft.CSF[i]!];
          expect(Math.min(...three)).toBeGreaterThanOrEqual(0);
          expect(three.reduce((a, b) => a + b)).toBeLessThanOrEqual(1 + 1e-6);
          expect([hard.GM[i], hard.WM[i], hard.CSF[i]]).toEqual([0, 1, 0]);
        }
      }),
    );
  });

  it('refuses lengths that differ and maps that hold no probabilities', () => {
    expect(() => correctTissues(maps([1], [0], [0]), new Uint8Array(2), 'sub-1')).toThrow(ShapeError);
    expect(() => correctTissues(maps([255], [0], [0]), new Uint8Array(1), 'sub-1')).toThrow(DatasetError);
    expect(() => correctTissues(maps([255], [0], [0]), new Uint8Array(1), 'sub-1')).toThrow(
      'sub-1: the GM map holds values from 0 to 255',
    );
  });
});
