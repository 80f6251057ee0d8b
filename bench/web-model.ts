/**
 * Makes the small network that comes with the web app, from made-up brains alone:
 *
 *     npx tsx bench/web-model.ts [steps=600]      (about ten minutes on two processor cores with lavapipe)
 *
 * It writes src/web/public/models/phantoms.safetensors, 350 kB. Equal bits on one adapter; other adapters round
 * differently.
 */

import { MemoryFiles } from '../src/core/files.ts';
import { openDataset } from '../src/imaging/dataset/open-dataset.ts';
import { encodeModel } from '../src/pipeline/models/model.ts';
import { prepareTraining } from '../src/pipeline/train/prepare.ts';
import { train } from '../src/pipeline/train/run.ts';
import { trainSettings } from '../src/pipeline/train/settings.ts';
import { openNodeGpu } from '../src/platform/node.ts';
import { NodeFolder } from '../src/platform/node-files.ts';
import { writePhantomDataset } from '../src/study/phantom/index.ts';

const settings = trainSettings({
  variant: 'single',
  modalities: ['FLAIR', 'T1w'],
  patch: 32,
  batch: 2,
  baseChannels: 8,
  levels: 3,
  lr: 4e-3,
  schedule: 'cosine',
  steps: Number(process.argv[2] ?? 600),
  foregroundShare: 0.5,
  crossEntropy: 1,
  intensity: 0.3,
  overlap: 0,
});
const phantoms = new MemoryFiles('phantoms');
await writePhantomDataset(phantoms, {
  seed: 5,
  subjects: 12,
  visits: 1,
  shape: [91, 109, 91],
  spacing: [2, 2, 2],
});
const data = await prepareTraining(await openDataset(phantoms), settings);
const gpu = await openNodeGpu();
try {
  const { model, finalLoss, trainDice, threshold } = await train(gpu, {
    ...data,
    onStep: ({ step, loss }) => {
      if (step % 50 === 0) console.error(`step ${step}, loss ${loss.toFixed(4)}`);
    },
  });
  const folder = new NodeFolder('src/web/public/models');
  await folder.write('phantoms.safetensors', encodeModel(model));
  console.log(JSON.stringify({ finalLoss, trainDice, threshold }));
} finally {
  await gpu.close();
}
