import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { type Dataset, findScans } from '../../../src/imaging/dataset/dataset.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { makeTissues, readPrior, requireTissueInputs } from '../../../src/imaging/tissue/make-tissues.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { useGpu } from '../../support/gpu.ts';
import { bidsPatient, GRID, image, inBrain, tree, values } from '../dataset/make.ts';

const device = useGpu();

async function patient(): Promise<Dataset> {
  return await openDataset(tree(bidsPatient('07')));
}

describe('readPrior', () => {
  it('takes maps from 0 to 1 and from 0 to 255', async () => {
    for (const scale of [1, 255]) {
      const { data, grid } = await readPrior(
        image((x) => (x / 11) * scale),
        'prior',
      );
      expect(grid.shape).toEqual(GRID.shape);
      expect(data[11]).toBeCloseTo(1, 6);
      expect(data[1]).toBeCloseTo(1 / 11, 6);
    }
  });

  it('refuses what is neither, and an empty map', async () => {
    await expect(
      readPrior(
        image((x) => 100 * x),
        'prior',
      ),
    ).rejects.toThrow('prior: holds values from 0 to 1100');
    await expect(
      readPrior(
        image(() => 0),
        'prior',
      ),
    ).rejects.toThrow(DatasetError);
    await expect(
      readPrior(
        image((x) => -x),
        'prior',
      ),
    ).rejects.toThrow(DatasetError);
  });
});

describe('makeTissues', () => {
  const flat = {
    data: new Float32Array(GRID.shape[0] * GRID.shape[1] * GRID.shape[2]).fill(1 / 3),
    grid: GRID,
  };

  it('takes priors on another grid by their place in the world, and a strong one decides', async () => {
    const dataset = await patient();
    const out = new MemoryFiles('out');
    const sure = { ...flat, data: flat.data.map(() => 1) };
    const none = { ...flat, data: flat.data.map(() => 0) };
    const request = { dataset, scans: findScans(dataset), method: 'em', modalities: ['T1w'], out } as const;
    const em = { iterations: 4, beta: 0 };
    const mean = async (priors?: { GM: typeof flat; WM: typeof flat; CSF: typeof flat }): Promise<number> => {
      const [written] = await makeTissues(device.gpu, { ...request, em, priors });
      const map = (await readNifti(await out.read(written!.bids[0]!), 'GM')).volume.data;
      const brain = values(inBrain);
      return map.reduce((sum, v, i) => sum + v * brain[i]!, 0) / brain.reduce((a, b) => a + b);
    };
    expect(await mean({ GM: sure, WM: none, CSF: none })).toBeGreaterThan((await mean()) + 0.1);
  });

  it('refuses priors that lie somewhere else', async () => {
    const dataset = await patient();
    const away = { ...flat, grid: axisAlignedGrid(GRID.shape, [2, 2, 2], [900, 900, 900]) };
    const request = { dataset, scans: findScans(dataset), method: 'em', modalities: ['T1w'] } as const;
    const out = new MemoryFiles('out');
    await expect(
      makeTissues(device.gpu, { ...request, out, priors: { GM: away, WM: away, CSF: away } }),
    ).rejects.toThrow('sub-07: the priors cover 0 % of the brain');
    expect(out.files.size).toBe(0);
  });

  it('checks inputs before anything is written', async () => {
    const scans = findScans(await patient());
    expect(() => requireTissueInputs(scans, { method: 'em', modalities: ['T1w', 'PD'] })).toThrow(
      'there is no PD image',
    );
    const bare = scans.map((scan) => ({ ...scan, tissues: new Map() }));
    expect(() => requireTissueInputs(bare, { method: 'spm', modalities: [] })).toThrow(
      'there are no SPM maps',
    );
    expect(() => requireTissueInputs(scans, { method: 'spm', modalities: [] })).not.toThrow();
  });
});
