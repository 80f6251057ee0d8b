import { describe, expect, it } from 'vitest';
import { networkSlots } from '../../../src/engine/tune/network-slots.ts';
import { findScans } from '../../../src/imaging/dataset/dataset.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { decodeModel, encodeModel } from '../../../src/pipeline/models/model.ts';
import { segment } from '../../../src/pipeline/predict/segment.ts';
import { estimateMemory } from '../../../src/pipeline/train/memory.ts';
import { prepareTraining } from '../../../src/pipeline/train/prepare.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { stepRequest } from '../../../src/pipeline/train/step-request.ts';
import { bidsPatient, tree } from '../../imaging/dataset/make.ts';
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
