import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { prepareTraining, type TrainingData } from '../../../src/pipeline/train/prepare.ts';
import { type TrainSettings, trainSettings } from '../../../src/pipeline/train/settings.ts';
import { bidsPatient, tree } from '../../imaging/dataset/make.ts';

/** The smallest settings that have every part. */
export function tinySettings(extra: object = {}): TrainSettings {
  const { variant = 'single', ...rest } = extra as { variant?: string };
  return trainSettings({
    preset: variant,
    patch: 8,
    levels: 2,
    baseChannels: 2,
    steps: 6,
    lr: 2e-3,
    schedule: 'cosine',
    ...rest,
  });
}

/** Two small patients, prepared. */
export async function tinyData(extra: object = {}): Promise<TrainingData> {
  const dataset = await openDataset(tree({ ...bidsPatient('01'), ...bidsPatient('02') }));
  return await prepareTraining(dataset, tinySettings(extra));
}
