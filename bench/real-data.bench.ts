/**
 * `npm run bench -- real-data:12`: trains on the two real patients at 2 mm for that many minutes and reports the Dice
 * on them. It runs only where minutes are given and the data is there (VOXELGRAD_DATA, or ../shared/data).
 */
import { appendFileSync } from 'node:fs';
import { openDataset } from '../src/dataset/open-dataset.ts';
import type { Gpu } from '../src/gpu/gpu.ts';
import { NodeFolder } from '../src/platform/node-files.ts';
import { prepareTraining } from '../src/train/prepare.ts';
import { train } from '../src/train/run.ts';
import { trainSettings } from '../src/train/settings.ts';
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
  lesionShare: 0.5,
};

export async function bench(gpu: Gpu, filter: string): Promise<void> {
  const data = sharedData();
  const minutes = Number(filter);
  if (!(minutes > 0) || data === undefined) {
    console.log(`real-data: passed over (${data === undefined ? 'no data' : 'say how long: real-data:12'})`);
    return;
  }
  const dataset = await openDataset(new NodeFolder(`${data}/open-ms-lesjak2017_2mm`));
  const { settings, scans } = await prepareTraining(dataset, trainSettings({ ...SETTINGS, minutes }));
  const { steps, seconds, finalLoss, threshold, trainDice } = await train(gpu, { settings, scans });
  const row = {
    adapter: gpu.capabilities.description,
    minutes,
    steps,
    secondsPerStep: Number((seconds / steps).toFixed(3)),
    finalLoss,
    threshold,
    trainDice: Number(trainDice.toFixed(3)),
  };
  console.log(row);
  appendFileSync('bench/results/real-data.jsonl', `${JSON.stringify({ ...row, settings: SETTINGS })}\n`);
}
