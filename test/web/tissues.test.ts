import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../src/core/files.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { guessRole } from '../../src/imaging/dataset/file-role.ts';
import { scanOfFiles } from '../../src/imaging/dataset/loose-files.ts';
import { readNifti } from '../../src/imaging/nifti/read.ts';
import { writeNifti } from '../../src/imaging/nifti/write.ts';
import { encodeModel, type Model } from '../../src/pipeline/models/model.ts';
import { predict } from '../../src/pipeline/predict/run.ts';
import { openNodeGpu } from '../../src/platform/node.ts';
import { makePhantom } from '../../src/study/phantom/index.ts';
import { tissueProvider } from '../../src/study/tissue-provider.ts';
import { untrained } from '../pipeline/predict/untrained.ts';
import {
  AppUnderTest,
  accessibilityFaults,
  chooseFiles,
  chromiumPath,
  type NamedBytes,
  savedFile,
} from '../support/chromium.ts';

const MODALITIES = ['FLAIR', 'T1w'];

/** A small phantom: images and the brain, no tissue maps. */
function patient(): NamedBytes[] {
  const { grid, modalities, brain } = makePhantom({ seed: 8, shape: [32, 40, 32], spacing: 5 });
  const file = (name: string, data: Float32Array | Uint8Array): NamedBytes => ({
    name,
    bytes: writeNifti({ grid, data }, { datatype: data instanceof Uint8Array ? 'uint8' : 'float32' }),
  });
  return [
    file('p1_FLAIR.nii.gz', modalities.FLAIR),
    file('p1_T1w.nii.gz', modalities.T1w),
    file('p1_brain_mask.nii.gz', brain),
  ];
}

/** The probabilities that `predict` writes on Node. */
async function predictOnNode(gpu: Gpu, model: Model, stageOne: Model | undefined): Promise<Float32Array> {
  const memory = new MemoryFiles();
  for (const { name, bytes } of patient()) memory.files.set(name, bytes);
  const roles = new Map(patient().map(({ name }) => [name, guessRole(name)!]));
  const { dataset, scan } = scanOfFiles(memory, roles);
  const out = new MemoryFiles('out');
  const [done] = await predict(gpu, {
    model,
    dataset,
    scans: [scan],
    maps: true,
    provider: tissueProvider(stageOne),
    overlap: 0.25,
    out,
  });
  return (await readNifti(await out.read(done!.files[1]!), 'p')).volume.data;
}

describe.skipIf(chromiumPath() === undefined)('tissue maps in Chromium', { timeout: 240_000 }, () => {
  let app: AppUnderTest;
  let gpu: Gpu;
  let multi: Model;
  let single: Model;

  beforeAll(async () => {
    app = await AppUnderTest.start();
    gpu = await openNodeGpu();
    multi = await untrained(gpu, 'multi-input', MODALITIES, [6, 6, 6]);
    single = await untrained(gpu, 'single', MODALITIES, [6, 6, 6]);
  }, 240_000);

  afterAll(async () => {
    await gpu?.close();
    await app?.stop();
  });

  it('are made as on Node, corrected by the stage-1 model where it is given', async () => {
    const opened = await app.open();
    const { page } = opened;
    const upload = (name: string, model: Model): object => ({
      name,
      mimeType: '',
      buffer: Buffer.from(encodeModel(model)),
    });
    await page.getByText(/^Trained on/).waitFor();
    await page
      .getByLabel('Your own model.safetensors')
      .setInputFiles(upload('multi.safetensors', multi) as never);
    await page.getByText('It reads tissue maps too.').waitFor();
    await chooseFiles(page, patient());
    await page.getByText('Ready.').waitFor();
    const note = 'Its voxels are 5x5x5 mm, those that the network learned at 6x6x6 mm';
    expect(await page.locator('.files li').first().textContent()).toContain(note);
    expect(await page.locator('.files').getByText(note).count()).toBe(1);
    await page.evaluate(() => {
      const told = new Set<string>();
      Object.assign(globalThis, { told });
      new MutationObserver(() => {
        const text = document.querySelector('.tiles')?.textContent;
        if (text) told.add(text.replace(/ \d+ of.*/, ''));
      }).observe(document.body, { subtree: true, childList: true, characterData: true });
    });

    const compare = async (stageOne: Model | undefined): Promise<Float32Array> => {
      const { volume } = await readNifti(await savedFile(page, 'Save probabilities'), 'probabilities');
      const expected = await predictOnNode(gpu, multi, stageOne);
      let difference = 0;
      volume.data.forEach((p, i) => {
        difference = Math.max(difference, Math.abs(p - expected[i]!));
      });
      console.log(`largest difference to Node ${difference}${stageOne ? ', corrected' : ''}`);
      expect(difference).toBeLessThan(1e-3);
      expect(new Set(expected).size).toBeGreaterThan(1000);
      return expected;
    };
    await page.getByRole('button', { name: 'Segment' }).click();
    await page.getByText('they are uncorrected, since no stage-1 model was given').waitFor();
    const plain = await compare(undefined);

    await page
      .getByLabel('Stage-1 model.safetensors')
      .setInputFiles(upload('wrong.safetensors', multi) as never);
    await page.getByRole('alert').filter({ hasText: 'needs tissue maps itself' }).waitFor();
    await page
      .getByLabel('Stage-1 model.safetensors')
      .setInputFiles(upload('single.safetensors', single) as never);
    await page.getByText('single.safetensors finds the lesions to correct them by.').waitFor();
    await page.getByRole('button', { name: 'Segment again' }).click();
    await page.getByText('lesions made white matter by the stage-1 model').waitFor();
    expect(await compare(single)).not.toEqual(plain);

    const told = await page.evaluate(() => [...(globalThis as unknown as { told: Set<string> }).told]);
    expect(told).toContain('Making tissue maps from the T1: round');
    expect(told).toContain('Finding lesions to correct the tissue maps by: tile');
    expect(await page.locator('.result').getByText(note).count()).toBe(1);
    expect(await accessibilityFaults(page)).toEqual([]);
    expect(opened.foreign).toEqual([]);
    expect(opened.errors).toEqual([]);
    await opened.close();
  });
});
