import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DatasetError } from '../../../src/core/errors.ts';
import { conv3d } from '../../../src/engine/nn/layers/index.ts';
import { type Architecture, Network } from '../../../src/engine/nn/network.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import type { NnUNetSteps } from '../../../src/pipeline/models/steps.ts';
import {
  nnUNetCorners,
  nnUNetImportance,
  predictBySteps,
} from '../../../src/pipeline/predict/nnunet-steps.ts';
import { Predictor } from '../../../src/pipeline/predict/predictor.ts';
import { mirrorTile } from '../../../src/pipeline/predict/tiles.ts';
import { parseTask } from '../../../src/pipeline/task/task.ts';
import { loadGolden } from '../../support/golden.ts';
import { useGpu } from '../../support/gpu.ts';

const golden = loadGolden('nnunet/steps');
const images = golden.get('scan.images');
const [, depth, height, width] = images.shape as [number, number, number, number];
const voxels = depth * height * width;

/** As published_steps.py has them. */
const STEPS: NnUNetSteps = {
  kind: 'nnunet',
  reorient: false,
  transpose: [1, 0, 2],
  spacing: [1, 1, 3.5],
  normalisation: [
    { scheme: 'zscore', mask: true },
    { scheme: 'ct', mean: 9, deviation: 12, low: -20, high: 40 },
  ],
  images: { order: 3, orderZ: 0, separateZ: null },
  outputs: { order: 1, orderZ: 0, separateZ: null },
  mirror: [0, 2],
};
const PATCH = [12, 8, 8] as const;
const SCAN = {
  subject: '1',
  session: null,
  grid: axisAlignedGrid([width, height, depth], [2.8, 0.9, 1.3]),
  channels: [0, 1].map((c) => ({
    name: `c${c}`,
    data: Float32Array.from(images.data.slice(c * voxels, (c + 1) * voxels)),
  })),
};
const task = (activation: string): ReturnType<typeof parseTask> =>
  parseTask(
    {
      name: 'toy',
      heads: [
        activation === 'softmax'
          ? { name: 'labels', labels: ['a'], target: { from: 'dseg' } }
          : { name: 'labels', labels: ['a', 'b'], activation, target: { from: 'mask' } },
      ],
    },
    'toy',
  );
/** Two outputs: minus the first channel; the second one and half of the first channel's voxel before. */
const TOY: Architecture = {
  inChannels: 2,
  heads: [{ name: 'labels', channels: 2 }],
  patchMultiple: [1, 1, 1],
  forward: (scope, input) => new Map([['labels', [conv3d(2, { kernel: 3 }).forward(scope, input)]]]),
};

describe('the steps around a network of nnU-Net', () => {
  const device = useGpu();
  let net: Network;
  beforeAll(async () => {
    net = await Network.create(device.gpu, TOY, { training: false });
    const weight = new Float32Array(2 * 2 * 27);
    weight[13] = -1;
    weight[2 * 27 + 27 + 13] = 1;
    weight[2 * 27 + 12] = 0.5;
    net.load(
      new Map([
        ['weight', weight],
        ['bias', new Float32Array(2)],
      ]),
    );
  });
  afterAll(() => net.destroy());

  const run = async (activation: string, steps: NnUNetSteps = STEPS) => {
    const predictor = await Predictor.create(device.gpu, net, task(activation), PATCH, { raw: true });
    try {
      return await predictBySteps(predictor, steps, SCAN);
    } finally {
      predictor.destroy();
    }
  };

  it('give the labels of the published steps, written again with NumPy and SciPy', async () => {
    const { box, maps } = await run('softmax');
    const wanted = golden.get('scan.labels').data;
    const found = new Float32Array(voxels);
    const map = maps.get('labels')![0]!;
    for (let i = 0; i < map.length; i++) {
      const x = (i % box.shape[0]) + box.start[0];
      const y = (Math.floor(i / box.shape[0]) % box.shape[1]) + box.start[1];
      const z = Math.floor(i / (box.shape[0] * box.shape[1])) + box.start[2];
      found[(z * height + y) * width + x] = map[i]! >= 0.5 ? 1 : 0;
    }
    expect(box).toEqual({ start: [0, 3, 2], shape: [10, 21, 11] });
    let [same, marked] = [0, 0];
    for (let i = 0; i < voxels; i++) {
      same += Number(found[i] === wanted[i]);
      marked += wanted[i]!;
    }
    expect(marked).toBeGreaterThan(voxels / 10);
    expect(same / voxels).toBeGreaterThan(0.9997);
  });

  it('give a probability to each region on its own', async () => {
    const [a, b] = (await run('sigmoid')).maps.get('labels')!;
    expect(a).toHaveLength(10 * 21 * 11);
    expect(Math.max(...a!.map((v, i) => Math.abs(v + b![i]! - 1)))).toBeGreaterThan(0.2);
    expect([...a!, ...b!].every((v) => v >= 0 && v <= 1)).toBe(true);
  });

  it('bring axes to one order first where the network was trained so', async () => {
    const plain: NnUNetSteps = { ...STEPS, reorient: true, mirror: [] };
    const flipped = {
      ...SCAN,
      grid: axisAlignedGrid([width, height, depth], [2.8, 0.9, 1.3]),
    };
    const affine = Float64Array.from(flipped.grid.affine);
    affine[0] = -2.8;
    affine[12] = 2.8 * (width - 1);
    const mirrored = SCAN.channels.map(({ name, data }) => {
      return { name, data: mirrorTile(data, [depth, height, width], 4) };
    });
    const predictor = await Predictor.create(device.gpu, net, task('softmax'), PATCH, { raw: true });
    const one = await predictBySteps(predictor, plain, SCAN);
    const other = await predictBySteps(predictor, plain, {
      ...flipped,
      grid: { ...flipped.grid, affine },
      channels: mirrored,
    });
    predictor.destroy();
    expect(other.box).toEqual({ start: [2, 3, 2], shape: [10, 21, 11] });
    const back = Float32Array.from(other.maps.get('labels')![0]!);
    expect(mirrorTile(back, [11, 21, 10], 4)).toEqual(one.maps.get('labels')![0]);
  });

  it('refuse a scan of which nothing is left', async () => {
    const predictor = await Predictor.create(device.gpu, net, task('softmax'), PATCH, { raw: true });
    const empty = { ...SCAN, channels: SCAN.channels.map((c) => ({ ...c, data: new Float32Array(voxels) })) };
    await expect(predictBySteps(predictor, STEPS, empty)).rejects.toThrow(DatasetError);
    predictor.destroy();
  });
});

it('tiles stand at equal distances, as nnU-Net computes them', () => {
  expect(nnUNetCorners([10, 8, 21], [8, 8, 8], 0.5)).toEqual([
    [0, 0, 0],
    [0, 0, 3],
    [0, 0, 6],
    [0, 0, 10],
    [0, 0, 13],
    [2, 0, 0],
    [2, 0, 3],
    [2, 0, 6],
    [2, 0, 10],
    [2, 0, 13],
  ]);
  expect(nnUNetCorners([8, 8, 8], [8, 8, 8], 0.5)).toEqual([[0, 0, 0]]);
});

it('weights have their largest value at half the extent', () => {
  expect(nnUNetImportance(8)[4]).toBe(1);
  expect(nnUNetImportance(8)[0]).toBeCloseTo(Math.exp(-8), 7);
  expect(nnUNetImportance(7)[3]).toBe(1);
});
