import { describe, expect, it } from 'vitest';
import { CHANGES, trackLesions } from '../../../src/imaging/change/track.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';

const grid = axisAlignedGrid([40, 9, 5], [1, 1, 2]);

/** A mask of bars along x: [from, length, y]. */
function bars(...list: readonly (readonly [number, number, number])[]): Uint8Array {
  const mask = new Uint8Array(40 * 9 * 5);
  for (const [from, length, y] of list)
    mask.fill(1, (2 * 9 + y) * 40 + from, (2 * 9 + y) * 40 + from + length);
  return mask;
}

const changesOf = (...args: Parameters<typeof trackLesions>): string[] =>
  trackLesions(...args).lesions.map(({ change }) => change);

describe('trackLesions on planted lesions', () => {
  it.each([
    ['new', [], [[2, 5, 1]]],
    ['vanished', [[2, 5, 1]], []],
    ['stable', [[2, 10, 1]], [[2, 12, 1]]],
    ['stable', [[2, 2, 1]], [[2, 4, 1]]],
    ['enlarging', [[2, 10, 1]], [[2, 13, 1]]],
    ['stable', [[2, 20, 1]], [[2, 25, 1]]],
    ['enlarging', [[2, 20, 1]], [[2, 26, 1]]],
    ['shrinking', [[2, 10, 1]], [[4, 7, 1]]],
    ['stable', [[2, 10, 1]], [[5, 9, 1]]],
    [
      'split',
      [[2, 10, 1]],
      [
        [2, 3, 1],
        [8, 3, 1],
      ],
    ],
    [
      'merged',
      [
        [2, 3, 1],
        [8, 3, 1],
      ],
      [[2, 10, 1]],
    ],
    [
      'merged',
      [
        [2, 6, 1],
        [12, 6, 1],
      ],
      [
        [6, 8, 1],
        [16, 6, 1],
      ],
    ],
  ] as const)('%s', (change, first, second) => {
    const { lesions, image } = trackLesions(bars(...first), bars(...second), grid);
    expect(lesions.map((lesion) => lesion.change)).toEqual([change]);
    expect(lesions[0]!.lesions).toEqual([first.length, second.length]);
    const either = bars(...first, ...second);
    expect([...image]).toEqual([...either].map((v) => v * (CHANGES.indexOf(change) + 1)));
  });

  it('tracks many at once, in memory’s order, with volumes', () => {
    const first = bars([2, 10, 1], [2, 10, 3], [30, 4, 5]);
    const second = bars([2, 10, 1], [2, 20, 3], [2, 4, 7]);
    const { lesions, ml } = trackLesions(first, second, grid);
    expect(lesions.map(({ number, change, voxels }) => [number, change, ...voxels])).toEqual([
      [1, 'stable', 10, 10],
      [2, 'enlarging', 10, 20],
      [3, 'vanished', 4, 0],
      [4, 'new', 0, 4],
    ]);
    expect(lesions[1]!.ml[0]).toBeCloseTo(0.02, 12);
    expect(ml[0]).toBeCloseTo(0.048, 12);
    expect(ml[1]).toBeCloseTo(0.068, 12);
  });

  it('has limits that can be set', () => {
    const [first, second] = [bars([2, 10, 1]), bars([2, 11, 1])];
    expect(changesOf(first, second, grid)).toEqual(['stable']);
    expect(changesOf(first, second, grid, { share: 0.1, voxels: 1 })).toEqual(['enlarging']);
    expect(changesOf(first, first, grid, { share: 0, voxels: 0 })).toEqual(['stable']);
  });

  it('of the same scan twice is no change; lesions that only touch are two', () => {
    const mask = bars([2, 10, 1], [20, 1, 4], [30, 1, 7]);
    const same = trackLesions(mask, mask, grid);
    expect(same.lesions.every(({ change }) => change === 'stable')).toBe(true);
    expect(same.ml[0]).toBe(same.ml[1]);
    expect(changesOf(bars([2, 3, 1]), bars([5, 3, 1]), grid)).toEqual(['vanished', 'new']);
  });

  it('takes empty masks and hundreds of one-voxel lesions, and refuses masks of another grid', () => {
    const none = bars();
    expect(trackLesions(none, none, grid)).toMatchObject({ lesions: [], ml: [0, 0] });
    const single = Uint8Array.from({ length: 40 * 9 * 5 }, (_, i) =>
      (i % 40) % 2 === 0 && (Math.floor(i / 40) % 9) % 2 === 0 && Math.floor(i / 360) % 2 === 0 ? 1 : 0,
    );
    expect(changesOf(none, single, grid)).toEqual(new Array(300).fill('new'));
    expect(() => trackLesions(none, new Uint8Array(3), grid)).toThrow(/second/);
  });
});
