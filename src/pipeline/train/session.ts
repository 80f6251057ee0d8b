import { CheckpointError, DatasetError, NonFiniteError } from '../../core/errors.ts';
import { toJson } from '../../core/json.ts';
import { Random } from '../../core/random.ts';
import { Resources } from '../../core/resources.ts';
import { sizeOf, type Triple } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import type { KeptWeights, TrainingProgress } from '../../engine/checkpoint/training-state.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Network } from '../../engine/nn/network.ts';
import { type HeadLoss, type NextStep, recordTrainingStep } from '../../engine/nn/training-step.ts';
import type { Adam } from '../../engine/optim/adam.ts';
import { firstLossScale, type LossScale, nextLossScale } from '../../engine/optim/loss-scale.ts';
import {
  firstTaskWeights,
  nextTaskWeights,
  type TaskWeights,
  taskFactors,
} from '../../engine/optim/task-weights.ts';
import { firstNonFinite } from '../../engine/tape/diagnose.ts';
import { compilePlan, type Plan } from '../../engine/tape/plan.ts';
import type { TensorStore } from '../../engine/tape/store.ts';
import { Tape } from '../../engine/tape/tape.ts';
import { describeTensor } from '../../engine/tape/tensor.ts';
import { scanName } from '../../imaging/dataset/dataset.ts';
import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import { describeTarget } from '../../imaging/dataset/targets.ts';
import { bindAugmentations } from '../augment/index.ts';
import { modalityDropout } from '../augment/modality-dropout.ts';
import type { HeadDecision, ModelInfo, TrainedSpacing, TrainingState } from '../models/model.ts';
import { channelsOf, networkInput } from '../predict/predictor.ts';
import { commonSpacing, groupBySpacing } from '../predict/voxel-size.ts';
import { DEFAULT_SAMPLER } from '../sampler/draw-patch.ts';
import { PatchSampler, type SamplerScan } from '../sampler/sampler.ts';
import { centreOf, type Task, targetRequest } from '../task/task.ts';
import { networkOf, taskOf } from './network.ts';
import { dataFingerprint, requireSameData, requireSameSettings } from './same-run.ts';
import { DURATIONS, type ResolvedTrainSettings, settingsHash } from './settings.ts';
import { stepRequest } from './step-request.ts';
import { startingDecisions } from './values.ts';

/** One finished step. */
export interface StepResult {
  /** Steps done, this one included. */
  readonly step: number;
  /** What is minimised: the weighted sum of the heads' losses, with what learned weights add to it. */
  readonly loss: number;
  /** Loss by head. */
  readonly losses: ReadonlyMap<string, number>;
  /** The weight that each head's loss had, if weights are learned. */
  readonly taskWeights?: Readonly<Record<string, number>> | undefined;
  /** Global L2 norm of the gradient before clipping. */
  readonly gradNorm: number;
  /** What the loss was multiplied by for its gradients, where they are stored in 16 bits. */
  readonly lossScale?: number | undefined;
  /** Whether a gradient was beyond 16 bits: then the parameters stayed as they were, and the scale is halved. */
  readonly skipped?: true | undefined;
}

/**
 * A network in training on one GPU: scans uploaded, one step (sample, forward, loss, backward, Adam) recorded and
 * compiled. `step` replays it; between host and GPU move only the step's random numbers and the loss.
 */
export class TrainingSession {
  readonly settings: ResolvedTrainSettings;
  readonly net: Network;
  readonly adam: Adam;
  readonly sampler: PatchSampler;
  readonly plan: Plan;
  /** The kernel variant that each slot got. */
  readonly choices: ReadonlyMap<string, string>;
  /** SHA-256 of what is trained on, by scan. */
  readonly data: Readonly<Record<string, string>>;
  /** Is saved and restored with the rest. */
  kept: KeptWeights | undefined;
  readonly #gpu: Gpu;
  readonly #setStep: (next: NextStep) => void;
  readonly #scans: readonly string[];
  readonly #spacing: readonly TrainedSpacing[];
  /** About each head, before thresholds are chosen. */
  readonly #decisions: Readonly<Record<string, HeadDecision>>;
  readonly #losses: readonly HeadLoss[];
  /** Where backward starts, by head: a head's weight times the scale of the loss. */
  readonly #seeds: TensorStore;
  readonly #owned: Resources;
  #step = 0;
  #lossScale: LossScale | undefined;
  /** Learned weights of the heads' losses, which come first among the losses. */
  #taskWeights: TaskWeights | undefined;
  #progress: TrainingProgress | undefined;

  private constructor(
    gpu: Gpu,
    settings: ResolvedTrainSettings,
    parts: {
      net: Network;
      adam: Adam;
      setStep: (next: NextStep) => void;
      sampler: PatchSampler;
      plan: Plan;
      choices: ReadonlyMap<string, string>;
      data: Readonly<Record<string, string>>;
      spacing: readonly TrainedSpacing[];
      seeds: TensorStore;
      decisions: Readonly<Record<string, HeadDecision>>;
    },
    losses: readonly HeadLoss[],
    owned: Resources,
  ) {
    this.#gpu = gpu;
    this.data = parts.data;
    this.#scans = Object.keys(parts.data);
    this.#spacing = parts.spacing;
    this.#decisions = parts.decisions;
    this.settings = settings;
    this.net = parts.net;
    this.adam = parts.adam;
    this.#setStep = parts.setStep;
    this.sampler = parts.sampler;
    this.plan = parts.plan;
    this.choices = parts.choices;
    this.#losses = losses;
    this.#seeds = parts.seeds;
    this.#owned = owned;
    const heads = taskOf(settings).heads.length;
    // With one loss there is nothing to weigh.
    if (settings.taskWeighting === 'uncertainty' && heads > 1) this.#taskWeights = firstTaskWeights(heads);
    this.#setLossScale(settings.precision === 'f16' ? firstLossScale() : undefined);
  }

  #setLossScale(lossScale: LossScale | undefined): void {
    this.#lossScale = lossScale;
    this.#writeSeeds();
  }

  #writeSeeds(): void {
    const scale = this.#lossScale?.scale ?? 1;
    for (const [i, { head }] of this.#losses.entries())
      this.#seeds.write(head, Float32Array.of(this.#weights[i]! * scale));
  }

  /** What each loss counts for in the next step: the settings' weight, times what is learned. */
  get #weights(): readonly number[] {
    const factors = this.#taskWeights ? taskFactors(this.#taskWeights) : [];
    return this.#losses.map(({ weight }, i) => weight * (factors[i] ?? 1));
  }

  /**
   * Uploads the scans, initialises the network and compiles a step.
   * @param scans with what the task learns, and with the maps that it reads
   * @param wanted kernel variants by slot, from an earlier run
   * @throws UsageError, DatasetError, ShapeError for settings that do not fit; OutOfMemoryError, GpuError.
   */
  static async create(
    gpu: Gpu,
    scans: readonly PreparedScan[],
    settings: ResolvedTrainSettings,
    wanted?: (slot: string) => string | undefined,
  ): Promise<TrainingSession> {
    return await Resources.build((owned) => TrainingSession.#build(gpu, scans, settings, wanted, owned));
  }

  static async #build(
    gpu: Gpu,
    scans: readonly PreparedScan[],
    settings: ResolvedTrainSettings,
    wanted: ((slot: string) => string | undefined) | undefined,
    owned: Resources,
  ): Promise<TrainingSession> {
    const { modalities } = settings;
    const task = taskOf(settings);
    const random = new Random(settings.seed);
    const tape = new Tape(gpu.capabilities, wanted, { recompute: settings.recompute });
    const step = owned.add(
      await recordTrainingStep(
        gpu,
        stepRequest(settings, designSpacing(scans)),
        tape,
        random.fork('weights'),
      ),
    );
    const { net, batch, seeds, losses, adam, choices, setStep } = step;
    const keep = losses.map((loss) => loss.output);
    const plan = owned.add(await compilePlan(gpu, step.commands, { label: 'train', keep }));
    const decisions = startingDecisions(task, scans);
    const samplerScans = scans.map((scan) => samplerScan(scan, task, decisions));
    const sampler = owned.add(
      await PatchSampler.create(gpu, samplerScans, {
        ...DEFAULT_SAMPLER,
        foregroundShare: settings.foregroundShare,
        augmentations: bindAugmentations(settings.augment, { ...settings }),
        outputs: batch,
        images: modalities.length,
        random: random.fork('patches'),
      }),
    );
    const data = await dataFingerprint(scans);
    const parts = {
      net,
      adam,
      setStep,
      sampler,
      plan,
      choices,
      data,
      spacing: spacingOf(scans),
      seeds,
      decisions,
    };
    return new TrainingSession(gpu, settings, parts, losses, owned);
  }

  /** About each head, before thresholds are chosen. */
  get decisions(): Readonly<Record<string, HeadDecision>> {
    return this.#decisions;
  }

  /** Steps done. */
  get steps(): number {
    return this.#step;
  }

  /** How far the run has come; undefined before the first step. */
  get progress(): TrainingProgress | undefined {
    return this.#progress;
  }

  /**
   * Everything that another session, in another process or on another device, needs to go on bit for bit; as bytes
   * by `encodeTrainingState`. To be called between steps.
   * @throws CheckpointError before the first step; GpuError, DeviceLostError.
   */
  async save(): Promise<TrainingState> {
    if (!this.#progress)
      throw new CheckpointError('there is nothing to save before the first step of a training run', {
        hint: 'Start again with the same settings and seed: the first state follows from them.',
      });
    const { modalities, patch, augment } = this.settings;
    // Images after the first may be missing if the network learned to do without them.
    const optional = augment.includes(modalityDropout.name) ? modalities.slice(1) : undefined;
    const info: ModelInfo = {
      task: { ...taskOf(this.settings), channels: modalities },
      network: networkOf(this.settings, commonSpacing(this.#spacing)),
      decisions: this.#decisions,
      patch,
      spacing: this.#spacing,
      optional,
      settings: toJson(this.settings),
    };
    return {
      model: { info, weights: await this.net.save() },
      step: this.#step,
      progress: this.#progress,
      adamM: await this.adam.m.readAll(),
      adamV: await this.adam.v.readAll(),
      random: new Map([['patches', this.sampler.state]]),
      configHash: await settingsHash(this.settings),
      data: this.data,
      kernels: Object.fromEntries(this.choices),
      adapter: this.#gpu.capabilities.description,
      lossScale: this.#lossScale,
      taskWeights: this.#taskWeights,
      kept: this.kept,
    };
  }

  /**
   * Goes on from a saved state: the steps that follow are those of the session that saved it, bit for bit where the
   * adapter and the kernel variants are the same.
   * @param name how messages call the state
   * @throws CheckpointError for a state of other settings (how long the run is to be left aside) or data, naming what
   *   differs; nothing is changed then.
   */
  restore(state: TrainingState, name = 'the saved state'): void {
    // A run may be made longer than it was to be.
    requireSameSettings(state.model.info.settings, this.settings, name, DURATIONS);
    requireSameData(state.data, this.data, name);
    const patches = state.random.get('patches');
    if (patches?.length !== 4)
      throw new CheckpointError(`${name}: the state of the random numbers is missing`, {
        hint: 'The file was made by another program: take an older checkpoint.',
      });
    if (this.#lossScale && !state.lossScale)
      throw new CheckpointError(`${name}: the scale of the loss is missing`, {
        hint: 'The file was made by another program: take an older checkpoint.',
      });
    if (state.taskWeights?.logVariances.length !== this.#taskWeights?.logVariances.length)
      throw new CheckpointError(`${name}: the learned weights of the losses are missing or too many`, {
        hint: 'The file was made by another program: take an older checkpoint.',
      });
    this.net.load(state.model.weights);
    for (const [store, moments] of [
      [this.adam.m, state.adamM],
      [this.adam.v, state.adamV],
    ] as const)
      for (const [parameter, data] of moments) store.write(parameter, data);
    this.sampler.restore(patches);
    this.#taskWeights = state.taskWeights;
    this.#setLossScale(state.lossScale);
    this.#step = state.step;
    this.#progress = state.progress;
    this.kept = state.kept;
  }

  /**
   * One training step. Where gradients are stored in 16 bits, one in which they overflow is passed over, and the next
   * has half the scale.
   * @throws NonFiniteError where loss or gradient is NaN or infinite (with 16 bits: the gradient at scale 1), naming the
   *   tensor and the op where that began; the parameters are then as before the step, the running statistics are not:
   *   restore a saved state to go on; GpuError, DeviceLostError.
   */
  async step(learningRate: number): Promise<StepResult> {
    const start = performance.now();
    const before = this.#lossScale;
    // Steps that were passed over moved no moments.
    const updates = this.#step - (before?.skippedSteps ?? 0);
    this.#setStep({ step: this.#step, updates, learningRate, lossScale: before?.scale });
    this.plan.run(this.sampler.next());
    this.plan.prepare();
    const status = await this.adam.readStatus();
    const losses = new Map<string, number>();
    const weights = this.#weights;
    let total = 0;
    for (const [i, { head, output }] of this.#losses.entries()) {
      const value = i === 0 ? status.loss : (await this.plan.read(output))[0]!;
      losses.set(head, value);
      total += weights[i]! * value;
    }
    const learned = this.#taskWeights;
    for (const [i, s] of learned?.logVariances.entries() ?? []) total += (this.#losses[i]!.weight * s) / 2;
    this.#step++;
    // A smaller scale helps gradients that overflow; it would not help a loss.
    const overflow = !status.finite && Number.isFinite(total) && before !== undefined && before.scale > 1;
    if (!Number.isFinite(total) || (!status.finite && !overflow))
      throw await this.#describeNonFinite(losses, status.gradNorm);
    if (learned && status.finite) {
      const own = this.#losses.map(({ weight }) => weight);
      this.#taskWeights = nextTaskWeights(learned, [...losses.values()], own, learningRate);
      this.#writeSeeds();
    }
    if (before) {
      const next = nextLossScale(before, status.finite);
      if (next.scale === before.scale) this.#lossScale = next;
      else this.#setLossScale(next);
    }
    const { seconds = 0 } = this.#progress ?? {};
    this.#progress = {
      seconds: seconds + (performance.now() - start) / 1000,
      loss: total,
    };
    return {
      step: this.#step,
      loss: total,
      losses,
      taskWeights:
        learned &&
        Object.fromEntries(
          this.#losses.slice(0, learned.logVariances.length).map(({ head }, i) => [head, weights[i]!]),
        ),
      gradNorm: status.gradNorm,
      lossScale: before?.scale,
      skipped: overflow || undefined,
    };
  }

  /** Replays the step that failed, dispatch by dispatch, to name where the first bad value came from. */
  async #describeNonFinite(losses: ReadonlyMap<string, number>, gradNorm: number): Promise<NonFiniteError> {
    const values = [...losses].map(([name, value]) => `${value} (${name})`).join(', ');
    const first = await firstNonFinite(this.#gpu, this.plan, { before: 'adam/update' });
    const where = first
      ? `the first value that is not finite is ${first.value} in ${describeTensor(first.tensor)}, ` +
        `${first.by ? `written by ${first.by}` : 'before anything was computed'} (${first.count} of ${sizeOf(first.tensor.shape)} values)`
      : 'no op made it in a replay';
    const scans = [...new Set(this.sampler.draws.map(({ scan }) => this.#scans[scan]!))];
    return new NonFiniteError(
      `step ${this.#step}: the loss is ${values} and the gradient's norm ${gradNorm}; ${where}; patches of ${scans.join(', ')}`,
      {
        hint:
          first && !first.by
            ? 'Check the images of these scans.'
            : worded`Use ${this.#lossScale ? worded`${setting('precision', 'f32')}, ` : ''}a smaller ${setting('lr')} or stronger gradient clipping (${setting('clip', 1)}).`,
      },
    );
  }

  /** Frees everything on the GPU. */
  destroy(): void {
    this.#owned.destroy();
  }
}

/** The voxel sizes of what is trained on. */
export function spacingOf(scans: readonly PreparedScan[]): TrainedSpacing[] {
  return groupBySpacing(scans.map((scan) => ({ name: scanName(scan), spacing: scan.fullGrid.spacing })));
}

/** The voxel size that a network for these scans is designed for, [z, y, x] in mm. */
export function designSpacing(scans: readonly PreparedScan[]): Triple | undefined {
  return commonSpacing(spacingOf(scans));
}

/** A scan's channels, and its numbers, under the names of the tensors that patches go to. */
function samplerScan(
  scan: PreparedScan,
  task: Task,
  decisions: Readonly<Record<string, HeadDecision>>,
): SamplerScan {
  const name = scanName(scan);
  const [sx, sy, sz] = scan.fullGrid.spacing;
  const volumes: Record<string, readonly Float32Array[]> = { input: networkInput(scan, task) };
  const values: Record<string, number> = {};
  for (const head of task.heads) {
    const target = scan.targets?.get(head.name);
    if (!target)
      throw new DatasetError(`${name}: there is no ${describeTarget(targetRequest(head))} to train on`, {
        hint: worded`Leave this scan out, or say with ${setting('maps')} where maps are.`,
      });
    const decision = decisions[head.name]!;
    const scaled = (value: number): number =>
      decision.kind === 'value' ? (value - decision.mean) / decision.deviation : value;
    if (target.value !== undefined) values[head.name] = scaled(target.value);
    else {
      const data = Float32Array.from(target.data);
      volumes[head.name] = channelsOf(decision.kind === 'value' ? data.map(scaled) : data, scan.shape);
    }
  }
  return {
    name,
    shape: scan.shape,
    spacing: [sz, sy, sx],
    brain: scan.brain,
    foreground: foregroundOf(scan, task),
    volumes,
    values,
  };
}

/** The voxels of each label that a share of the patches is centred on. */
function foregroundOf(scan: PreparedScan, task: Task): ArrayLike<number>[] {
  const centre = centreOf(task);
  const target = centre && scan.targets?.get(centre.head.name);
  if (!centre || !target) return [];
  const voxels = sizeOf(scan.shape);
  return centre.labels.map((label) => {
    const k = centre.head.labels.indexOf(label);
    const own = target.data.subarray(k * voxels, (k + 1) * voxels);
    // Of probabilities those that are more than a chance; of masks every voxel, shares of raters included.
    return target.marks ? own : Uint8Array.from(own, (p) => (p >= 0.5 ? 1 : 0));
  });
}
