import { describe, expect, it } from 'vitest';
import type { LoadedScan } from '../../src/imaging/dataset/load-scan.ts';
import { templateImage } from '../../src/imaging/regions/to-template.ts';
import { summarise, tellSummary } from '../../src/imaging/results/part-files.ts';
import { worldToVoxel } from '../../src/imaging/volume/volume.ts';
import { decideBox } from '../../src/pipeline/predict/decide-box.ts';
import type { BoxSegmentation } from '../../src/pipeline/predict/segment.ts';
import { findRegions } from '../../src/study/lesion-regions.ts';
import { useGpu } from '../support/gpu.ts';

const device = useGpu();

const { grid, data } = templateImage();
const brain = Uint8Array.from(data, (v) => (v > 2 ? 1 : 0));
const toVoxel = worldToVoxel(grid);
/** The voxel at a place of the template, mm. */
const voxel = (...p: readonly [number, number, number]): number => {
  const [x, y, z] = [0, 1, 2].map((r) =>
    Math.round(toVoxel[r]! * p[0] + toVoxel[4 + r]! * p[1] + toVoxel[8 + r]! * p[2] + toVoxel[12 + r]!),
  ) as [number, number, number];
  return (z * grid.shape[1] + y) * grid.shape[0] + x;
};

/** A network that finds lesions at places of the template's brain, and whose scan that brain is. */
function segmented(voxels: readonly number[], scanBrain: Uint8Array = brain) {
  const map = new Float32Array(data.length);
  for (const i of voxels) map[i] = 1;
  const scan = {
    ...{ grid, brain: scanBrain, brainSource: 'mask' },
    channels: [{ name: 'T1w', data: Float32Array.from(data) }],
  } as unknown as LoadedScan;
  const head = { name: 'lesions', labels: ['lesion'], target: { from: 'mask' } };
  const segmentation = {
    box: { start: [0, 0, 0], shape: grid.shape },
    heads: new Map([
      [
        'lesions',
        { head, decision: { kind: 'threshold', thresholds: [0.5] }, maps: new Map([['lesion', map]]) },
      ],
    ]),
  } as unknown as BoxSegmentation;
  return { scan, decided: decideBox(segmentation, scan) };
}

describe('regions of a scan', () => {
  it('says of planted lesions where they are', async () => {
    const places = {
      periventricular: voxel(-14, -30, 22),
      juxtacortical: voxel(40, -20, 55),
      infratentorial: voxel(0, -25, -35),
      deep: voxel(26, -15, 32),
    };
    const { scan, decided } = segmented(Object.values(places));
    const found = (await findRegions(device.gpu, decided, scan))!;
    expect(found.reason).toBeUndefined();
    expect(Object.values(places).map((i) => found.image!.voxels[i])).toEqual([1, 2, 3, 4]);
    const summary = summarise(found.decided.found[0]!, 1500);
    expect(tellSummary(summary)).toBe(
      '4 lesions, 0.108 ml: 1 periventricular, 1 juxtacortical, 1 infratentorial, 1 deep white matter',
    );
    const none = segmented([]);
    const empty = (await findRegions(device.gpu, none.decided, none.scan))!;
    expect(Object.values(summarise(empty.decided.found[0]!, 1500).Regions!)).toEqual(
      Array.from({ length: 4 }, () => ({ Count: 0, VolumeMl: 0 })),
    );
  });

  it('tells why it does not', async () => {
    const white = voxel(26, -15, 32);
    const { scan, decided } = segmented(
      [white],
      brain.map((v, i) => (i % 5 === 0 || i === white ? v : 0)),
    );
    const found = (await findRegions(device.gpu, decided, scan))!;
    expect(found.reason).toMatch(/^the brain mask holds \d+ ml, and adults' brains have 1000 to 2000$/);
    expect(found.decided).toBe(decided);
    expect(summarise(found.decided.found[0]!, 1500).Regions).toBeUndefined();
  });
});
