import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type NiftiImage, readMask, readNifti } from '../../../src/imaging/nifti/read.ts';
import { labelComponents } from '../../../src/imaging/volume/components.ts';
import { decodeModel, encodeModel } from '../../../src/pipeline/models/model.ts';
import { brainByModel } from '../../../src/pipeline/predict/brain-by-model.ts';
import { readShippedModel } from '../../../src/platform/shipped-models.ts';
import { sharedData } from '../../data.ts';
import { useGpu } from '../../support/gpu.ts';

const data = sharedData();
const device = useGpu();

describe('the network that finds brains', () => {
  it('is small, and says what it does', async () => {
    const bytes = await readShippedModel('brain');
    expect(bytes.length).toBeLessThan(2e6);
    const model = decodeModel(bytes, 'brain');
    expect(model.info).toMatchObject({
      task: { name: 'brain', channels: ['image'] },
      steps: { kind: 'whole-head', spacing: 3 },
      decisions: { brain: { kind: 'threshold', thresholds: [0.5] } },
    });
    expect(encodeModel(model)).toEqual(bytes);
    await expect(readShippedModel('none')).rejects.toThrow('none.safetensors');
  });

  // Both scans were among those that it was trained on: this is about the way through the program, not about how good it is.
  it.skipIf(data === undefined)(
    'finds a brain in a raw FLAIR, as it is and with another contrast',
    async () => {
      const model = decodeModel(await readShippedModel('brain'), 'brain');
      const visit = 'sub-L20/ses-2/anat/sub-L20_ses-2';
      const root = `${data}/open-ms-longitudinal_raw`;
      const read = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
      const image = await readNifti(read(`${root}/${visit}_FLAIR.nii.gz`), 'FLAIR');
      const path = `${root}/derivatives/brainmask/${visit}_space-FLAIR_desc-brain_mask.nii.gz`;
      const truth = (await readMask(read(path), path)).volume.data;
      const find = async (own: NiftiImage): Promise<{ brain: Uint8Array; dice: number }> => {
        const brain = await brainByModel(device.gpu, model, own);
        let [both, sum] = [0, 0];
        brain.forEach((v, i) => {
          both += 2 * v * truth[i]!;
          sum += v + truth[i]!;
        });
        return { brain, dice: both / sum };
      };
      const { brain, dice } = await find(image);
      expect(dice).toBeGreaterThan(0.9);
      expect(labelComponents(brain, image.volume.grid.shape, 6).count).toBe(1);
      const { grid, data: values } = image.volume;
      const top = values.reduce((a, b) => Math.max(a, b), 0);
      const negative = values.map((v) => (v > 0.02 * top ? top - v : v));
      expect((await find({ ...image, volume: { grid, data: negative } })).dice).toBeGreaterThan(0.85);
    },
  );
});
