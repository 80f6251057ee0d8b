import { describe, expect, it } from 'vitest';
import { DatasetError } from '../../../src/core/errors.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { type LoadedScan, loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import type { TissueMaps } from '../../../src/imaging/dataset/tissue-maps.ts';
import { tissueDice } from '../../../src/imaging/evaluate/tissue-dice.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { writeNifti } from '../../../src/imaging/nifti/write.ts';
import { segmentTissues } from '../../../src/imaging/tissue/segment-tissues.ts';
import { NodeFolder } from '../../../src/platform/node-files.ts';
import { makePhantom, type Phantom } from '../../../src/study/phantom/index.ts';
import { sharedData } from '../../data.ts';
import { useGpu } from '../../support/gpu.ts';

const device = useGpu();
const data = sharedData();

async function scanOf(phantom: Phantom, modalities: readonly ('T1w' | 'T2w')[]): Promise<LoadedScan> {
  const { grid, brain } = phantom;
  const bytes = writeNifti({ grid, data: phantom.modalities.T1w }, { datatype: 'int16' });
  return {
    ...{ subject: '1', session: null, grid, brain, brainSource: 'mask', raters: new Map() },
    header: (await readNifti(bytes, 'T1w')).header,
    channels: modalities.map((name) => ({ name, data: phantom.modalities[name] })),
  };
}

const phantom = makePhantom({
  ...{ seed: 5, noise: 0.05, biasField: 0.2 },
  ...{ shape: [61, 73, 61], spacing: 3, lesionLoad: 5 },
});

describe('segmentTissues', () => {
  it('finds the tissues of a phantom with 5 % noise and a bias field of 20 %', {
    timeout: 120_000,
  }, async () => {
    const maps = await segmentTissues(device.gpu, await scanOf(phantom, ['T1w']));
    const { GM, WM, CSF } = tissueDice(maps, phantom.tissues, phantom.brain);
    // Measured at 3 mm, where most voxels hold two tissues.
    expect(GM).toBeGreaterThan(0.8);
    expect(WM).toBeGreaterThan(0.85);
    expect(CSF).toBeGreaterThan(0.8);
    maps.GM.forEach((gm, i) => {
      const sum = gm + maps.WM[i]! + maps.CSF[i]!;
      if (Math.abs(sum - Number(phantom.brain[i] !== 0)) > 1e-5) expect.fail(`voxel ${i} sums to ${sum}`);
    });
  });

  it('does better with the bias field than without, where there is a strong one', {
    timeout: 120_000,
  }, async () => {
    const [nx] = phantom.grid.shape;
    const scan = await scanOf(phantom, ['T1w']);
    const sloped = scan.channels[0]!.data.map((v, i) => v * (0.7 + (0.6 * (i % nx)) / nx));
    const tilted = { ...scan, channels: [{ name: 'T1w', data: sloped }] };
    const settings = { iterations: 25 };
    const plain = await segmentTissues(device.gpu, tilted, { ...settings, biasField: false });
    const corrected = await segmentTissues(device.gpu, tilted, settings);
    const wm = (maps: TissueMaps): number => tissueDice(maps, phantom.tissues, phantom.brain).WM;
    expect(wm(corrected)).toBeGreaterThan(wm(plain) + 0.05);
  });

  it('lets a prior decide where the images do not', { timeout: 120_000 }, async () => {
    const scan = await scanOf(phantom, ['T1w', 'T2w']);
    const settings = { iterations: 10 };
    const plain = await segmentTissues(device.gpu, scan, settings);
    const led = await segmentTissues(device.gpu, scan, { ...settings, priors: phantom.tissues });
    const sum = (maps: TissueMaps): number => {
      const { GM, WM, CSF } = tissueDice(maps, phantom.tissues, phantom.brain);
      return GM + WM + CSF;
    };
    expect(sum(led)).toBeGreaterThan(sum(plain) + 0.03);
  });

  it('refuses a scan without T1w, and one whose T1w is flat', async () => {
    const scan = await scanOf(phantom, ['T2w']);
    await expect(segmentTissues(device.gpu, scan)).rejects.toThrow('sub-1: there is no T1w image');
    const flat = {
      ...scan,
      channels: [{ name: 'T1w', data: new Float32Array(phantom.brain.length).fill(7) }],
    };
    await expect(segmentTissues(device.gpu, flat)).rejects.toThrow(DatasetError);
  });

  it('stops when it is told to', async () => {
    const stop = new AbortController();
    const running = segmentTissues(device.gpu, await scanOf(phantom, ['T1w']), {
      signal: stop.signal,
      onIteration: () => stop.abort(new Error('enough')),
    });
    await expect(running).rejects.toThrow('enough');
  });

  for (const [subject, least] of [
    ['07', { CSF: 0.93, GM: 0.9, WM: 0.94 }],
    ['19', { CSF: 0.91, GM: 0.79, WM: 0.83 }],
  ] as const)
    it.skipIf(data === undefined)(
      `agrees with SPM12 on sub-${subject} at least as DIPY's HMRF does`,
      { timeout: 120_000 },
      async ({ skip }) => {
        if (device.gpu.capabilities.family === 'swiftshader') skip('takes half a minute on this driver');
        const dataset = await openDataset(new NodeFolder(`${data}/open-ms-lesjak2017_2mm`));
        const [scan] = findScans(dataset, [subject]);
        const loaded = await loadScan(dataset, scan!, { modalities: ['T1w'], tissue: true });
        const dice = tissueDice(await segmentTissues(device.gpu, loaded), loaded.tissues!, loaded.brain);
        expect(dice.CSF).toBeGreaterThanOrEqual(least.CSF);
        expect(dice.GM).toBeGreaterThanOrEqual(least.GM);
        expect(dice.WM).toBeGreaterThanOrEqual(least.WM);
      },
    );
});
