import { describe, expect, it } from 'vitest';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import {
  describeChange,
  describeMixedSpacing,
  groupBySpacing,
  spacingChange,
} from '../../../src/pipeline/predict/voxel-size.ts';

type Spacing = readonly [number, number, number];
const change = (spacing: Spacing, ...learned: Spacing[]): Spacing | undefined =>
  spacingChange(
    { spacing: learned.map((mm) => ({ mm, scans: ['sub-01'] })) },
    axisAlignedGrid([9, 9, 9], spacing),
  )?.to;

describe('spacingChange', () => {
  it('leaves what is within a tenth', () => {
    expect(change([2, 2, 2], [2, 2, 2])).toBeUndefined();
    expect(change([1.8, 2.2, 2], [2, 2, 2])).toBeUndefined();
    expect(change([Math.fround(1.1), Math.fround(0.9), 1], [1, 1, 1])).toBeUndefined();
  });

  it('takes the axes that differ to the size of training, and the others not', () => {
    expect(change([1.7, 2.1, 2], [2, 2, 2])).toEqual([2, 2.1, 2]);
    expect(change([1, 1, 3], [2, 2, 2])).toEqual([2, 2, 2]);
    expect(change([2.3, 2, 2], [2, 2, 2])).toEqual([2, 2, 2]);
  });

  it('takes the nearest of several sizes', () => {
    expect(change([1, 1, 1], [2, 2, 2], [1.05, 1, 1])).toBeUndefined();
    expect(change([0.8, 0.8, 0.8], [2, 2, 2], [1, 1, 1])).toEqual([1, 1, 1]);
    expect(change([1.6, 1.6, 1.6], [2, 2, 2], [1, 1, 1])).toEqual([2, 2, 2]);
  });

  it('says nothing of a model that does not say what it learned at', () => {
    expect(spacingChange({}, axisAlignedGrid([9, 9, 9], [7, 7, 7]))).toBeUndefined();
  });

  it('is told in a sentence', () => {
    const told = { from: [0.9375, 0.9375, 3], to: [2, 2, 2] } as const;
    expect(describeChange(told, true)).toBe(
      'its voxels are 0.94x0.94x3 mm, those that the network learned at 2x2x2 mm: it is resampled for the network, and the result brought back to its own grid',
    );
    expect(describeChange(told, false)).toMatch(/2x2x2 mm: it is predicted as it is$/);
  });
});

describe('groupBySpacing', () => {
  const scan = (name: string, ...spacing: [number, number, number]): { name: string; spacing: Spacing } => ({
    name,
    spacing,
  });

  it('puts scans of one size together, rounding errors and all', () => {
    const groups = groupBySpacing([scan('a', 0.99999994, 1, 1), scan('b', 1.05, 1, 1), scan('c', 1, 1, 1)]);
    expect(groups).toEqual([{ mm: [1, 1, 1], scans: ['a', 'b', 'c'] }]);
    expect(describeMixedSpacing(groups)).toBeUndefined();
  });

  it('names the scans of each size', () => {
    const groups = groupBySpacing([scan('a', 1, 1, 1), scan('b', 1, 1, 3), scan('c', 1, 1, 1)]);
    expect(describeMixedSpacing(groups)).toMatch(
      /different voxel sizes, 1x1x1 mm \(a, c\); 1x1x3 mm \(b\): a patch/,
    );
  });
});
