import { describe, expect, it } from 'vitest';
import { boxesBelow } from '../../../src/engine/tape/memory.ts';
import { networkSlots } from '../../../src/engine/tune/network-slots.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { decodeModel, encodeModel } from '../../../src/pipeline/models/model.ts';
import { type SegmentOptions, segment } from '../../../src/pipeline/predict/segment.ts';
import { estimateMemory, requireMemory } from '../../../src/pipeline/train/memory.ts';
import { networkOf } from '../../../src/pipeline/train/network.ts';
import { prepareTraining } from '../../../src/pipeline/train/prepare.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { stepRequest } from '../../../src/pipeline/train/step-request.ts';
import { bidsPatient, brainImage, image, lesion, maskFile, tree } from '../../imaging/dataset/make.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinySettings } from './fixture.ts';

const dataset = openDataset(
  tree({
    ...bidsPatient('01'),
    ...bidsPatient('02'),
    'participants.tsv': 'participant_id\tscore\nsub-01\t3.5\nsub-02\t7\n',
  }),
);

/** Lesions, and a score of each patient. */
const SCORED = {
  name: 'scored',
  channels: ['FLAIR', 'T1w'],
  heads: [
    { name: 'lesion', labels: ['lesion'], target: { from: 'mask' } },
    { name: 'score', target: { from: 'column', column: 'score' } },
  ],
};

const CASES = [
  { network: 'nnunet' },
  { network: 'nnunet', networkConfig: { encoder: 'residual', blocks: [1, 1] } },
  { network: 'meshnet', networkConfig: { dropout: 0.1, dilations: [1, 2] } },
  { network: 'unet-regression', variant: null, task: SCORED },
] as const;

/** Patients with slices four times as thick as their voxels are wide. */
function thickPatient(id: string): Record<string, Uint8Array> {
  const anat = `sub-${id}/anat`;
  const thick = axisAlignedGrid([12, 14, 10], [2, 2, 8]);
  return {
    [`${anat}/sub-${id}_FLAIR.nii.gz`]: image(brainImage(80), thick),
    [`derivatives/lesions/${anat}/sub-${id}_label-lesion_mask.nii.gz`]: maskFile(lesion, thick),
  };
}

describe('a run on thick slices', () => {
  const context = useGpu();

  it('has a box for a patch and an nnU-Net that does not step over the slices', async () => {
    const { gpu } = context;
    const thick = await openDataset(tree({ ...thickPatient('01'), ...thickPatient('02') }));
    const settings = tinySettings({ patch: [10, 8, 12], network: 'nnunet', steps: 2 });
    const data = await prepareTraining(thick, settings);
    expect(networkOf(data.settings).config).toMatchObject({
      strides: [
        [1, 1, 1],
        [2, 2, 2],
      ],
    });
    const { model } = await train(gpu, data);
    const { info } = decodeModel(encodeModel(model), 'm');
    expect(info.patch).toEqual([10, 8, 12]);
    expect(info.network.config).toMatchObject({
      kernels: [
        [1, 3, 3],
        [3, 3, 3],
      ],
      strides: [
        [1, 1, 1],
        [1, 2, 2],
      ],
    });
    const scan = await loadScan(thick, findScans(thick)[0]!, { modalities: info.task.channels });
    const probabilities = async (tile: SegmentOptions['tile']): Promise<Float32Array> =>
      (await segment(gpu, model, scan, { tile })).heads.get('lesion')!.maps.get('lesion')!;
    expect(await probabilities([10, 8, 12])).toEqual(await probabilities(undefined));
    expect(await probabilities([5, 14, 12])).not.toEqual(await probabilities(undefined));
    await expect(probabilities([5, 7, 12])).rejects.toThrow('tile must be a multiple of 1x2x2');
    expect((await estimateMemory(gpu.capabilities, data)).bytes).toBeGreaterThan(0);
  });

  it('is told of smaller patches of the same proportions if memory is short', async () => {
    const settings = tinySettings({ patch: [8, 14, 12] });
    const thick = await openDataset(tree({ ...thickPatient('01'), ...thickPatient('02') }));
    const data = await prepareTraining(thick, settings);
    const { bytes } = await estimateMemory(context.gpu.capabilities, data);
    const refused = requireMemory(context.gpu.capabilities, data, bytes * 0.8);
    await expect(refused).rejects.toMatchObject({ hint: expect.stringMatching(/patch: \d+x\d+x\d+ \(/) });
  });
});

describe('boxes below a box', () => {
  it('are those of a cube, or keep about the proportions', () => {
    expect(boxesBelow(64, [16, 16, 16])).toEqual([16, 32, 48]);
    expect(boxesBelow([8, 32, 32], [2, 8, 8])).toEqual([
      [2, 8, 8],
      [4, 16, 16],
      [6, 24, 24],
    ]);
    expect(boxesBelow(64, [4, 32, 32])).toEqual([
      [4, 32, 32],
      [8, 32, 32],
      [12, 32, 32],
      [16, 32, 32],
      [20, 32, 32],
      [24, 32, 32],
      [28, 32, 32],
      32,
      [36, 32, 32],
      [40, 32, 32],
      [44, 32, 32],
      [48, 32, 32],
      [52, 32, 32],
      [56, 32, 32],
      [60, 32, 32],
    ]);
  });
});

describe.each(CASES)('a run with $network $networkConfig', (given) => {
  const context = useGpu();

  it.for(['f32', 'f16'] as const)(
    'is tuned, estimated, trained, stored and used, with activations of %s',
    async (precision, { skip }) => {
      const { gpu } = context;
      if (precision === 'f16' && !gpu.capabilities.f16) skip('the device stores no 16-bit floats');
      const settings = tinySettings({ patch: 8, baseChannels: 2, levels: 2, steps: 3, precision, ...given });
      const data = await prepareTraining(await dataset, settings);
      const slots = await networkSlots(gpu.capabilities, stepRequest(data.settings));
      expect(slots.length).toBeGreaterThan(4);
      expect((await estimateMemory(gpu.capabilities, data)).bytes).toBeGreaterThan(0);
      const { model, hash } = await train(gpu, data);
      expect((await train(gpu, data)).hash).toBe(hash);
      const read = decodeModel(encodeModel(model), 'm');
      expect(read.info.network).toEqual(model.info.network);
      expect(read.info.network.kind).toBe(given.network);
      const scan = await loadScan(await dataset, findScans(await dataset)[0]!, {
        modalities: read.info.task.channels,
      });
      const { heads } = await segment(gpu, read, scan, { precision });
      const map = heads.get('lesion')!.maps.get('lesion')!;
      expect(map.every((value) => value >= 0 && value <= 1)).toBe(true);
      expect(map.some((value) => value > 0)).toBe(true);
      expect(gpu.buffers).toEqual([]);
    },
  );
});
