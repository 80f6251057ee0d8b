import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import {
  componentVolumes,
  connectedComponents,
  touchedComponents,
  voxelMl,
} from '../../../src/imaging/evaluate/lesions.ts';
import type { Connectivity } from '../../../src/imaging/volume/components.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { goldenCases, unpack } from './golden.ts';

describe('connectedComponents', () => {
  for (const golden of goldenCases()) {
    for (const connectivity of [6, 18, 26] as const) {
      it(`labels as SciPy does: ${golden.name}, ${connectivity}-connected`, () => {
        const { truth, grid } = unpack(golden);
        const components = connectedComponents(truth, grid, connectivity);
        const want = golden.connectivity[`${connectivity}`];
        expect(components.count).toBe(want.trueLesions);
        expect(components.sizes).toEqual(want.trueSizes);
        let sum = 0;
        components.labels.forEach((label, i) => {
          sum += label * (1 + (i % 97));
        });
        expect(sum).toBe(want.labelSum);
      });
    }
  }

  it('joins over faces, edges and corners as the connectivity says', () => {
    const grid = axisAlignedGrid([2, 2, 2], [1, 1, 1]);
    const count = (mask: number[], connectivity: Connectivity): number =>
      connectedComponents(Uint8Array.from(mask), grid, connectivity).count;
    const edge = [1, 0, 0, 1, 0, 0, 0, 0];
    const corner = [1, 0, 0, 0, 0, 0, 0, 1];
    expect([6, 18, 26].map((c) => count(edge, c as Connectivity))).toEqual([2, 1, 1]);
    expect([6, 18, 26].map((c) => count(corner, c as Connectivity))).toEqual([2, 2, 1]);
  });

  it('does not join a row’s end with the next row’s start', () => {
    const grid = axisAlignedGrid([3, 3, 1], [1, 1, 1]);
    const mask = Uint8Array.from([0, 0, 1, 1, 0, 0, 0, 0, 0]);
    expect(connectedComponents(mask, grid).count).toBe(2);
  });

  it('takes any value but 0 as lesion', () => {
    const grid = axisAlignedGrid([3, 1, 1], [1, 1, 1]);
    expect(connectedComponents(Uint8Array.from([255, 2, 0]), grid).sizes).toEqual([2]);
  });

  it('is fast on a whole brain of 1 mm', () => {
    const grid = axisAlignedGrid([181, 217, 181], [1, 1, 1]);
    const random = new Random(3);
    const mask = new Uint8Array(181 * 217 * 181).map(() => (random.uniform() < 0.05 ? 1 : 0));
    const start = performance.now();
    expect(connectedComponents(mask, grid).count).toBeGreaterThan(1000);
    expect(performance.now() - start).toBeLessThan(10_000);
  });

  it('refuses a mask of another size, and says both', () => {
    const grid = axisAlignedGrid([2, 3, 4], [1, 1, 1]);
    expect(() => connectedComponents(new Uint8Array(23), grid)).toThrow(ShapeError);
    expect(() => connectedComponents(new Uint8Array(23), grid)).toThrow('23 values for 2x3x4 = 24 voxels');
  });
});

describe('lesion volumes', () => {
  it('are in ml, in label order', () => {
    const grid = axisAlignedGrid([4, 1, 1], [1, 2, 5]);
    const components = connectedComponents(Uint8Array.from([1, 0, 1, 1]), grid);
    expect(componentVolumes(components, grid)).toEqual([0.01, 0.02]);
    expect(touchedComponents(components, Uint8Array.from([0, 1, 0, 1]))).toEqual([false, true]);
  });

  it('use the affine’s determinant, whatever its signs and tilt', () => {
    const grid = axisAlignedGrid([1, 1, 1], [2, 2, 3]);
    const [c, s] = [Math.cos(0.4), Math.sin(0.4)];
    const affine = Float64Array.from([-2 * c, -2 * s, 0, 0, -2 * s, 2 * c, 0, 0, 0, 0, 3, 0, 9, 9, 9, 1]);
    expect(voxelMl({ ...grid, affine })).toBeCloseTo(0.012, 12);
  });
});
