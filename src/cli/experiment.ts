import { type DeviceLostError, StoppedError, StorageError, UsageError } from '../core/errors.ts';
import type { FolderLock } from '../core/locked-files.ts';
import { formatRecord } from '../core/record.ts';
import { sleep } from '../core/sleep.ts';
import { removeUnfinished } from '../core/unfinished-files.ts';
import type { Gpu } from '../engine/gpu/gpu.ts';
import { tunedKernels } from '../engine/tune/tuner.ts';
import type { Dataset } from '../imaging/dataset/dataset.ts';
import { designSpacing } from '../pipeline/train/session.ts';
import { stepRequest } from '../pipeline/train/step-request.ts';
import { cacheFolder } from '../platform/cache-folder.ts';
import { openNodeGpu } from '../platform/node.ts';
import { NodeFolder } from '../platform/node-files.ts';
import { describeHolder, lockFolder, tryLockFolder } from '../platform/run-lock.ts';
import { watchStopSignals } from '../platform/stop-signals.ts';
import { packageVersion } from '../platform/terminal.ts';
import { extendExperiment, extensionNote } from '../study/experiment/extend-experiment.ts';
import { inspectScans } from '../study/experiment/inspect.ts';
import { recordedOptions } from '../study/experiment/options.ts';
import { planExperiment } from '../study/experiment/plan.ts';
import { runUnits, type UnitsDone } from '../study/experiment/run-experiment.ts';
import { requireSubjects } from '../study/experiment/same-experiment.ts';
import { ScanShelf } from '../study/experiment/scan-shelf.ts';
import { unitsOf } from '../study/experiment/share.ts';
import { summarise, summaryText } from '../study/experiment/summary.ts';
import { readUnitResult } from '../study/experiment/unit-files.ts';
import {
  EXPERIMENT_FILES,
  type ExperimentRecord,
  type ExperimentUnit,
  parseExperiment,
} from '../study/report/experiment-record.ts';
import { sameCommand } from './again.ts';
import { attachTissues } from './attach-tissues.ts';
import { type Command, command } from './command.ts';
import { GPU_ARGS, type Options, type SharedName } from './common.ts';
import { choicesOrRecorded, DATASET_ARGS, openDatasetOf } from './dataset-options.ts';
import {
  EXPERIMENT_ARGS,
  type ExperimentOption,
  gatherExperiment,
  parseShard,
  saysWhat,
  sharedOnly,
} from './experiment-options.ts';
import type { Output } from './output.ts';
import type { Progress } from './progress.ts';
import { readSettingFiles } from './settings.ts';
import { EXECUTOR_ARGS, gatherExecutor, runOnSlurm } from './slurm.ts';

/** What stands at the head of the scripts for Slurm. */
const ABOUT_TASKS = [
  'One task of the job array is one unit of the experiment; a unit that is',
  'finished ends at once, and one that was interrupted resumes from its last checkpoint.',
].join('\n');

/** Longest that a plan may take: every scan is read once. */
const PLANNING_MS = 60 * 60_000;

export const experiment: Command = command({
  name: 'experiment',
  description: "The paper's whole pipeline: tissue maps, stage-1 nets, correction, variants, folds",
  args: {
    ...GPU_ARGS,
    dataset: { type: 'positional', description: 'Data set (BIDS or ISBI 2015, detected automatically)' },
    out: {
      type: 'positional',
      description: `Folder of the experiment: ${EXPERIMENT_FILES.plan}, ${EXPERIMENT_FILES.units}/ID/${EXPERIMENT_FILES.result}`,
    },
    ...EXPERIMENT_ARGS,
    ...DATASET_ARGS,
    plan: { type: 'boolean', description: 'Print the units and what each needs, and do nothing' },
    shard: { type: 'string', valueHint: 'K/N', description: 'Do one of N shares of the units' },
    units: {
      type: 'string',
      valueHint: 'ID,ID',
      description: 'Do these units, of which all needs must be finished',
    },
    ...EXECUTOR_ARGS,
  },
  examples: [
    { line: 'experiment ./isbi ./out', does: "the paper's three presets, one fold a patient, nested" },
    { line: 'experiment ./isbi ./printed --protocol paper', does: 'the same as printed: loss, leak and all' },
    { line: 'experiment ./isbi ./out', does: 'once more: resumes where it was interrupted' },
    {
      line: 'experiment ./bids ./out --presets single,cross-stitch --losses dice+ce,paper-intent --seeds 1,2,3',
      does: 'a factorial of two presets and two losses, three times',
    },
    { line: 'experiment ./isbi ./out --seeds 1,2,3', does: 'two seeds more; what is finished stays' },
    { line: 'experiment ./isbi ./out --plan --epochs 10', does: 'what would be done' },
    { line: 'experiment ./isbi ./out --shard 2/4', does: 'the second of four processes' },
    {
      line: 'experiment ./isbi ./out --executor slurm --slurm-options "partition=gpu gres=gpu:1"',
      does: 'on a cluster, as job arrays that wait for what they need',
    },
  ],
  async run(options, output) {
    if (options.text('seed') !== undefined)
      throw new UsageError('an experiment has no --seed', { hint: 'Give one or more with --seeds.' });
    const shard = options.text('shard');
    const share = {
      shard: shard === undefined ? undefined : parseShard(shard),
      names: options.list('units'),
    };
    if (share.shard && share.names)
      throw new UsageError('--shard and --units exclude each other', { hint: 'Give one of them.' });
    const slurm = gatherExecutor(options);
    if (slurm && (share.shard || share.names))
      throw new UsageError('--executor slurm takes all units', { hint: 'Leave --shard and --units out.' });
    const out = new NodeFolder(options.required('out'));
    const choices = choicesOrRecorded(options, (await readRecord(out))?.dataset.choices);
    const found = await openDatasetOf(options.required('dataset'), choices, output);
    if (options.flag('plan')) {
      const { record } = await decide(options, found, out);
      for (const note of record.notes) output.note(`note: ${note}`);
      output.result(record, planText(unitsOf(record.units, share)));
      return;
    }
    const { record, dataset } = await settle(options, found, out, output);
    for (const note of record.notes) output.note(`note: ${note}`);
    const units = unitsOf(record.units, share);
    const done = slurm
      ? await runOnSlurm(
          {
            units,
            finishedOf: async (ids) => {
              const finished = new Set<string>();
              for (const id of ids) if (await readUnitResult(out, id)) finished.add(id);
              return finished;
            },
            about: ABOUT_TASKS,
            command: ['experiment', options.required('dataset'), out.root, '--units'],
          },
          out,
          slurm,
          output,
        )
      : await work(
          record,
          dataset,
          options.required('dataset'),
          units,
          out,
          output,
          share.names === undefined,
        );
    const summary = await summarise(record, out);
    const { finished, total } = summary;
    output.result(
      { out: out.name, ...done, ...summary },
      `${summaryText(summary)}\n${out.name}: ${finished} of ${total} units are finished`,
    );
  },
});

interface Decision {
  readonly record: ExperimentRecord;
  readonly dataset: Dataset;
  /** What stands in the folder: undefined where nothing does, `record` itself where nothing is added to it. */
  readonly recorded: ExperimentRecord | undefined;
}

/**
 * What the experiment is: what the folder says; where the command line says something too, it must be the same, or more
 * variants, losses or seeds.
 * @throws CheckpointError, DatasetError, UsageError.
 */
async function decide(
  options: Options<ExperimentOption | SharedName | 'dataset'>,
  found: Dataset,
  out: NodeFolder,
): Promise<Decision> {
  const path = `${out.name}/${EXPERIMENT_FILES.plan}`;
  const recorded = await readRecord(out);
  if (recorded && !saysWhat(options)) {
    requireSubjects(recorded, found, path);
    const { tissue } = recorded.settings;
    const dataset = await attachTissues(found, typeof tissue === 'string' ? tissue : null);
    return { record: recorded, dataset, recorded };
  }
  const wanted = gatherExperiment(
    options,
    recorded && { name: path, options: recordedOptions(recorded) },
    await readSettingFiles(sharedOnly(options)),
  );
  const dataset = await attachTissues(found, wanted.tissue);
  const about = { version: packageVersion(), path: options.required('dataset') };
  const record = recorded
    ? extendExperiment(recorded, dataset, wanted, about, path)
    : planExperiment(dataset, wanted, about);
  return { record, dataset, recorded };
}

/** Decides, and writes down what is new, after a look at every scan; for one process at a time. */
async function settle(
  options: Options<ExperimentOption | SharedName | 'dataset'>,
  found: Dataset,
  out: NodeFolder,
  output: Output,
): Promise<Decision> {
  // Bad options are told before anything is written.
  const first = await decide(options, found, out);
  if (first.record === first.recorded) return first;
  const lock = await waitForLock(out, output);
  try {
    const { record, dataset, recorded } = await decide(options, found, out);
    if (record === recorded) return { record, dataset, recorded };
    await removeUnfinished(out, '');
    const bar = output.progress({ label: 'checking', total: record.dataset.subjects.length, unit: 'scan' });
    const seen = await inspectScans(dataset, record, (done, total, name) =>
      bar.update((done / total) * record.dataset.subjects.length, name),
    );
    const added = recorded
      ? [extensionNote(recorded, record, (await summarise(recorded, out)).finished)]
      : [];
    const notes = [...new Set([...record.notes, ...seen, ...added])];
    const whole = { ...record, notes };
    await out.write(EXPERIMENT_FILES.plan, formatRecord(whole));
    return { record: whole, dataset, recorded };
  } finally {
    await lock.release();
  }
}

/** @throws StorageError if another process has the folder for longer than any plan takes. */
async function waitForLock(out: NodeFolder, output: Output): Promise<FolderLock> {
  const started = performance.now();
  for (let tries = 0; ; tries++) {
    const lock = await tryLockFolder(out);
    if ('release' in lock) return lock;
    const holder = describeHolder(lock);
    if (performance.now() - started > PLANNING_MS)
      throw new StorageError(`${out.name}: ${holder} has been planning for ${PLANNING_MS / 60_000} minutes`, {
        hint: 'Find out whether it still works, and stop it if it does not.',
      });
    if (tries === 0) output.note(`waiting for ${holder}, which plans the experiment`);
    await sleep(500);
  }
}

/** @throws StorageError where the folder holds something else; FileFormatError. */
async function readRecord(out: NodeFolder): Promise<ExperimentRecord | undefined> {
  if (!(await out.exists())) return undefined;
  const names = (await out.list('')).map((entry) => entry.name).filter((file) => !file.startsWith('.'));
  if (names.includes(EXPERIMENT_FILES.plan)) {
    return parseExperiment(await out.read(EXPERIMENT_FILES.plan), `${out.name}/${EXPERIMENT_FILES.plan}`);
  }
  if (names.length === 0) return undefined;
  throw new StorageError(`${out.name}: holds files of something else (${names.slice(0, 3).join(', ')})`, {
    hint: 'Choose a new folder.',
  });
}

function planText(units: readonly ExperimentUnit[]): string {
  const lines = units.map(({ id, needs }) => (needs.length === 0 ? id : `${id}  needs ${needs.join(', ')}`));
  return [...lines, `${units.length} units`].join('\n');
}

/** Does units with progress; SIGINT and SIGTERM end it where it can go on. */
async function work(
  record: ExperimentRecord,
  dataset: Dataset,
  path: string,
  units: readonly ExperimentUnit[],
  out: NodeFolder,
  output: Output,
  waits: boolean,
): Promise<UnitsDone> {
  const hint = `Resume with: ${sameCommand()}`;
  const stop = watchStopSignals(
    (name) => output.note(`${name}: finishing the step and saving; once more ends at once`),
    (name) =>
      output.note(`error: ${name}: the step did not end in time; what was saved stays\nhint: ${hint}`),
  );
  const display = new Display(output);
  const device = new Device((text) => display.note(text));
  const cache = new NodeFolder(cacheFolder());
  // As deep as every unit's folders of maps and predictions.
  const unitPlace = new NodeFolder(`${out.root}/${EXPERIMENT_FILES.units}/unit/${EXPERIMENT_FILES.maps}`);
  try {
    return await runUnits(
      units,
      {
        record,
        dataset,
        out,
        shelf: new ScanShelf(),
        version: packageVersion(),
        raw: unitPlace.pathTo(new NodeFolder(path)),
        signal: stop.signal,
        gpu: () => device.get(),
        reopen: (lost) => device.reopen(lost),
        kernels: async ({ settings, scans }) =>
          tunedKernels((await device.get()).capabilities, stepRequest(settings, designSpacing(scans)), cache),
        async lock(unit) {
          const folder = new NodeFolder(`${out.root}/${EXPERIMENT_FILES.units}/${unit}`);
          // Nobody waits for what is asked for by name, but whether its holder lives is worth some minutes.
          if (!waits)
            return await lockFolder(folder, (text) => display.note(`waiting: ${text}`), stop.signal);
          const lock = await tryLockFolder(folder);
          return 'release' in lock ? lock : `${describeHolder(lock)} works on it`;
        },
        onUnit: (done, total, unit) => display.unit(done, total, unit?.id),
        onProgress: (part, detail) => display.part(part, detail),
        onWait: (text) => display.note(`waiting: ${text}`),
        warn: (text) => display.note(`note: ${text}`),
      },
      waits,
    );
  } catch (error) {
    if (!(error instanceof StoppedError)) throw error;
    throw new StoppedError(`${error.message}; what is finished or saved stays`, error.exitCode, { hint });
  } finally {
    stop.release();
    await device.close();
  }
}

/** One device for all units. */
class Device {
  #gpu: Promise<Gpu> | undefined;
  readonly #note: (text: string) => void;
  constructor(note: (text: string) => void) {
    this.#note = note;
  }
  get(): Promise<Gpu> {
    this.#gpu ??= openNodeGpu({ quiet: true });
    return this.#gpu;
  }
  reopen(lost: DeviceLostError): Promise<Gpu> {
    this.#note(`note: ${lost.message}; a new device resumes from the last checkpoint`);
    this.#gpu = openNodeGpu({ quiet: true });
    return this.#gpu;
  }
  async close(): Promise<void> {
    await (await this.#gpu?.catch(() => undefined))?.close();
  }
}

/** The bar of the units that were left to do; a line between ends it, and the next news starts it again. */
class Display {
  readonly #output: Output;
  #bar: Progress | undefined;
  #done = 0;
  #total = 0;
  #unit = '';
  constructor(output: Output) {
    this.#output = output;
  }
  /** @param name of the unit that begins; left out after the last */
  unit(done: number, total: number, name?: string): void {
    if (total === 0) return;
    this.#done = done;
    this.#total = total;
    this.#unit = name ?? 'all units';
    this.part(0, name === undefined ? 'done' : 'starting');
  }
  part(part: number, detail: string): void {
    this.#bar ??= this.#output.progress({ label: 'experiment', total: this.#total, unit: 'unit' });
    this.#bar.update(this.#done + part, `${this.#unit}: ${detail}`);
  }
  note(text: string): void {
    this.#output.note(text);
    this.#bar = undefined;
  }
}
