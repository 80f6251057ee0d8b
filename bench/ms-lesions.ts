/**
 * Makes the network `ms-lesions` that comes with the program: `npm run train:ms-lesions -- FOLDER`. It takes some hours
 * on processor cores, may be stopped at any time, and resumes where it was when it is started again.
 *
 * 1. Synthetic scans from the label maps, without patient 07's.
 * 2. A network that learns from these alone. It never saw patient 07 or 19: `npm run bench:ms-lesions` judges it by them.
 * 3. Fine-tuning on these scans, on synthetic scans of patient 07's map, and on both real patients.
 * 4. Fine-tuning on both real patients alone, with less augmentation; the threshold is chosen on them.
 * 5. The network with its card, as src/web/public/models/ms-lesions.safetensors.
 *
 * The data is looked for in VOXELGRAD_DATA, or ../shared/data. Equal bits on one adapter; others round differently.
 */
import type { FileStore } from '../src/core/files.ts';
import { sha256 } from '../src/core/hash.ts';
import { openDataset } from '../src/imaging/dataset/open-dataset.ts';
import { findLabelMaps, writeSyntheticDataset } from '../src/imaging/synthesize/write.ts';
import { decodeModel, encodeModel, type Model } from '../src/pipeline/models/model.ts';
import { prepareTraining } from '../src/pipeline/train/prepare.ts';
import { runStatus, trainInFolder } from '../src/pipeline/train/run-folder.ts';
import { RUN_FILES } from '../src/pipeline/train/run-record.ts';
import { trainSettings } from '../src/pipeline/train/settings.ts';
import { openNodeGpu } from '../src/platform/node.ts';
import { NodeFolder } from '../src/platform/node-files.ts';
import { packageVersion } from '../src/platform/terminal.ts';
import '../src/study/presets/index.ts';
import { sharedData } from '../test/data.ts';
import { MS_LESIONS_CARD } from './ms-lesions-card.ts';

const SYNTHETIC = 56;
const SYNTHETIC_07 = 6;
/** Copies of each real patient among the scans of fine-tuning: two fifths in all. */
const COPIES = 20;
/** Synthetic scans that choose the network of a run and its threshold. */
const VALIDATE = [1, 10, 19, 28, 37, 45, 48, 54].map((n) => `syn${String(n).padStart(4, '0')}`);

const COMMON = {
  preset: 'single',
  modalities: ['FLAIR', 'T1w'],
  recipe: 'robust',
  network: 'unet',
  baseChannels: 8,
  levels: 4,
  patch: 32,
  batch: 2,
  foregroundShare: 0.5,
  dropoutProbability: 0.25,
  overlap: 0,
  validate: VALIDATE,
  seed: 1,
};
const LEARN = { ...COMMON, steps: 2400, validateEvery: 2400, lr: 2e-3 };
const REFINE = { ...COMMON, steps: 1600, validateEvery: 1600, lr: 1.5e-3 };

const POLISH = {
  ...COMMON,
  subjects: ['07', '19'],
  validate: null,
  augment: ['mirror', 'intensity', 'gamma', 'modality-dropout'],
  steps: 1650,
  lr: 2e-3,
};

const place = process.argv[2];
const shared = sharedData();
if (place === undefined || shared === undefined) {
  console.error(
    place === undefined
      ? 'Say which folder to work in: npm run train:ms-lesions -- FOLDER'
      : 'The data is not there: set VOXELGRAD_DATA',
  );
  process.exitCode = 2;
} else await make(place, shared);

async function make(folder: string, data: string): Promise<void> {
  const at = (name: string): NodeFolder => new NodeFolder(`${folder}/${name}`);
  const labels = new NodeFolder(`${data}/ljubljana-labels_1mm`);
  const maps = await findLabelMaps(labels);
  const without07 = maps.filter(({ name }) => name !== '07').map(({ name }) => name);
  await synthetic(at('synthetic'), labels, without07, SYNTHETIC, 11, 0.07);
  const learned = await learn(at('synthetic'), at('learned'), LEARN);
  await synthetic(at('synthetic-07'), labels, ['07'], SYNTHETIC_07, 12, 0);
  const real = new NodeFolder(`${data}/open-ms-lesjak2017_2mm`);
  await mix(at('mixed'), at('synthetic'), at('synthetic-07'), real);
  const refined = await learn(at('mixed'), at('refined'), REFINE, learned);
  const polished = await learn(real, at('polished'), POLISH, refined);
  const bytes = encodeModel({ ...polished, info: { ...polished.info, card: MS_LESIONS_CARD } });
  const models = new NodeFolder('src/web/public/models');
  await models.write('ms-lesions.safetensors', bytes);
  console.log(`${models.name}/ms-lesions.safetensors: ${bytes.length} bytes, SHA-256 ${await sha256(bytes)}`);
}

async function isThere(folder: NodeFolder, name: string): Promise<boolean> {
  return (await folder.exists()) && (await folder.list('')).some((entry) => entry.name === name);
}

/** Writes synthetic scans, unless they are all there: the table of participants is written last. */
async function synthetic(
  out: NodeFolder,
  labels: NodeFolder,
  subjects: readonly string[],
  count: number,
  seed: number,
  healthy: number,
): Promise<void> {
  if (await isThere(out, 'participants.tsv')) return;
  const maps = await findLabelMaps(labels, subjects);
  const options = { count, seed, voxel: 2, healthy, version: packageVersion() };
  await writeSyntheticDataset(labels, maps, out, options, (done) =>
    console.error(`${out.name}: ${done} of ${count} scans`),
  );
}

/** Puts the scans of fine-tuning into one data set. */
async function mix(out: NodeFolder, synth: NodeFolder, synth07: NodeFolder, real: NodeFolder): Promise<void> {
  if (await isThere(out, 'mixed.txt')) return;
  for (const path of ['', 'derivatives/lesions/', 'derivatives/brainmask/'].map(
    (tree) => `${tree}dataset_description.json`,
  ))
    await out.write(path, await synth.read(path));
  for (let n = 1; n <= SYNTHETIC; n++)
    await copyScan(synth, out, `syn${String(n).padStart(4, '0')}`, (id) => id);
  for (let n = 1; n <= SYNTHETIC_07; n++)
    await copyScan(synth07, out, `syn${String(n).padStart(4, '0')}`, () => `syn07x${n}`);
  for (const patient of ['07', '19'])
    for (let n = 0; n < COPIES; n++) await copyScan(real, out, patient, (id) => `${id}real${n}`);
  await out.write('mixed.txt', new TextEncoder().encode('complete\n'));
}

async function copyScan(
  from: NodeFolder,
  to: FileStore,
  id: string,
  renamed: (id: string) => string,
): Promise<void> {
  for (const [tree, ...names] of [
    ['', 'FLAIR', 'T1w'],
    ['derivatives/lesions/', 'label-lesion_mask'],
    ['derivatives/brainmask/', 'desc-brain_mask'],
  ] as const)
    for (const name of names) {
      const path = (subject: string): string => `${tree}sub-${subject}/anat/sub-${subject}_${name}.nii.gz`;
      await to.write(path(renamed(id)), await from.read(path(id)));
    }
}

async function learn(
  scans: NodeFolder,
  run: NodeFolder,
  settings: Parameters<typeof trainSettings>[0],
  start?: Model,
): Promise<Model> {
  const status = (await run.exists()) ? await runStatus(run) : 'empty';
  if (status === 'finished')
    return decodeModel(await run.read(RUN_FILES.model), `${run.name}/${RUN_FILES.model}`);
  const data = await prepareTraining(await openDataset(scans), trainSettings(settings));
  const gpu = await openNodeGpu();
  try {
    const { result } = await trainInFolder(gpu, data, run, {
      ...(start ? { initial: start.weights } : {}),
      resume: status === 'unfinished',
      version: packageVersion(),
      onStep({ step, loss }) {
        if (step % 100 === 0) console.error(`${run.name}: step ${step}, loss ${loss.toFixed(4)}`);
      },
    });
    return result.model;
  } finally {
    await gpu.close();
  }
}
