import { expect, it } from 'vitest';
import type { LoadedScan } from '../../../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { readNifti } from '../../../src/imaging/nifti/read.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';
import { segment } from '../../../src/pipeline/predict/segment.ts';
import { prepareTraining } from '../../../src/pipeline/train/prepare.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { lesionsOf } from '../../../src/study/presets/index.ts';
import { bidsPatient, image, tree, type Value, values } from '../../imaging/dataset/make.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinySettings } from '../train/fixture.ts';

const context = useGpu();

it('does not look at the true lesions, which would move the cut and the windows', {
  timeout: 300_000,
}, async () => {
  const dataset = await openDataset(tree({ ...bidsPatient('01'), ...bidsPatient('02') }));
  const wanted = tinySettings({ modalities: ['FLAIR'], steps: 2 });
  const { model } = await train(context.gpu, await prepareTraining(dataset, wanted));
  const grid = axisAlignedGrid([40, 36, 34], [1, 1, 1]);
  const inside: Value = (x, y, z) =>
    Math.abs(x - 20) < 7 && Math.abs(y - 18) < 6 && Math.abs(z - 17) < 5 ? 1 : 0;
  const flair: Value = (x, y, z) => inside(x, y, z) * (100 + 20 * Math.sin(x + 2 * y + 3 * z));
  const scan: LoadedScan = {
    subject: '07',
    session: null,
    grid,
    header: (await readNifti(image(flair, grid), 'flair')).header,
    channels: [{ name: 'FLAIR', data: values(flair, grid) }],
    brain: Uint8Array.from(values(inside, grid)),
    brainSource: 'mask',
    raters: new Map(),
  };
  // One voxel, far outside of the brain.
  const lesions = Uint8Array.from(values((x, y, z) => (x === 1 && y === 2 && z === 1 ? 1 : 0), grid));
  const blind = await segment(context.gpu, model, scan);
  expect(new Set(lesionsOf(blind).probabilities).size).toBeGreaterThan(100);
  expect(
    await segment(context.gpu, model, {
      ...scan,
      targets: new Map([['lesion', { channels: [lesions], marks: true, exclusive: true }]]),
    }),
  ).toEqual(blind);
});
