import { describe, expect, it } from 'vitest';
import { formatTable } from '../../../src/imaging/evaluate/tables.ts';
import { listParts, partTable } from '../../../src/imaging/results/parts.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';

const grid = axisAlignedGrid([10, 8, 6], [2, 2, 2], [-9, 0, 10]);
const at = (x: number, y: number, z: number): number => (z * 8 + y) * 10 + x;

/** A bar of three voxels on the left, one voxel on the right. */
function example(): { mask: Uint8Array; probabilities: Float32Array } {
  const mask = new Uint8Array(480);
  const probabilities = new Float32Array(480);
  [
    [7, 1, 1, 0.5],
    [1, 2, 3, 0.75],
    [2, 2, 3, 1],
    [3, 2, 3, 0.5],
  ].forEach(([x, y, z, p]) => {
    mask[at(x!, y!, z!)] = 1;
    probabilities[at(x!, y!, z!)] = p!;
  });
  return { mask, probabilities };
}

describe('listParts', () => {
  it('counts, places and orders lesions', () => {
    const { mask, probabilities } = example();
    const truth = new Uint8Array(480);
    truth[at(3, 2, 3)] = 1;
    expect(listParts(mask, probabilities, grid, { truth })).toEqual([
      {
        number: 1,
        voxels: 3,
        ml: 0.024,
        diameter: 6,
        place: [-5, 4, 16],
        side: 'left',
        meanProbability: 0.75,
        maxProbability: 1,
        found: true,
      },
      {
        number: 2,
        voxels: 1,
        ml: 0.008,
        diameter: 2,
        place: [5, 2, 12],
        side: 'right',
        meanProbability: 0.5,
        maxProbability: 0.5,
        found: false,
      },
    ]);
  });

  it('places a hollow lesion on one of its own voxels', () => {
    const mask = new Uint8Array(480);
    for (const [x, y] of [
      [2, 2],
      [3, 2],
      [4, 2],
      [2, 3],
      [4, 3],
      [2, 4],
      [3, 4],
      [4, 4],
    ])
      mask[at(x!, y!, 3)] = 1;
    const [ring] = listParts(mask, new Float32Array(480), grid);
    const [x, y, z] = ring!.place;
    expect(mask[at((x + 9) / 2, y / 2, (z - 10) / 2)]).toBe(1);
    expect(ring!.voxels).toBe(8);
  });

  it('lists nothing for an empty mask, and refuses arrays of another grid', () => {
    expect(listParts(new Uint8Array(480), new Float32Array(480), grid)).toEqual([]);
    expect(() => listParts(new Uint8Array(480), new Float32Array(3), grid)).toThrow(/probabilities/);
    expect(() =>
      listParts(new Uint8Array(480), new Float32Array(480), grid, { truth: new Uint8Array(1) }),
    ).toThrow(/truth/);
  });
});

describe('partTable', () => {
  it('has a column for the truth only where there is one', () => {
    const { mask, probabilities } = example();
    const plain = formatTable(partTable(listParts(mask, probabilities, grid)));
    expect(plain).toContain('0.024');
    expect(plain).not.toContain('In the truth');
    const judged = formatTable(partTable(listParts(mask, probabilities, grid, { truth: mask })));
    expect(judged).toContain('In the truth');
    expect(judged).toMatch(/yes$/m);
  });
});
