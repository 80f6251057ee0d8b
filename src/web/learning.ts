import { z } from 'zod/mini';
import { CheckpointError, UsageError } from '../core/errors.ts';
import type { FileStore } from '../core/files.ts';
import { canonicalJson, toJson } from '../core/json.ts';
import { toTriple } from '../core/shape.ts';
import { Subfolder } from '../core/subfolder.ts';
import type { FileRole } from '../imaging/dataset/file-role.ts';
import { preprocess } from '../imaging/dataset/preprocess.ts';
import { resampleScan } from '../imaging/dataset/resample-scan.ts';
import { evaluateScan } from '../imaging/evaluate/metrics.ts';
import { decodeModel, encodeModel, type Model } from '../pipeline/models/model.ts';
import { decidedLabels, maskOf } from '../pipeline/predict/head-result.ts';
import { segment } from '../pipeline/predict/segment.ts';
import { spacingChange } from '../pipeline/predict/voxel-size.ts';
import { targetRequest } from '../pipeline/task/task.ts';
import { Checkpoints } from '../pipeline/train/checkpoints.ts';
import type { TrainingData } from '../pipeline/train/prepare.ts';
import { trainInFolder } from '../pipeline/train/run-folder.ts';
import { hasFile, RUN_FILES } from '../pipeline/train/run-record.ts';
import { parseLog } from '../pipeline/train/step-log.ts';
import type { Devices } from './devices.ts';
import { fineTuneSettings } from './fine-tune.ts';
import { type LearningScan, LearningScans, type ScanFileToKeep } from './learning-scans.ts';
import type { NamedModel } from './loaded-models.ts';
import type { LearningProgress, LearningReport, LearningUse } from './protocol.ts';

/** What a run tells, and how it is stopped. */
export interface LearningContext {
  readonly signal: AbortSignal;
  progress(value: LearningProgress): void;
}

/** Steps that a closed tab or a lost device costs at most. */
const CHECKPOINT_STEPS = 20;
/** Voxels kept around the brain, as in training from scratch. */
const MARGIN = 8;
/** Overlap of the window that judges the scans kept aside. */
const OVERLAP = 0.25;

const SCANS = 'scans';
const RUN = 'run';
const PLAN_FILE = 'plan.json';
const START_FILE = 'start.safetensors';

const dice = z.nullable(z.number());
/** `plan.json`: what a run is to do, and Dice on the scans kept aside as far as it is known. */
const PLAN = z.object({
  /** Of the network that comes of it. */
  model: z.string(),
  steps: z.int().check(z.minimum(1)),
  /** Identities of the scans that are learned from. */
  scans: z.array(z.string()),
  dice: z.record(z.string(), z.object({ before: dice, after: dice })),
  /** The step at which it was ended early. */
  ended: z.nullable(z.int()),
});
type Plan = z.infer<typeof PLAN>;

/**
 * Fine-tuning on scans that were corrected: the scans in `scans`, the one run in `run`, which is a run as the command
 * line writes it, with the network that it began from and its plan. All of it goes on where the tab was closed.
 */
export class Learning {
  readonly scans: LearningScans;
  readonly #run: Subfolder;
  readonly #devices: Devices;
  readonly #version: string;
  readonly #kept: boolean;

  /**
   * @param kept whether the files outlive the tab
   * @param version of voxelgrad, for the record
   */
  constructor(files: FileStore, kept: boolean, devices: Devices, version: string) {
    this.scans = new LearningScans(new Subfolder(files, SCANS));
    this.#run = new Subfolder(files, RUN);
    this.#devices = devices;
    this.#version = version;
    this.#kept = kept;
  }

  async report(): Promise<LearningReport> {
    const plan = await this.#plan();
    const scans = (await this.scans.list()).map((scan) => ({
      ...scan,
      diceBefore: plan?.dice[scan.id]?.before ?? null,
      diceAfter: plan?.dice[scan.id]?.after ?? null,
    }));
    return { scans, run: plan ? await this.#runReport(plan) : null, kept: this.#kept };
  }

  /** Keeps a scan. @throws UsageError while a run is unfinished; what {@link LearningScans.add} throws. */
  async keepScan(
    name: string,
    use: LearningUse,
    files: ReadonlyMap<FileRole, ScanFileToKeep>,
  ): Promise<void> {
    await this.#requireNoRun();
    await this.scans.add(name, use, files);
  }

  async setUse(id: string, use: LearningUse): Promise<void> {
    await this.#requireNoRun();
    await this.scans.setUse(id, use);
  }

  async forgetScan(id: string): Promise<void> {
    await this.#requireNoRun();
    await this.scans.remove(id);
  }

  /**
   * Starts a run, and does all of it.
   * @throws UsageError where there is nothing to learn from, or a run is unfinished; CheckpointError for a network of
   *   another make; DatasetError for a scan without what the network reads; the signal's reason.
   */
  async start({ name, model }: NamedModel, steps: number, context: LearningContext): Promise<NamedModel> {
    await this.#requireNoRun();
    const scans = (await this.scans.list()).filter(({ use }) => use === 'learn');
    if (scans.length === 0)
      throw new UsageError('there is no scan to learn from', {
        hint: 'Correct a result or give a true mask, and add the scan here.',
      });
    const plan: Plan = {
      model: `${name.replace(/, fine-tuned$/, '')}, fine-tuned`,
      steps,
      scans: scans.map(({ id }) => id),
      dice: {},
      ended: null,
    };
    // Before anything is written: what does not fit is said now.
    const data = await this.#data(model, plan);
    await this.#run.clear();
    await this.#run.write(START_FILE, encodeModel(model));
    await this.#write(plan);
    return await this.#goOn(plan, model, data, context);
  }

  /** Goes on with the unfinished run. @throws UsageError where there is none; as {@link start}. */
  async resume(context: LearningContext): Promise<NamedModel> {
    const [plan, model] = await this.#unfinished();
    return await this.#goOn(plan, model, await this.#data(model, plan), context);
  }

  /** Ends the unfinished run with what it has learned so far. @throws UsageError where that is nothing. */
  async finish(context: LearningContext): Promise<NamedModel> {
    const [plan, start] = await this.#unfinished();
    const state = await new Checkpoints(this.#run, RUN_FILES.checkpoints).latest();
    if (!state)
      throw new UsageError('the run has learned nothing yet', { hint: 'Resume it, or discard it.' });
    const { info, weights } = state.model;
    // Thresholds are chosen at a run's end; until then those of the old network hold.
    const model = { weights, info: { ...info, decisions: start.info.decisions } };
    const judged = await this.#judge(plan, model, 'after', context);
    await this.#run.write(RUN_FILES.model, encodeModel(model));
    await this.#write({ ...judged, ended: state.step });
    return { name: plan.model, model };
  }

  async discard(): Promise<void> {
    await this.#run.clear();
  }

  async #goOn(plan: Plan, start: Model, data: TrainingData, context: LearningContext): Promise<NamedModel> {
    const { signal, progress } = context;
    const judged = await this.#judge(plan, start, 'before', context);
    const { result } = await trainInFolder(await this.#devices.get(), data, this.#run, {
      initial: start.weights,
      resume: await hasFile(this.#run, RUN_FILES.config),
      version: this.#version,
      checkpointSteps: CHECKPOINT_STEPS,
      signal,
      reopen: () => this.#devices.replace(),
      warn: (text) => progress({ phase: 'note', text }),
      onStep: ({ step, loss }) => progress({ phase: 'step', step, loss }),
      onThreshold: (done, total) => progress({ phase: 'threshold', done, total }),
    });
    await this.#judge(judged, result.model, 'after', context);
    return { name: plan.model, model: result.model };
  }

  /** Dice of a network on every scan kept aside that has none yet; the plan with it, as it is then kept. */
  async #judge(
    plan: Plan,
    model: Model,
    phase: 'before' | 'after',
    { signal, progress }: LearningContext,
  ): Promise<Plan> {
    const aside = (await this.scans.list()).filter(({ use }) => use === 'aside');
    let judged = plan;
    for (const [i, scan] of aside.entries()) {
      const known = judged.dice[scan.id] ?? { before: null, after: null };
      if (known[phase] !== null) continue;
      const { task } = model.info;
      const [first] = decidedLabels(task);
      if (!first) continue;
      const maps = task.maps ?? undefined;
      const loaded = await this.scans.load(scan, { modalities: task.channels, maps });
      const { heads } = await this.#devices.use((gpu) =>
        segment(gpu, model, loaded, {
          overlap: OVERLAP,
          signal,
          onTile: (done, total) => progress({ phase, done: i + done / total, total: aside.length }),
        }),
      );
      const truth = Uint8Array.from(loaded.lesions!, (share) => (share >= 0.5 ? 1 : 0));
      const mask = maskOf(heads.get(first.head.name)!, first.label);
      const value = evaluateScan(mask, truth, loaded.grid).dice;
      judged = { ...judged, dice: { ...judged.dice, [scan.id]: { ...known, [phase]: value } } };
      await this.#write(judged);
    }
    return judged;
  }

  /** Loads the scans of a plan. @throws DatasetError, CheckpointError, UsageError. */
  async #data(model: Model, plan: Plan): Promise<TrainingData> {
    const { task, patch } = model.info;
    const [nz, ny, nx] = toTriple(patch);
    const all = await this.scans.list();
    const scans = plan.scans.map((id): LearningScan => {
      const scan = all.find((each) => each.id === id);
      if (scan) return scan;
      throw new UsageError('a scan that the run learns from is no longer kept', {
        hint: 'Discard the run, and start another one.',
      });
    });
    const settings = fineTuneSettings(
      model,
      plan.steps,
      scans.map(({ name }) => name),
    );
    const prepared: TrainingData['scans'][number][] = [];
    for (const scan of scans) {
      const loaded = await this.scans.load(scan, {
        modalities: task.channels,
        targets: task.heads.map(targetRequest),
        maps: task.maps ?? undefined,
      });
      // At the size that the network knows, so that it need not learn lesions anew.
      const change = spacingChange(model.info, loaded.grid);
      const seen = change ? resampleScan(loaded, change.to).scan : loaded;
      prepared.push(preprocess(seen, { crop: { margin: MARGIN, minimum: [nx, ny, nz] } }));
    }
    return { settings, scans: prepared };
  }

  async #runReport(plan: Plan): Promise<LearningReport['run']> {
    const finished = plan.ended !== null || (await hasFile(this.#run, RUN_FILES.manifest));
    let losses: number[] = [];
    if (await hasFile(this.#run, RUN_FILES.log)) {
      const { steps } = parseLog(await this.#run.read(RUN_FILES.log), RUN_FILES.log);
      losses = steps.map(({ loss }) => loss);
    }
    // Steps after the last checkpoint are done again.
    const kept = (await new Checkpoints(this.#run, RUN_FILES.checkpoints).steps()).at(-1) ?? 0;
    return { model: plan.model, finished, steps: plan.steps, losses: losses.slice(0, plan.ended ?? kept) };
  }

  async #plan(): Promise<Plan | undefined> {
    if (!(await hasFile(this.#run, PLAN_FILE))) return undefined;
    const text = new TextDecoder().decode(await this.#run.read(PLAN_FILE));
    try {
      return PLAN.parse(JSON.parse(text));
    } catch (cause) {
      throw new CheckpointError('what is kept of fine-tuning is damaged', { hint: 'Discard it.', cause });
    }
  }

  async #write(plan: Plan): Promise<void> {
    await this.#run.write(PLAN_FILE, new TextEncoder().encode(canonicalJson(toJson(plan))));
  }

  async #unfinished(): Promise<[Plan, Model]> {
    const plan = await this.#plan();
    if (!plan || (await this.#runReport(plan))?.finished)
      throw new UsageError('there is no unfinished fine-tuning', { hint: 'Start a new one.' });
    return [plan, decodeModel(await this.#run.read(START_FILE), START_FILE)];
  }

  /** An unfinished run holds on to its scans. */
  async #requireNoRun(): Promise<void> {
    const plan = await this.#plan();
    if (!plan || (await this.#runReport(plan))?.finished) return;
    throw new UsageError('a fine-tuning run is paused', { hint: 'Resume, finish or discard it first.' });
  }
}
