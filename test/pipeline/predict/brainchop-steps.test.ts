import { describe, expect, it } from 'vitest';
import { DatasetError, UsageError } from '../../../src/core/errors.ts';
import { encodeNifti } from '../../../src/imaging/nifti/encode.ts';
import { type NiftiImage, readNifti } from '../../../src/imaging/nifti/read.ts';
import { conform, conformedGrid } from '../../../src/imaging/volume/conform.ts';
import { orientationOf } from '../../../src/imaging/volume/orientation.ts';
import { gridFromAffine, toWorld } from '../../../src/imaging/volume/volume.ts';
import { type Model, parseModelInfo } from '../../../src/pipeline/models/model.ts';
import { brainByModel } from '../../../src/pipeline/predict/brain-by-model.ts';
import { requireSameTask } from '../../../src/pipeline/predict/ensemble.ts';
import { encodeSegmentation } from '../../../src/pipeline/predict/prediction-files.ts';
import { segment } from '../../../src/pipeline/predict/segment.ts';
import { exportedModel } from '../../support/exchange.ts';
import { useGpu } from '../../support/gpu.ts';

/** Axes to the left, up and to the back, voxels of 1 x 2 x 1.5 mm. */
const GRID = gridFromAffine(
  [28, 13, 20],
  new Float64Array([-1, 0, 0, 0, 0, 0, 2, 0, 0, -1.5, 0, 0, 5, 9, -11, 1]),
);

/** A network that finds what is brighter than half of the range; `bright` and, from three quarters on, `brightest`. */
function brightness(range: unknown = 'min-max'): Model {
  const config = {
    inChannels: 1,
    channels: [1],
    dilations: [1],
    batchNorm: false,
    activation: 'relu',
    dropout: 0,
    heads: [{ name: 'light', channels: 3 }],
  };
  const task = {
    name: 'light',
    channels: ['T1w'],
    heads: [{ name: 'light', labels: ['bright', 'brightest'], target: { from: 'dseg' }, decision: 'argmax' }],
  };
  const info = parseModelInfo(
    {
      task,
      network: { kind: 'meshnet', config },
      decisions: { light: { kind: 'argmax' } },
      patch: 8,
      settings: null,
      steps: { kind: 'brainchop', extent: 40, spacing: 1, range },
    },
    'a test',
  );
  const centre = new Float32Array(27);
  centre[13] = 1;
  return {
    info,
    weights: new Map([
      ['model.0.0.weight', centre],
      ['model.0.0.bias', Float32Array.of(0)],
      // Lines that cross at 0.5 and at 0.75.
      ['model.1.weight', Float32Array.of(0, 1, 3)],
      ['model.1.bias', Float32Array.of(0.5, 0, -1.5)],
    ]),
  };
}

/** A ball of 200 with a core of 255 that is off the middle, a hole in it, and a small bright thing apart. */
async function image(
  of: (kind: 'ball' | 'core' | 'hole' | 'apart' | 'air') => number,
): Promise<NiftiImage & { wanted: Uint8Array }> {
  const [nx, ny, nz] = GRID.shape;
  const data = new Float32Array(nx * ny * nz);
  const wanted = new Uint8Array(data.length);
  const centre = toWorld(GRID, [11, 6, 12]);
  for (let z = 0, i = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, i++) {
        const at = toWorld(GRID, [x, y, z]);
        const from = (dx: number): number =>
          Math.hypot(at[0] - centre[0] - dx, at[1] - centre[1], at[2] - centre[2]);
        const kind =
          x > 24 && z < 3
            ? 'apart'
            : from(0) < 1.6
              ? 'hole'
              : from(4) < 3
                ? 'core'
                : from(0) < 9
                  ? 'ball'
                  : 'air';
        data[i] = of(kind);
        wanted[i] = kind === 'core' ? 2 : kind === 'ball' ? 1 : 0;
      }
  const bytes = encodeNifti({ grid: GRID, data }, { datatype: 'int16' });
  return { ...(await readNifti(bytes, 'a head')), wanted };
}

const VALUES = { ball: 700, core: 1000, hole: 0, apart: 1000, air: 0 };

describe("Brainchop's steps", () => {
  const context = useGpu();

  it('conform to a cube around the middle: left, down and front from the slowest axis on', () => {
    const grid = conformedGrid(GRID);
    expect(grid.shape).toEqual([256, 256, 256]);
    expect(orientationOf(grid)).toBe('AIL');
    const [a, b] = [toWorld(grid, [128, 128, 128]), toWorld(GRID, [14, 6.5, 10])];
    a.forEach((mm, i) => void expect(mm).toBeCloseTo(b[i]!, 9));
  });

  it('scale by a histogram, cut off a thousandth, and leave bytes as they are', () => {
    const [nx, ny, nz] = GRID.shape;
    const ramp = Float32Array.from({ length: nx * ny * nz }, (_, i) => 10 + (i % nx));
    const { data, grid } = conform({ grid: GRID, data: ramp }, { extent: 40 });
    const at = (x: number, y: number, z: number): number => {
      // The cube's axes are x forward, y down, z left; voxels that lie on each other's centres.
      const world = toWorld(GRID, [x, y, z]);
      const first = toWorld(grid, [0, 0, 0]);
      const [i, j, k] = [world[1] - first[1], first[2] - world[2], first[0] - world[0]];
      return data[(Math.round(k) * 40 + Math.round(j)) * 40 + Math.round(i)]!;
    };
    // The largest of 28 values is far more than a thousandth, so bin 999 of 1000 is the top: 10 + 0.999 * 27.
    expect(at(14, 6, 10)).toBe(Math.floor((14 * 255) / (0.999 * 27)));
    expect(at(27, 6, 10)).toBe(255);
    expect(at(0, 6, 10)).toBe(0);
    const bytes = conform({ grid: GRID, data: ramp }, { extent: 40, bytes: true });
    expect(Math.max(...bytes.data)).toBe(27);
  });

  it('bring labels back to the scan, the largest piece alone, as one label image', async () => {
    const { header, volume, wanted } = await image((kind) => VALUES[kind]);
    const scan = {
      subject: '01',
      session: null,
      grid: volume.grid,
      header,
      channels: [{ name: 'T1w', data: volume.data }],
      brain: new Uint8Array(wanted.length).fill(1),
      brainSource: 'whole',
      raters: new Map(),
    } as const;
    const told: number[] = [];
    const found = await segment(context.gpu, brightness(), scan, {
      onTile: (done, total) => told.push(done / total),
    });
    const head = found.heads.get('light')!;
    const same = head.labels!.filter((label, i) => label === wanted[i]).length;
    expect(same / wanted.length).toBeGreaterThan(0.94);
    expect(head.labels!.filter((label, i) => wanted[i] === 2 && label === 2).length).toBeGreaterThan(10);
    expect(head.labels!.slice(25, 28)).toEqual(new Uint8Array(3));
    expect(told.at(-1)).toBe(1);
    expect([...head.maps.keys()]).toEqual(['bright', 'brightest']);
    expect(head.maps.get('brightest')!.reduce((a, b) => a + b)).toBe(
      head.labels!.filter((label) => label === 2).length,
    );
    expect(head.maps.get('none')).toBeUndefined();
    const files = encodeSegmentation(found, scan);
    expect(files.map(({ kind }) => kind)).toEqual([{ desc: 'light', suffix: 'dseg' }]);
    const quantiles = await segment(context.gpu, brightness([0.05, 0.98]), scan);
    expect(quantiles.heads.get('light')!.labels).not.toEqual(head.labels);
    expect(context.gpu.buffers).toEqual([]);
  });

  it('find a brain for other programs, holes filled', async () => {
    const { wanted, ...head } = await image((kind) => VALUES[kind]);
    const brain = await brainByModel(context.gpu, brightness(), head);
    const missed = brain.filter((inside, i) => wanted[i] !== 0 && inside === 0).length;
    expect(missed / wanted.filter((label) => label !== 0).length).toBeLessThan(0.1);
    expect(brain[(12 * 13 + 6) * 28 + 11]).toBe(1);
    expect(brain.slice(25, 28)).toEqual(new Uint8Array(3));
    await expect(brainByModel(context.gpu, exportedModel('elu'), head)).rejects.toThrow(UsageError);
    const own = brightness();
    const { steps: _steps, ...info } = own.info;
    await expect(brainByModel(context.gpu, { ...own, info }, head)).rejects.toThrow(/was trained here/);
    const { wanted: _wanted, ...blank } = await image(() => 7);
    await expect(brainByModel(context.gpu, brightness(), blank)).rejects.toThrow(DatasetError);
  });

  it('give labels, of which no ensemble makes a mean', () => {
    const [a, b] = [['a', brightness()] as const, ['b', brightness()] as const];
    expect(() => requireSameTask([a, b])).toThrow(/a gives labels and no probabilities/);
    expect(() => requireSameTask([a])).not.toThrow();
  });

  it('are checked when a model is read', () => {
    expect(() => brightness([0.9, 0.1])).toThrow(/range/);
    const { info } = brightness();
    const changed = (steps: object): unknown => parseModelInfo({ ...info, steps }, 'a model');
    expect(() => changed({ kind: 'brainchop', extent: 1, spacing: 1, range: 'min-max' })).toThrow(/steps/);
    expect(() => changed({ kind: 'else' })).toThrow(/steps/);
  });
});
