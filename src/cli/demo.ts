import { StorageError } from '../core/errors.ts';
import { hashFile } from '../core/hash-file.ts';
import { canonicalJson, toJson } from '../core/json.ts';
import type { Gpu } from '../engine/gpu/gpu.ts';
import { type Dataset, findScans, type Scan } from '../imaging/dataset/dataset.ts';
import { type LoadedScan, loadScan } from '../imaging/dataset/load-scan.ts';
import { openDataset } from '../imaging/dataset/open-dataset.ts';
import { predictionPath } from '../imaging/dataset/prediction-path.ts';
import { TISSUES } from '../imaging/dataset/tissue-maps.ts';
import { applyFlairThreshold, fitFlairThreshold } from '../imaging/evaluate/baseline.ts';
import { evaluateScan } from '../imaging/evaluate/metrics.ts';
import { formatTable } from '../imaging/evaluate/tables.ts';
import { readMask, readNifti } from '../imaging/nifti/read.ts';
import { predict } from '../pipeline/predict/run.ts';
import { prepareTraining } from '../pipeline/train/prepare.ts';
import { RUN_FILES, readTrainingFiles } from '../pipeline/train/run-record.ts';
import { type TrainSettings, trainSettings } from '../pipeline/train/settings.ts';
import { openNodeGpu } from '../platform/node.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { backendName } from '../platform/system.ts';
import { packageVersion } from '../platform/terminal.ts';
import { writePhantomDataset } from '../study/phantom/index.ts';
import { PAPER_VARIANTS, predictsTissues, type Variant } from '../study/presets/index.ts';
import { type DemoReportData, type DemoVariant, demoReport, demoTable } from '../study/report/demo-report.ts';
import { tissueProvider } from '../study/tissue-provider.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS } from './common.ts';
import type { Output } from './output.ts';
import { runTraining } from './run-training.ts';

const FOLDER = 'voxelgrad-demo';
const FILES = { report: 'report.html', results: 'results.json' } as const;
const FOLDERS = { dataset: 'dataset', runs: 'runs', predictions: 'predictions' } as const;
const SUBJECTS = 5;

/** Small enough for two processor cores with a software driver, large enough to learn from. */
const PHANTOM = { shape: [61, 73, 61], spacing: 3 } as const;

/** What all three variants are trained with. */
const SETTINGS = {
  patch: 24,
  batch: 2,
  baseChannels: 8,
  levels: 2,
  lr: 4e-3,
  schedule: 'cosine',
  foregroundShare: 0.5,
  crossEntropy: 1,
  overlap: 0.25,
} as const;
const STEPS = 150;

export const demo: Command = command({
  name: 'demo',
  description: 'Write phantoms, train all three variants, predict a held-out patient, and report',
  args: {
    ...GPU_ARGS,
    out: { type: 'positional', required: false, description: `Folder to write (default ${FOLDER})` },
    steps: {
      type: 'string',
      valueHint: 'N',
      description: `Training steps of each variant (default ${STEPS})`,
    },
  },
  examples: [
    { line: 'demo', does: `the whole line once, into ./${FOLDER}` },
    { line: 'demo ./try --steps 400 --seed 7', does: 'other phantoms, trained longer' },
  ],
  async run(options, output) {
    const start = performance.now();
    const folder = new NodeFolder(options.text('out') ?? FOLDER);
    const steps = options.integer('steps', { min: 1, max: 1e6 }) ?? STEPS;
    const seed = options.seed();
    await requireOwn(folder, output);
    const gpu = await openNodeGpu({ quiet: true });
    try {
      const { description, driver } = gpu.capabilities;
      output.note(`running on ${description} (${driver} driver)`);
      const dataset = await writeData(folder, seed, output);
      const scans = findScans(dataset);
      const heldOut = scans.at(-1)!;
      const training = scans.slice(0, -1);
      const variants: DemoVariant[] = [];
      for (const variant of PAPER_VARIANTS) {
        const subjects = [...new Set(training.map((scan) => scan.subject))];
        const settings = trainSettings({ ...SETTINGS, preset: variant, subjects, steps, seed });
        variants.push(await runVariant(gpu, folder, dataset, heldOut, settings, output));
      }
      const data: DemoReportData = {
        adapter: adapterOf(gpu),
        seconds: (performance.now() - start) / 1000,
        version: packageVersion(),
        data: 'simulated brains (phantoms)',
        trainingSubjects: training.map((scan) => scan.subject),
        heldOut: await heldOutData(dataset, heldOut),
        baseline: await baseline(dataset, training, heldOut),
        variants,
        settings: { ...SETTINGS, steps, seed, ...PHANTOM },
      };
      await folder.write(FILES.report, new TextEncoder().encode(demoReport(data)));
      const results = resultsJson(data);
      await folder.write(FILES.results, new TextEncoder().encode(`${canonicalJson(toJson(results), 2)}\n`));
      const path = `${folder.name}/${FILES.report}`;
      output.result(
        { ...results, report: path },
        `${formatTable(demoTable(data))}\n\n${data.adapter.description}, ${data.seconds.toFixed(0)} s in all\nreport: ${path}`,
      );
    } finally {
      await gpu.close();
    }
  },
});

/**
 * A demo goes into a new folder, or in place of an earlier one.
 * @throws StorageError if the folder holds anything else.
 */
async function requireOwn(folder: NodeFolder, output: Output): Promise<void> {
  await folder.checkWritable();
  const names = (await folder.list('')).map(({ name }) => name).filter((name) => !name.startsWith('.'));
  const own: readonly string[] = [...Object.values(FOLDERS), ...Object.values(FILES)];
  const foreign = names.filter((name) => !own.includes(name));
  if (foreign.length > 0)
    throw new StorageError(
      `${folder.name}: holds files that are not a demo's (${foreign.slice(0, 3).join(', ')})`,
      {
        hint: 'Choose a new folder.',
      },
    );
  if (names.length > 0) output.note(`${folder.name}: the demo that it holds is replaced`);
}

async function writeData(folder: NodeFolder, seed: number, output: Output): Promise<Dataset> {
  const target = new NodeFolder(`${folder.root}/${FOLDERS.dataset}`);
  const bar = output.progress({ label: 'phantoms', total: SUBJECTS, unit: 'scan' });
  await writePhantomDataset(target, { ...PHANTOM, seed, subjects: SUBJECTS, visits: 1 }, ({ done, scan }) =>
    bar.update(done, scan),
  );
  return await openDataset(target);
}

/** Trains a variant, predicts the held-out scan from the files as a user would, and scores the result. */
async function runVariant(
  gpu: Gpu,
  folder: NodeFolder,
  dataset: Dataset,
  heldOut: Scan,
  settings: TrainSettings,
  output: Output,
): Promise<DemoVariant> {
  const variant = settings.preset as Variant;
  const run = new NodeFolder(`${folder.root}/${FOLDERS.runs}/${variant}`);
  const data = await prepareTraining(dataset, settings);
  const { result, losses } = await runTraining(gpu, data, run, output);
  const out = new NodeFolder(`${folder.root}/${FOLDERS.predictions}/${variant}`);
  const bar = output.progress({ label: `predicting, ${variant}`, total: 1, unit: 'scan' });
  await predict(gpu, {
    model: result.model,
    dataset,
    scans: [heldOut],
    maps: true,
    provider: tissueProvider(),
    overlap: settings.overlap,
    out,
    provenance: {
      version: packageVersion(),
      model: { file: RUN_FILES.model, sha256: await hashFile(run, RUN_FILES.model) },
      trainingFiles: await readTrainingFiles(run),
    },
    onTile: (done, total) => bar.update(done / total),
  });
  const prediction = await readPrediction(out, heldOut, 'lesion', 'mask');
  const { grid, truth } = await truthOf(dataset, heldOut);
  return {
    variant,
    metrics: evaluateScan(prediction, truth, grid),
    threshold: result.threshold!,
    steps: result.steps,
    secondsPerStep: result.seconds / result.steps,
    losses,
    prediction,
    tissues: predictsTissues(variant) ? await readTissues(out, heldOut) : undefined,
  };
}

async function readPrediction(
  out: NodeFolder,
  scan: Scan,
  label: 'lesion',
  suffix: 'mask',
): Promise<Uint8Array> {
  const path = predictionPath(scan, { label, suffix });
  return (await readMask(await out.open(path), path)).volume.data;
}

async function readTissues(
  out: NodeFolder,
  scan: Scan,
): Promise<{ gm: Float32Array; wm: Float32Array; csf: Float32Array }> {
  const maps: Float32Array[] = [];
  for (const label of TISSUES) {
    const path = predictionPath(scan, { label, suffix: 'probseg' });
    maps.push((await readNifti(await out.open(path), path)).volume.data);
  }
  return { gm: maps[0]!, wm: maps[1]!, csf: maps[2]! };
}

async function truthOf(dataset: Dataset, scan: Scan): Promise<LoadedScan & { readonly truth: Uint8Array }> {
  const loaded = await loadScan(dataset, scan, { modalities: ['FLAIR'], tissue: true, requireLesions: true });
  return { ...loaded, truth: Uint8Array.from(loaded.lesions!, (p) => (p >= 0.5 ? 1 : 0)) };
}

async function heldOutData(dataset: Dataset, scan: Scan): Promise<DemoReportData['heldOut']> {
  const { subject, grid, channels, brain, truth, tissues } = await truthOf(dataset, scan);
  return {
    subject,
    grid,
    flair: channels[0]!.data,
    brain,
    truth,
    tissues: tissues && { gm: tissues.GM, wm: tissues.WM, csf: tissues.CSF },
  };
}

async function baseline(
  dataset: Dataset,
  training: readonly Scan[],
  heldOut: Scan,
): Promise<DemoReportData['baseline']> {
  const labelled = [];
  for (const scan of training) {
    const { channels, brain, truth } = await truthOf(dataset, scan);
    labelled.push({ flair: channels[0]!.data, brain, truth });
  }
  const { k } = fitFlairThreshold(labelled);
  const { grid, channels, brain, truth } = await truthOf(dataset, heldOut);
  const prediction = applyFlairThreshold({ flair: channels[0]!.data, brain }, k);
  return { k, metrics: evaluateScan(prediction, truth, grid), prediction };
}

function adapterOf({ capabilities }: Gpu): DemoReportData['adapter'] {
  const { description, software, driver } = capabilities;
  return { description, backend: backendName(), software, driver };
}

/** What `results.json` holds. */
function resultsJson({ adapter, seconds, variants, baseline, heldOut, settings }: DemoReportData): object {
  return {
    adapter,
    seconds,
    heldOut: heldOut.subject,
    settings,
    baseline: { k: baseline.k, ...baseline.metrics },
    variants: variants.map(({ variant, metrics, threshold, steps, secondsPerStep, losses }) => ({
      variant,
      ...metrics,
      baselineDice: baseline.metrics.dice,
      threshold,
      steps,
      secondsPerStep,
      finalLoss: losses.at(-1),
    })),
  };
}
