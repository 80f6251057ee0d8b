import { encodeModel } from '../checkpoint/checkpoint.ts';
import { StorageError } from '../core/errors.ts';
import type { Dataset } from '../dataset/dataset.ts';
import { openDataset } from '../dataset/open-dataset.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { LineLog } from '../platform/line-log.ts';
import { openNodeGpu } from '../platform/node.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { chooseTraining, prepareTraining, type TrainingData } from '../train/prepare.ts';
import type { StepReport, TrainResult } from '../train/request.ts';
import { train as trainNetwork } from '../train/run.ts';
import type { TrainSettings } from '../train/settings.ts';
import { attachTissues } from './attach-tissues.ts';
import { type Command, command } from './command.ts';
import type { Output } from './output.ts';
import type { Progress, ProgressOptions } from './progress.ts';
import { readTextFile } from './read-text-file.ts';
import { formatSettings, gatherSettings, SETTING_ARGS } from './settings.ts';

/** The files of a run. */
export const RUN_FILES: { readonly config: string; readonly log: string; readonly model: string } = {
  config: 'config.json',
  log: 'log.jsonl',
  model: 'model.safetensors',
};

export const train: Command = command({
  name: 'train',
  description: 'Train a U-Net on the scans of some patients',
  args: {
    dataset: { type: 'positional', description: 'Data set (BIDS or ISBI 2015, recognised by itself)' },
    out: { type: 'positional', description: `Folder of the run: ${Object.values(RUN_FILES).join(', ')}` },
    ...SETTING_ARGS,
    config: { type: 'string', valueHint: 'FILE.json', description: 'Settings; options go before them' },
    overwrite: { type: 'boolean', description: 'Replace the run that is in the folder' },
  },
  examples: [
    {
      line: 'train ./dataset ./run --variant single --subjects 07,19',
      does: "the paper's plain U-Net on two patients",
    },
    {
      line: 'train ./isbi ./run --variant multi-output --subjects 01,02 --minutes 30',
      does: 'lesions and tissues at once, for half an hour',
    },
    {
      line: 'train ./dataset ./run --variant single --subjects 07 --patch 32 --levels 3 --base-channels 8 --steps 200',
      does: 'a small net for a machine without a GPU',
    },
    {
      line: 'train ./dataset ./again --config ./run/config.json --seed 2',
      does: 'an earlier run once more with another seed',
    },
  ],
  async run(options, output) {
    const config = options.text('config');
    const settings = gatherSettings(
      options,
      config === undefined ? undefined : { name: config, text: await readTextFile(config) },
    );
    const run = new NodeFolder(options.required('out'));
    const found = await openDataset(new NodeFolder(options.required('dataset')));
    const dataset = await attachTissues(found, settings.tissue);
    for (const warning of dataset.warnings) output.note(`note: ${warning}`);
    // What the names alone can tell comes before images are read.
    const { scans } = chooseTraining(dataset, settings);
    await run.checkWritable();
    if (!options.flag('overwrite')) await requireNoModel(run);
    const data = await readScans(dataset, settings, scans.length, output);
    const gpu = await openNodeGpu();
    try {
      const { result } = await runTraining(gpu, data, run, output);
      report(result, run.name, output);
    } finally {
      await gpu.close();
    }
  },
});

/** A trained network is never lost to a repeated command. */
async function requireNoModel(run: NodeFolder): Promise<void> {
  if (!(await run.list('')).some(({ name }) => name === RUN_FILES.model)) return;
  throw new StorageError(`${run.name}: there is a trained network already (${RUN_FILES.model})`, {
    hint: 'Choose another folder, or add --overwrite.',
  });
}

async function readScans(
  dataset: Dataset,
  settings: TrainSettings,
  total: number,
  output: Output,
): Promise<TrainingData> {
  const bar = output.progress({ label: 'reading', total, unit: 'scan' });
  return await prepareTraining(dataset, settings, (done, _, name) => bar.update(done, name));
}

/** Trains with progress, and writes the files of the run. @returns the result, and the loss of every step. */
export async function runTraining(
  gpu: Gpu,
  { settings, scans }: TrainingData,
  run: NodeFolder,
  output: Output,
): Promise<{ readonly result: TrainResult; readonly losses: readonly number[] }> {
  const losses: number[] = [];
  await run.write(RUN_FILES.config, new TextEncoder().encode(formatSettings(settings)));
  const log = new LineLog(run.root, RUN_FILES.log);
  try {
    output.note(`training ${settings.variant} on ${gpu.capabilities.description}, scans: ${scans.length}`);
    const show = stepDisplay(settings, output.progress(trainingLength(settings)));
    let choosing: Progress | undefined;
    const result = await trainNetwork(gpu, {
      settings,
      scans,
      onStep(report) {
        losses.push(report.loss);
        log.write({ ...report, seconds: Number(report.seconds.toFixed(3)) });
        show(report);
      },
      onThreshold(done, total, scan) {
        choosing ??= output.progress({ label: 'choosing the threshold', total, unit: 'scan' });
        choosing.update(done, scan);
      },
    });
    await run.write(RUN_FILES.model, encodeModel(result.model));
    return { result, losses };
  } finally {
    log.close();
  }
}

function trainingLength({ variant, epochs, steps, minutes, stepsPerEpoch }: TrainSettings): ProgressOptions {
  const label = `training, ${variant}`;
  if (minutes !== null) return { label, total: minutes * 60, unit: 's' };
  return { label, total: steps ?? (epochs ?? 0) * stepsPerEpoch, unit: 'step' };
}

function stepDisplay({ minutes }: TrainSettings, bar: Progress): (report: StepReport) => void {
  return ({ step, loss, seconds }) => {
    const detail = `loss ${loss.toFixed(4)}, ${(seconds / step).toPrecision(3)} s/step`;
    if (minutes === null) bar.update(step, detail);
    else bar.update(seconds, `step ${step}, ${detail}`);
  };
}

function report(result: TrainResult, run: string, output: Output): void {
  const { variant, steps, seconds, finalLoss, threshold, trainDice } = result;
  output.result(
    { run, variant, steps, seconds, finalLoss, threshold, trainDice },
    [
      `${run}: ${variant}, ${steps} steps in ${seconds.toFixed(0)} s, final loss ${finalLoss.toFixed(4)}`,
      `Dice on the training scans ${trainDice.toFixed(3)} at threshold ${threshold.toPrecision(4)}`,
    ].join('\n'),
  );
}
