import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../../src/core/errors.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { type LoadedScan, loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { channelStatistics, preprocess } from '../../../src/imaging/dataset/preprocess.ts';
import { TISSUES } from '../../../src/imaging/dataset/tissue-maps.ts';
import { uncrop } from '../../../src/imaging/volume/crop.ts';
import { sameGrid } from '../../../src/imaging/volume/volume.ts';
import { bidsPatient, GRID, tree } from './make.ts';

async function scan(): Promise<LoadedScan> {
  const dataset = await openDataset(tree(bidsPatient('07')));
  return loadScan(dataset, findScans(dataset)[0]!, {
    targets: [LESION],
    maps: { name: 'tissue', labels: TISSUES, complete: true },
  });
}

const LESION = {
  name: 'lesion',
  labels: ['lesion'],
  source: { from: 'mask' },
  exclusive: true,
} as const;

describe('standardising', () => {
  it('gives mean 0 and deviation 1 in the brain and 0 outside', async () => {
    const loaded = await scan();
    const { input, channels, shape } = preprocess(loaded, { clip: null });
    expect(shape).toEqual([10, 14, 12]);
    expect(channels.map((c) => c.name)).toEqual(['FLAIR', 'T1w', 'T2w']);
    const count = 10 * 14 * 12;
    expect(input).toHaveLength(3 * count);
    channels.forEach((statistics, c) => {
      const values = input.subarray(c * count, (c + 1) * count);
      const inside = [...values].filter((_, i) => loaded.brain[i] !== 0);
      const mean = inside.reduce((a, b) => a + b, 0) / inside.length;
      expect(mean).toBeCloseTo(0, 5);
      expect(inside.reduce((a, b) => a + (b - mean) ** 2, 0) / inside.length).toBeCloseTo(1, 5);
      expect(values.every((v, i) => loaded.brain[i] !== 0 || v === 0)).toBe(true);
      const at = (4 * 14 + 6) * 12 + 5;
      expect(values[at]).toBeCloseTo(
        (loaded.channels[c]!.data[at]! - statistics.mean) / statistics.deviation,
        5,
      );
    });
  });

  it('clips at percentiles as NumPy computes them', () => {
    // np.percentile(arange(11), [5, 90]) = [0.5, 9]; of the clipped values mean 4.954545..., std 2.972...
    const data = Float32Array.from({ length: 12 }, (_, i) => (i === 11 ? 1e6 : i));
    const mask = new Uint8Array(12).fill(1, 0, 11);
    const s = channelStatistics('FLAIR', data, mask, [5, 90], 'sub-07');
    expect([s.low, s.high]).toEqual([0.5, 9]);
    expect(s.mean).toBeCloseTo(54.5 / 11, 12);
    const clipped = [0.5, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9];
    const variance = clipped.reduce((a, v) => a + (v - 54.5 / 11) ** 2, 0) / 11;
    expect(s.deviation).toBeCloseTo(Math.sqrt(variance), 12);
  });

  it('refuses an image with one value in the brain', async () => {
    const loaded = await scan();
    const flat = {
      ...loaded,
      channels: [{ name: 'FLAIR', data: loaded.channels[0]!.data.map((v) => (v === 0 ? 0 : 7)) }],
    };
    expect(() => preprocess(flat)).toThrow(DatasetError);
    expect(() => preprocess(flat)).toThrow('sub-07: FLAIR has the same value 7 in the whole brain');
  });
});

describe('cutting', () => {
  it('keeps brain and lesions, and finds the way back', async () => {
    const loaded = await scan();
    const whole = preprocess(loaded);
    const target = loaded.targets!.get('lesion')!;
    const lesions = target.channels[0]!.map((v, i) => (i === 0 ? 0 : v));
    const inner = { ...loaded, targets: new Map([['lesion', { ...target, channels: [lesions] }]]) };
    const cut = preprocess(inner, { crop: { margin: 1 } });
    expect(cut.box).toEqual({ start: [1, 1, 1], shape: [10, 12, 8] });
    expect(cut.shape).toEqual([8, 12, 10]);
    expect(sameGrid(cut.fullGrid, GRID)).toBe(true);
    const count = 10 * 12 * 8;
    const back = uncrop(cut.input.slice(0, count), cut.box, cut.fullGrid);
    expect([...back.data]).toEqual([...whole.input.slice(0, 12 * 14 * 10)]);
    expect([...uncrop(cut.brain, cut.box, cut.fullGrid).data]).toEqual([...loaded.brain]);
    expect([...uncrop(cut.targets!.get('lesion')!.data as Uint8Array, cut.box, cut.fullGrid).data]).toEqual([
      ...lesions,
    ]);
    expect([...uncrop(cut.maps!.data.slice(count, 2 * count), cut.box, cut.fullGrid).data]).toEqual([
      ...loaded.maps!.list[1]!.data,
    ]);
    // The lesion voxel in the corner, outside the brain, widens the box.
    expect(preprocess(loaded, { crop: { margin: 0 } }).box.start).toEqual([0, 0, 0]);
  });
  it('leaves room for a patch', async () => {
    const loaded = await scan();
    const { targets: _, ...plain } = loaded;
    const cut = preprocess(plain, { crop: { margin: 0, minimum: [12, 12, 12] } });
    expect(cut.box.shape).toEqual([12, 12, 10]);
    expect(cut.targets).toBeUndefined();
  });
});
