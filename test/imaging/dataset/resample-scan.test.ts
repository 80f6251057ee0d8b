import { describe, expect, it } from 'vitest';
import { resampleScan, type ScanVoxels } from '../../../src/imaging/dataset/resample-scan.ts';
import { TISSUES } from '../../../src/imaging/dataset/tissue-maps.ts';
import { axisAlignedGrid, type Grid, voxelCount } from '../../../src/imaging/volume/volume.ts';
import { type Value, values } from './make.ts';

const GRID: Grid = axisAlignedGrid([20, 22, 16], [1, 1, 1.5]);
const inBrain: Value = (x, y, z) =>
  ((x - 9.5) / 8) ** 2 + ((y - 10.5) / 9) ** 2 + ((z - 7.5) / 6) ** 2 <= 1 ? 1 : 0;

function scan(extra: Partial<ScanVoxels> = {}): ScanVoxels {
  return {
    subject: '07',
    session: null,
    grid: GRID,
    // A skull brighter than any brain, and a brain of one value.
    channels: [{ name: 'T1w', data: values((x, y, z) => (inBrain(x, y, z) ? 100 : 4000), GRID) }],
    brain: Uint8Array.from(values(inBrain, GRID)),
    ...extra,
  };
}

const sum = (data: ArrayLike<number>): number => Array.from(data).reduce((a, b) => a + b, 0);

describe('resampleScan', () => {
  it('lets nothing from outside into the brain', () => {
    for (const spacing of [
      [2, 2, 2],
      [0.7, 0.7, 0.7],
    ] as const) {
      const { scan: there } = resampleScan(scan(), spacing);
      expect(there.channels[0]!.data.length).toBe(voxelCount(there.grid));
      const off = there.brain.map((inside, i) =>
        Math.abs(there.channels[0]!.data[i]! - (inside ? 100 : 0)) < 1e-3 ? 0 : 1,
      );
      expect(off).not.toContain(1);
      const ml = (brain: Uint8Array, mm: readonly number[]): number =>
        (sum(brain) * mm[0]! * mm[1]! * mm[2]!) / 1000;
      expect(ml(there.brain, spacing) / ml(scan().brain, GRID.spacing)).toBeCloseTo(1, 1);
    }
  });

  it('keeps tissue maps a probability, and lesions a mask or shares', () => {
    const half = values((x, y, z) => inBrain(x, y, z) * (x < 10 ? 1 : 0), GRID);
    const rest = values((x, y, z) => inBrain(x, y, z) * (x < 10 ? 0 : 1), GRID);
    const list = [half, rest, new Float32Array(half.length)].map((data, i) => ({
      label: TISSUES[i]!,
      data,
    }));
    const maps = { name: 'tissue', list, complete: true };
    const lesions = (data: Uint8Array | Float32Array): ScanVoxels['targets'] =>
      new Map([['lesion', { channels: [data], marks: true, exclusive: true }]]);
    const before = half.slice();
    const { scan: there } = resampleScan(scan({ maps, targets: lesions(Uint8Array.from(half)) }), [2, 2, 2]);
    const [GM, WM, CSF] = there.maps!.list.map(({ data }) => data) as [
      Float32Array,
      Float32Array,
      Float32Array,
    ];
    const mask = there.targets!.get('lesion')!.channels[0]!;
    const sums = Array.from(GM, (gm, i) => gm + WM[i]! + CSF[i]!).filter((_, i) => there.brain[i] !== 0);
    expect(Math.max(...sums.map((total) => Math.abs(total - 1)))).toBeLessThan(1e-5);
    expect(half).toEqual(before);
    expect(new Set(mask)).toEqual(new Set([0, 1]));
    expect((sum(mask) * 8) / (sum(half) * 1.5)).toBeCloseTo(1, 1);
    const shares = resampleScan(scan({ targets: lesions(half) }), [2, 2, 2]).scan.targets!.get('lesion')!
      .channels[0]!;
    expect(shares).toBeInstanceOf(Float32Array);
    expect(new Set(shares).size).toBeGreaterThan(2);
  });

  it('brings maps back to the own grid, nothing outside the brain', () => {
    const { scan: there, back } = resampleScan(scan(), [2, 2, 2]);
    const map = Float32Array.from(there.brain, (inside) => (inside ? 0.8 : 0.3));
    for (const middle of [0.5, 0.7, 0, 1]) {
      const own = back(map, middle);
      expect(own.length).toBe(voxelCount(GRID));
      let covered = 0;
      const { brain } = scan();
      brain.forEach((inside, i) => {
        if (inside === 0 ? own[i] !== 0 : own[i] !== 0 && Math.abs(own[i]! - 0.8) > 1e-5)
          expect.unreachable(`${own[i]} at ${i}`);
        if (own[i] !== 0) covered++;
      });
      expect(covered / sum(brain)).toBeGreaterThan(0.97);
    }
  });

  it('keeps the size of a lesion at a threshold that is not a half', () => {
    const { scan: there, back } = resampleScan(scan(), [2, 2, 3]);
    const [nx, ny] = there.grid.shape;
    const map = Float32Array.from(there.brain, (_, i) => {
      const [x, y, z] = [i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny))];
      return x >= 3 && x < 6 && y >= 4 && y < 7 && z >= 3 && z < 5 ? 0.97 : 0.02;
    });
    const voxels = (data: Float32Array): number => data.filter((p) => p >= 0.8).length * 1.5;
    const mm3 = 18 * 12;
    expect(Math.abs(voxels(back(map, 0.8)) / mm3 - 1)).toBeLessThan(0.1);
    expect(voxels(back(map)) / mm3).toBeLessThan(0.75);
  });

  it('refuses sizes that are worlds apart', () => {
    expect(() => resampleScan(scan(), [12, 2, 2])).toThrow(
      /sub-07: it is 20x22x16 at 1x1x1.5 mm.*voxels of 12x2x2 mm are too far/,
    );
    expect(() => resampleScan(scan(), [1, 0.09, 1])).toThrow(/too far/);
    const speck = new Uint8Array(voxelCount(GRID));
    speck[speck.length >> 1] = 1;
    expect(() => resampleScan(scan({ brain: speck }), [4, 4, 4])).toThrow(/nothing is left of the brain/);
  });
});
