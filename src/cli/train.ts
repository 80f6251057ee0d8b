import type { ArgDef } from 'citty';
import { StorageError, UsageError } from '../core/errors.ts';
import { toJson } from '../core/json.ts';
import { LockedFiles } from '../core/locked-files.ts';
import type { Gpu } from '../engine/gpu/gpu.ts';
import { tunedKernels } from '../engine/tune/tuner.ts';
import { type Dataset, scanName, shortList } from '../imaging/dataset/dataset.ts';
import { describeInputs } from '../imaging/dataset/inputs.ts';
import { decodeModel } from '../pipeline/models/model.ts';
import {
  chooseTraining,
  prepareTraining,
  type TrainingData,
  trainingInputs,
} from '../pipeline/train/prepare.ts';
import type { BestCheck, TrainResult } from '../pipeline/train/request.ts';
import {
  CHECKPOINT_SECONDS,
  HASH_STEPS,
  type RunFolderOptions,
  runStatus,
} from '../pipeline/train/run-folder.ts';
import {
  hasFile,
  RUN_FILES,
  type RunManifest,
  readManifest,
  readRunConfig,
} from '../pipeline/train/run-record.ts';
import { isSameLength, requireLonger, requireSameSettings } from '../pipeline/train/same-run.ts';
import { designSpacing } from '../pipeline/train/session.ts';
import {
  DURATIONS,
  type ResolvedTrainSettings,
  type TrainSettings,
  taskName,
  taskOf,
} from '../pipeline/train/settings.ts';
import { requireStageOne, resolvedTask } from '../pipeline/train/stage-one.ts';
import { parseLog } from '../pipeline/train/step-log.ts';
import { stepRequest } from '../pipeline/train/step-request.ts';
import { cacheFolder } from '../platform/cache-folder.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { lockFolder } from '../platform/run-lock.ts';
import { resumeCommand } from './again.ts';
import { allowImages, attachTissues } from './attach-tissues.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS, type Options, type SharedName } from './common.ts';
import { choicesOrRecorded, DATASET_ARGS, openDatasetOf, recordedIn } from './dataset-options.ts';
import { readInitial } from './initial-network.ts';
import { LastingGpu } from './lasting-gpu.ts';
import type { Output } from './output.ts';
import { readTextFile } from './read-text-file.ts';
import { runTraining } from './run-training.ts';
import {
  gatherSettings,
  readSettingFiles,
  recordedKernels,
  SETTING_ARGS,
  type SettingOption,
} from './settings.ts';

export { RUN_FILES } from '../pipeline/train/run-record.ts';

/** How a run goes on in its folder; none of it changes what comes out. */
const RUN_ARGS = {
  resume: {
    type: 'boolean',
    description:
      'Resume the run in the folder, bit for bit, or start one if there is none; with a larger length, train a finished run longer',
  },
  overwrite: { type: 'boolean', description: 'Replace the run that is in the folder' },
  init: {
    type: 'string',
    valueHint: 'MODEL',
    description:
      'Begin from a trained network (fine-tuning): the folder of a run or an import, a model file, or the name of one that comes with the program. Task, images, network and patch are its own unless given',
  },
  memory: {
    type: 'string',
    valueHint: '512M',
    description:
      'Most that the run may take on the GPU, in bytes or with k, M, G; checked before it starts. More than 2G also lets single images take more main memory',
  },
  'checkpoint-seconds': {
    type: 'string',
    valueHint: 'S',
    description: `Seconds between two checkpoints (default ${CHECKPOINT_SECONDS})`,
  },
  'checkpoint-steps': {
    type: 'string',
    valueHint: 'N',
    description: 'Steps between two checkpoints, besides those by the clock',
  },
  'hash-every': {
    type: 'string',
    valueHint: 'N',
    description: `Steps between two hashes of the whole state in the log, 0 for none (default ${HASH_STEPS})`,
  },
  'stage-1': {
    type: 'string',
    valueHint: 'RUN',
    description:
      'Run of a single net that goes with a multi-input one: predict corrects tissue maps of new scans by it',
  },
  'verify-log': {
    type: 'string',
    valueHint: 'OLD.jsonl',
    description: 'Stop at the first step that is not that of an earlier log',
  },
} as const satisfies Readonly<Record<string, ArgDef>>;

export const train: Command = command({
  name: 'train',
  description: 'Train a U-Net on the scans of some patients',
  args: {
    ...GPU_ARGS,
    dataset: { type: 'positional', description: 'Data set (BIDS or ISBI 2015, detected automatically)' },
    out: { type: 'positional', description: `Folder of the run: ${Object.values(RUN_FILES).join(', ')}` },
    ...SETTING_ARGS,
    config: { type: 'string', valueHint: 'FILE.json', description: 'Settings; options go before them' },
    ...DATASET_ARGS,
    ...RUN_ARGS,
  },
  examples: [
    {
      line: 'train ./dataset ./run --preset single --subjects 07,19',
      does: "the paper's plain U-Net on two patients",
    },
    {
      line: 'train ./dataset ./run --preset multi-input --subjects 07,19 --stage-1 ./single-run',
      does: "the paper's best net, with what predicts new patients from their MRI alone",
    },
    {
      line: 'train ./isbi ./run --preset multi-output --subjects 01,02 --minutes 30',
      does: 'lesions and tissues at once, for half an hour',
    },
    {
      line: 'train ./dataset ./run --preset single --subjects 07 --patch 32 --levels 3 --base-channels 8 --steps 200',
      does: 'a small net for a machine without a GPU',
    },
    {
      line: 'train ./dataset ./again --config ./run/config.json --seed 2',
      does: 'an earlier run once more with another seed',
    },
    {
      line: 'train ./dataset ./run --init ./imported --lr 1e-4 --steps 2000 --batch 1',
      does: 'an imported network further on your own patients',
    },
    { line: 'train ./dataset ./run --resume', does: 'on with a run that was stopped or killed' },
    {
      line: 'train ./dataset ./run --resume --epochs 200',
      does: 'a finished run of 100 epochs for as many again',
    },
    {
      line: 'train ./dataset ./again --config ./run/config.json --verify-log ./run/log.jsonl',
      does: 'an earlier run once more, and proof that every step is the same',
    },
  ],
  async run(options, output) {
    const run = new NodeFolder(options.required('out'));
    const folderOptions = await gatherRunOptions(options);
    const resume = folderOptions.resume && (await holdsRun(run));
    if (folderOptions.resume && !resume) output.note(`${run.name}: there is no run yet; it starts`);
    const path = options.text('config') ?? (resume ? `${run.name}/${RUN_FILES.config}` : undefined);
    const config = path === undefined ? undefined : { name: path, text: await readTextFile(path) };
    const begin = await readInitial(options.text('init'));
    const settings = gatherSettings(
      options,
      config,
      undefined,
      await readSettingFiles(options),
      begin && !resume ? begin.settings : undefined,
    );
    const choices = choicesOrRecorded(options, recordedIn(config?.text));
    const found = await openDatasetOf(options.required('dataset'), choices, output);
    const dataset = allowImages(await attachTissues(found, settings.maps), folderOptions.memory);
    // What the names alone can tell comes before images are read.
    const { scans, validation, settings: resolved, notes } = chooseTraining(dataset, settings);
    const read = [...scans, ...validation];
    output.note(describeInputs(dataset, read, trainingInputs(resolved)));
    if (validation.length > 0) output.note(`validated by ${shortList(validation.map(scanName))}`);
    for (const note of notes) output.note(`note: ${note}`);
    const stageOne = await readStageOneOf(options.text('stage-1'), resolved);
    const lock = await lockFolder(run, (text) => output.note(`waiting: ${text}`));
    try {
      if (resume && (await reportFinished(run, resolved, output))) return;
      if (!resume && !options.flag('overwrite')) await requireNoRun(run);
      const data = await readScans(dataset, settings, read.length, output);
      for (const warning of data.warnings ?? []) output.note(`warning: ${warning}`);
      const start = begin?.weights(data);
      for (const note of start?.initialModel.notes ?? []) output.note(`note: ${note}`);
      const device = await LastingGpu.open(output, 'the last checkpoint');
      const kernels = await chooseKernels(device.gpu, data, config?.text);
      try {
        const { result } = await runTraining(device.gpu, data, new LockedFiles(run, lock), output, {
          kernels,
          reopen: device.reopen,
          stageOne,
          ...folderOptions,
          ...start,
          resume,
          hint: `Resume with: ${resumeCommand()}`,
        });
        report(result, run.name, output);
      } finally {
        await device.close();
      }
    } finally {
      await lock.release();
    }
  },
});

/**
 * Kernel variants by slot: those that the config file's run recorded, so that it is repeated bit for bit; for a run of
 * its own those that `tune` found. Where neither has any, the built-in table decides; `--resume` takes the run's own.
 */
async function chooseKernels(
  gpu: Gpu,
  { settings, scans }: TrainingData,
  config: string | undefined,
): Promise<Readonly<Record<string, string>>> {
  const recorded = config === undefined ? {} : recordedKernels(config, gpu.capabilities.description);
  const tuned = await tunedKernels(
    gpu.capabilities,
    stepRequest(settings, designSpacing(scans)),
    new NodeFolder(cacheFolder()),
  );
  return Object.keys(tuned).some((slot) => slot in recorded) ? recorded : { ...tuned, ...recorded };
}

type RunOption = keyof typeof RUN_ARGS | 'dataset' | 'out' | 'config';

async function gatherRunOptions(
  options: Options<RunOption | SettingOption | SharedName>,
): Promise<
  Pick<
    RunFolderOptions,
    'resume' | 'memory' | 'hashEvery' | 'checkpointSteps' | 'checkpointSeconds' | 'verify'
  >
> {
  const resume = options.flag('resume');
  if (resume && options.flag('overwrite'))
    throw new UsageError('--resume and --overwrite exclude each other', { hint: 'Give one of them.' });
  const hashEvery = options.integer('hash-every', { min: 0 });
  const checkpointSteps = options.integer('checkpoint-steps', { min: 1 });
  const checkpointSeconds = options.number('checkpoint-seconds', { above: 0 });
  const memory = options.bytes('memory');
  const name = options.text('verify-log');
  const old = name === undefined ? undefined : new TextEncoder().encode(await readTextFile(name));
  return {
    resume,
    memory,
    hashEvery,
    checkpointSteps,
    checkpointSeconds,
    verify: name && old ? { name, steps: parseLog(old, name).steps } : undefined,
  };
}

/** The bytes of another run's network, once it is known to fit. @throws CheckpointError, StorageError. */
async function readStageOneOf(
  path: string | undefined,
  settings: ResolvedTrainSettings,
): Promise<Uint8Array | undefined> {
  if (path === undefined) return undefined;
  if (!taskOf(settings).maps)
    throw new UsageError(`--stage-1 means nothing with --preset ${taskName(settings)}`, {
      hint: 'It goes with multi-input, the preset that reads tissue maps.',
    });
  const run = new NodeFolder(path);
  const name = `${run.name}/${RUN_FILES.model}`;
  const bytes = await run.read(RUN_FILES.model);
  requireStageOne(decodeModel(bytes, name).info.task, resolvedTask(settings), name);
  return bytes;
}

/** Neither a trained network nor the checkpoints of a run are ever lost to a repeated command. */
async function requireNoRun(run: NodeFolder): Promise<void> {
  const status = await runStatus(run);
  if (status === 'finished')
    throw new StorageError(`${run.name}: there is a trained network already (${RUN_FILES.model})`, {
      hint: 'Choose another folder, or add --overwrite.',
    });
  if (status === 'unfinished')
    throw new StorageError(`${run.name}: there is a run that is not finished`, {
      hint: 'Resume it by --resume, choose another folder, or add --overwrite.',
    });
}

/** Whether there is a run to resume; a folder that is not there holds none. @throws StorageError */
async function holdsRun(run: NodeFolder): Promise<boolean> {
  return (await run.exists()) && (await hasFile(run, RUN_FILES.config));
}

/**
 * Tells what came of a run that has nothing left to do, also not in a longer run.
 * @returns whether it is one
 * @throws CheckpointError if it is another run, or is to be shorter.
 */
async function reportFinished(
  run: NodeFolder,
  settings: ResolvedTrainSettings,
  output: Output,
): Promise<boolean> {
  const manifest = await readManifest(run);
  if (!manifest) return false;
  const config = await readRunConfig(run);
  const path = `${run.name}/${RUN_FILES.config}`;
  requireSameSettings(toJson(config.settings), settings, path, DURATIONS);
  if (!isSameLength(config.settings, settings)) {
    requireLonger(config.settings, settings, manifest, path);
    output.note(`${run.name}: the run is finished after ${manifest.steps} steps; it is made longer`);
    return false;
  }
  output.note(`${run.name}: the run is finished; there is nothing to resume`);
  report(manifest, run.name, output);
  return true;
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

function report(result: Omit<TrainResult, 'model'> | RunManifest, run: string, output: Output): void {
  const { task, steps, seconds, finalLoss, threshold, trainDice, trainError, best } = result;
  const dice = trainDice === null ? '' : `Dice on the training scans ${trainDice.toFixed(3)}`;
  const at = threshold === null ? '' : ` at threshold ${threshold.toPrecision(4)}`;
  const error =
    trainError === null ? '' : `mean absolute error on the training scans ${trainError.toPrecision(4)}`;
  const judged = best ? `${scoreOf(best)} on the validation scans` : '';
  const kept = best ? `; the network of step ${best.step} is kept` : '';
  output.result(
    { run, task, steps, seconds, finalLoss, threshold, trainDice, trainError, best },
    [
      `${run}: ${task}, ${steps} steps in ${seconds.toFixed(0)} s, final loss ${finalLoss.toFixed(4)}`,
      `${judged}${dice}${at}${error}${kept}`,
    ]
      .filter((line) => line !== '')
      .join('\n'),
  );
}

function scoreOf({ dice, error }: BestCheck): string {
  return dice === null ? `mean absolute error ${error?.toPrecision(4)}` : `Dice ${dice.toFixed(3)}`;
}
