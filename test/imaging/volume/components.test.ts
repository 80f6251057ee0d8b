import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { fillHoles, labelComponents, largestComponent } from '../../../src/imaging/volume/components.ts';

const SHAPE = [8, 7, 6] as const;
const bits = (text: string): Uint8Array => Uint8Array.from(text, Number);
// Random masks and what SciPy 1.10 makes of them (ndimage.label, ndimage.binary_fill_holes).
const SPARSE = bits(
  '001000111010010010101001000100000001000100110001101101000000000000110100000111111010000100000000000110000010000011100101100010001110001100010101000001000100001100001001100010010001000000110001000101001101100000011011101101000001000110100110001011011000000010100000010001100100000010000100001010110000010000000001011111000000000100100100',
);
const DENSE = bits(
  '111110111110011111111110011011111111111111011010110111011111111111111101100111111111110111111111001111101110011001111101101110100110101110011111111101111100110111101101110110110111111111010101111011110010011111110101010111111101111101011010100111111111111111111111111100011011110111111111111111111111100111111101011111100101110111110010',
);
const FILLED = bits(
  '111110111110011111111110011011111111111111011010110111011111111111111111111111111111111111111111001111101110011001111101111111100111111111111111111101111100110111101101110110110111111111011111111011110010011111110101010111111101111101011110100111111111111111111111111100011011110111111111111111111111100111111101011111100101110111110010',
);

describe('components', () => {
  it.each([
    [
      6,
      [20, 2, 2, 9, 2, 1, 1, 1, 1, 22, 1, 3, 1, 3, 1, 7, 1, 1, 4, 1, 1, 1, 1, 7, 6, 2, 1, 1, 1, 1, 1, 1, 1],
    ],
    [18, [107, 1, 1]],
    [26, [108, 1]],
  ] as const)('with connectivity %i agree with SciPy', (connectivity, sizes) => {
    const found = labelComponents(SPARSE, SHAPE, connectivity);
    expect(found.sizes).toEqual(sizes);
    expect(found.count).toBe(sizes.length);
    sizes.forEach((size, i) => {
      expect(found.labels.filter((label) => label === i + 1)).toHaveLength(size);
    });
    expect(found.labels.every((label, i) => label > 0 === SPARSE[i]! > 0)).toBe(true);
  });

  it('the largest is kept alone, the first of equals', () => {
    expect(largestComponent(SPARSE, SHAPE, 6).reduce((a, b) => a + b, 0)).toBe(22);
    expect([...largestComponent(bits('10010000'), [8, 1, 1])]).toEqual([1, 0, 0, 0, 0, 0, 0, 0]);
    expect(largestComponent(new Uint8Array(336), SHAPE).some((v) => v > 0)).toBe(false);
  });

  it('holes are filled as SciPy fills them', () => {
    expect([...fillHoles(DENSE, SHAPE)]).toEqual([...FILLED]);
  });

  it('a large component does not overflow anything', () => {
    const full = new Uint8Array(100 * 100 * 100).fill(1);
    expect(labelComponents(full, [100, 100, 100], 26).sizes).toEqual([1_000_000]);
  });
});

it('runs of voxels tell the largest component and the holes that labels tell', () => {
  const random = new Random(3);
  for (const share of [0.05, 0.3, 0.5, 0.8])
    for (const shape of [
      [8, 7, 6],
      [1, 9, 5],
      [6, 1, 7],
      [9, 4, 1],
    ] as const) {
      const mask = Uint8Array.from({ length: shape[0] * shape[1] * shape[2] }, () =>
        random.uniform() < share ? 1 + random.integer(3) : 0,
      );
      for (const connectivity of [6, 18, 26] as const) {
        const { labels, sizes } = labelComponents(mask, shape, connectivity);
        const largest = sizes.indexOf(Math.max(...sizes)) + 1;
        expect([...largestComponent(mask, shape, connectivity)]).toEqual(
          [...labels].map((label) => (label > 0 && label === largest ? 1 : 0)),
        );
      }
      const outside = labelComponents(
        mask.map((v) => (v === 0 ? 1 : 0)),
        shape,
        6,
      ).labels;
      const [nx, ny, nz] = shape;
      const open = new Set(
        [...outside].filter((_, i) => {
          const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
          return [x, nx - 1 - x, y, ny - 1 - y, z, nz - 1 - z].includes(0);
        }),
      );
      expect([...fillHoles(mask, shape)]).toEqual(
        [...outside].map((label) => (label === 0 || !open.has(label) ? 1 : 0)),
      );
    }
});
