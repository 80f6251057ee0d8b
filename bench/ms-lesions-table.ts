/**
 * `npm run bench:ms-lesions -- MODEL.safetensors [07,19]`: judges a network by the two real patients, as they are, with
 * the FLAIR alone, at 1 mm and under simulated shifts, and by a synthetic brain without lesions. Prints rows of a table.
 * It runs only where the data is there (VOXELGRAD_DATA, or ../shared/data).
 */
import { Random } from '../src/core/random.ts';
import type { Gpu } from '../src/engine/gpu/gpu.ts';
import { findSubject } from '../src/imaging/dataset/dataset.ts';
import { type LoadedScan, loadScan } from '../src/imaging/dataset/load-scan.ts';
import { openDataset } from '../src/imaging/dataset/open-dataset.ts';
import { evaluateScan } from '../src/imaging/evaluate/metrics.ts';
import { boxMean, gaussian, SmoothField } from '../src/imaging/synthesize/fields.ts';
import { synthesize } from '../src/imaging/synthesize/synthesize.ts';
import { findLabelMaps, readAnatomy } from '../src/imaging/synthesize/write.ts';
import { decodeModel, type Model, mainThreshold } from '../src/pipeline/models/model.ts';
import { maskOf } from '../src/pipeline/predict/head-result.ts';
import { segment } from '../src/pipeline/predict/segment.ts';
import { openNodeGpu } from '../src/platform/node.ts';
import { NodeFolder } from '../src/platform/node-files.ts';
import '../src/study/presets/index.ts';
import { sharedData } from '../test/data.ts';

type Change = (scan: LoadedScan) => LoadedScan;

/** The same scan with other values in its images. */
function changed(scan: LoadedScan, change: (data: Float32Array, name: string) => Float32Array): LoadedScan {
  const channels = scan.channels.map(({ name, data }) => {
    const inside = change(data.slice(), name).map((v, i) => (scan.brain[i] === 0 ? 0 : v));
    return { name, data: inside };
  });
  return { ...scan, channels };
}

/** Deviation of an image within the brain. */
function deviation(data: Float32Array, brain: Uint8Array): number {
  const values = data.filter((_, i) => brain[i] !== 0);
  const mean = values.reduce((sum, v) => sum + v, 0) / values.length;
  return Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / values.length);
}

function gamma(power: number, which: string): Change {
  return (scan) =>
    changed(scan, (data, name) => {
      if (which !== 'all' && which !== name) return data;
      const top = data.reduce((most, v) => Math.max(most, v), 0);
      return data.map((v) => top * Math.max(0, v / top) ** power);
    });
}

function slices(mm: number): Change {
  return (scan) => changed(scan, (data) => boxMean(data, scan.grid.shape, 2, mm / scan.grid.spacing[2]));
}

function bias({ grid: { shape } }: LoadedScan, data: Float32Array): Float32Array {
  const field = new SmoothField(new Random(5), shape, 40);
  const [nx, ny] = shape;
  return data.map(
    (v, i) => v * Math.exp(0.2 * field.at(i % nx, Math.floor(i / nx) % ny, Math.floor(i / (nx * ny)))),
  );
}

const SHIFTS: readonly (readonly [string, Change])[] = [
  ['as it is', (scan) => scan],
  ['FLAIR alone', (scan) => ({ ...scan, channels: scan.channels.slice(0, 1) })],
  ['contrast, power 0.7', gamma(0.7, 'all')],
  ['contrast, power 1.4', gamma(1.4, 'all')],
  ['other T1 weighting, power 1.6', gamma(1.6, 'T1w')],
  [
    'noise, 0.15 deviations',
    (scan) =>
      changed(scan, (data) => {
        const random = new Random(3);
        const size = 0.15 * deviation(data, scan.brain);
        return data.map((v) => v + size * random.normal());
      }),
  ],
  ['bias field, 20 %', (scan) => changed(scan, (data) => bias(scan, data))],
  ['slices of 3 mm', slices(3)],
  ['slices of 5 mm', slices(5)],
  [
    'smoothed, 2 mm deviation',
    (scan) => changed(scan, (data) => gaussian(data, scan.grid.shape, 2 / scan.grid.spacing[0])),
  ],
];

const file = process.argv[2];
const shared = sharedData();
if (file === undefined || shared === undefined) {
  console.log(file === undefined ? 'passed over: name a model file' : 'passed over: the data is not there');
} else await judge(file, shared, (process.argv[3] ?? '07,19').split(','));

async function judge(path: string, data: string, ids: readonly string[]): Promise<void> {
  const cut = path.lastIndexOf('/') + 1;
  const read = decodeModel(await new NodeFolder(path.slice(0, cut) || '.').read(path.slice(cut)), path);
  const model: Model = { ...read, info: { ...read.info, optional: ['T1w'] } };
  const gpu = await openNodeGpu();
  try {
    console.log(`threshold ${mainThreshold(model.info)}\n`);
    console.log('| patient | what | Dice | lesion F1 | lesion TPR | lesion FPR | ml, true ml |');
    console.log('| --- | --- | --- | --- | --- | --- | --- |');
    for (const id of ids) {
      for (const [name, change] of SHIFTS) await row(gpu, model, data, '2mm', id, name, change);
      await row(gpu, model, data, '1mm', id, 'at 1 mm', (scan) => scan);
    }
    await healthy(gpu, model, data);
  } finally {
    await gpu.close();
  }
}

async function row(
  gpu: Gpu,
  model: Model,
  data: string,
  size: string,
  id: string,
  name: string,
  change: Change,
): Promise<void> {
  const dataset = await openDataset(new NodeFolder(`${data}/open-ms-lesjak2017_${size}`));
  const [visit] = findSubject(dataset, id).scans;
  const scan = await loadScan(dataset, visit!, { modalities: model.info.task.channels });
  const { heads } = await segment(gpu, model, change(scan));
  const [head] = heads.values();
  const mask = maskOf(head!, 'lesion');
  const found = evaluateScan(mask, Uint8Array.from(scan.lesions!), scan.grid);
  const precision = 1 - found.lfpr;
  const f1 = (2 * found.ltpr * precision) / (found.ltpr + precision || 1);
  const cells = [found.dice, f1, found.ltpr, found.lfpr].map((v) => v.toFixed(2));
  const ml = `${found.predictionMl.toFixed(1)}, ${found.truthMl.toFixed(1)}`;
  console.log(`| ${[`sub-${id}`, name, ...cells, ml].join(' | ')} |`);
}

/** The volume that is found in synthetic scans without lesions. */
async function healthy(gpu: Gpu, model: Model, data: string): Promise<void> {
  const labels = new NodeFolder(`${data}/ljubljana-labels_1mm`);
  const [map] = await findLabelMaps(labels, ['07']);
  const brain = await readAnatomy(labels, map!);
  for (const seed of [101, 102]) {
    const made = synthesize(brain, [brain], { seed, voxel: 2, healthy: 1 });
    const { heads } = await segment(gpu, model, {
      subject: 'healthy',
      session: null,
      grid: made.grid,
      header: (await anyHeader(data))!,
      channels: (['FLAIR', 'T1w'] as const).map((name) => ({ name, data: made.images[name] })),
      brain: made.brain,
      brainSource: 'mask',
      raters: new Map(),
    });
    const [head] = heads.values();
    const ml = (maskOf(head!, 'lesion').reduce((sum, v) => sum + v, 0) * 8) / 1000;
    console.log(`| healthy, synthetic, seed ${seed} | as it is | | | | | ${ml.toFixed(2)}, 0 |`);
  }
}

/** A scan carries the header of its file; nothing is written here. */
async function anyHeader(data: string): Promise<LoadedScan['header']> {
  const dataset = await openDataset(new NodeFolder(`${data}/open-ms-lesjak2017_2mm`));
  return (await loadScan(dataset, findSubject(dataset, '07').scans[0]!, { modalities: ['FLAIR'] })).header;
}
