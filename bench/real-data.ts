/**
 * `npm run bench:real-data -- 12`: trains on the two real patients at 2 mm for that many minutes and reports the Dice
 * on them. It runs only where minutes are given and the data is there (VOXELGRAD_DATA, or ../shared/data).
 */
import { appendFileSync } from 'node:fs';
import { openDataset } from '../src/imaging/dataset/open-dataset.ts';
import { prepareTraining } from '../src/pipeline/train/prepare.ts';
import { train } from '../src/pipeline/train/run.ts';
import { trainSettings } from '../src/pipeline/train/settings.ts';
import { openNodeGpu } from '../src/platform/node.ts';
import { NodeFolder } from '../src/platform/node-files.ts';
import { sharedData } from '../test/data.ts';

const SETTINGS = {
  variant: 'single',
  subjects: ['07', '19'],
  modalities: ['FLAIR', 'T1w', 'T2w'],
  baseChannels: 8,
  levels: 3,
  patch: 32,
  loss: 'generalized-dice',
  tpr: 'off',
  lr: 2e-3,
  schedule: 'cosine',
  foregroundShare: 0.5,
};

const data = sharedData();
const minutes = Number(process.argv[2]);
if (!(minutes > 0) || data === undefined)
  console.log(
    `passed over (${data === undefined ? 'no data' : 'say how many minutes: npm run bench:real-data -- 12'})`,
  );
else await measure(data, minutes);

async function measure(folder: string, limit: number): Promise<void> {
  const dataset = await openDataset(new NodeFolder(`${folder}/open-ms-lesjak2017_2mm`));
  const { settings, scans } = await prepareTraining(dataset, trainSettings({ ...SETTINGS, minutes: limit }));
  const gpu = await openNodeGpu();
  const { steps, seconds, finalLoss, threshold, trainDice } = await train(gpu, { settings, scans });
  const row = {
    adapter: gpu.capabilities.description,
    minutes: limit,
    steps,
    secondsPerStep: Number((seconds / steps).toFixed(3)),
    finalLoss,
    threshold,
    trainDice: Number((trainDice ?? Number.NaN).toFixed(3)),
  };
  console.log(row);
  appendFileSync('bench/results/real-data.jsonl', `${JSON.stringify({ ...row, settings: SETTINGS })}\n`);
  await gpu.close();
}
