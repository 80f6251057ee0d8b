import { z } from 'zod/mini';
import { CheckpointError, UsageError } from '../../core/errors.ts';
import { toJson } from '../../core/json.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import type { HeadDecision } from '../models/model.ts';
import { Predictor } from '../predict/predictor.ts';
import type { Task } from '../task/task.ts';
import { chooseDecisions } from './choose-decisions.ts';
import type { TrainRequest, ValidationReport } from './request.ts';
import type { TrainingSession } from './session.ts';
import { taskOf } from './settings.ts';

/** What a run keeps: each validation's score, and the best one. */
const KEPT = z.object({
  scores: z.array(z.number()),
  best: z.object({
    step: z.int(),
    dice: z.record(z.string(), z.number()),
    meanDice: z.nullable(z.number()),
    error: z.nullable(z.number()),
    decisions: z.record(z.string(), z.unknown()),
  }),
});

/** The best validation of a run so far. */
export interface BestValidation {
  readonly step: number;
  readonly dice: Readonly<Record<string, number>>;
  readonly meanDice: number | null;
  readonly error: number | null;
  readonly decisions: Readonly<Record<string, HeadDecision>>;
}

/**
 * Judges a network in training by scans that it is not trained on, and keeps the best: by the mean Dice of the main
 * head's labels, or by the mean absolute error of its values. Thresholds are chosen on the validation scans each time.
 * All that it remembers is part of the session's state, so a run that is resumed keeps the same network.
 */
export class Validation {
  readonly #session: TrainingSession;
  readonly #predictor: Predictor;
  readonly #task: Task;
  readonly #request: TrainRequest;
  readonly #scans: readonly PreparedScan[];

  private constructor(
    session: TrainingSession,
    predictor: Predictor,
    request: TrainRequest,
    scans: readonly PreparedScan[],
  ) {
    this.#session = session;
    this.#predictor = predictor;
    this.#task = taskOf(request.settings);
    this.#request = request;
    this.#scans = scans;
  }

  /**
   * Records the network's forward pass.
   * @returns undefined for a run without validation
   * @throws UsageError if nothing is decided by the main head; OutOfMemoryError, GpuError.
   */
  static async create(
    gpu: Gpu,
    session: TrainingSession,
    request: TrainRequest,
    wanted: (slot: string) => string | undefined,
  ): Promise<Validation | undefined> {
    const { settings, validation = [] } = request;
    if (validation.length === 0) return undefined;
    const task = taskOf(settings);
    if (task.heads[0]!.decision === 'probabilities')
      throw new UsageError(
        `${task.name}: the main head decides nothing, so there is nothing to validate by`,
        {
          hint: worded`Leave ${setting('validate')} out, or give the head another decision.`,
        },
      );
    const predictor = await Predictor.create(gpu, session.net, task, settings.patch, { wanted });
    return new Validation(session, predictor, request, validation);
  }

  /** The kernel variant that each slot of the forward pass got. */
  get choices(): ReadonlyMap<string, string> {
    return this.#predictor.choices;
  }

  /** Whether the network is to be judged after a step. */
  isDue(step: number): boolean {
    return step % this.#request.settings.validateEvery === 0;
  }

  /** The best so far; undefined before the first. @throws CheckpointError for a state of another program. */
  get best(): BestValidation | undefined {
    return this.#kept?.best;
  }

  /** Whether as many validations as are waited for have passed since the best one. */
  get isExhausted(): boolean {
    const { patience, validateEvery } = this.#request.settings;
    const kept = this.#kept;
    if (patience === null || !kept) return false;
    return kept.scores.length - kept.best.step / validateEvery >= patience;
  }

  get #kept(): { readonly scores: readonly number[]; readonly best: BestValidation } | undefined {
    if (!this.#session.kept) return undefined;
    const parsed = KEPT.safeParse(this.#session.kept.about);
    if (parsed.success) {
      const { scores, best } = parsed.data;
      return { scores, best: { ...best, decisions: best.decisions as BestValidation['decisions'] } };
    }
    throw new CheckpointError(
      `the saved state: what validation found is wrong: ${parsed.error.issues[0]?.message}`,
      {
        hint: 'The file was made by another program: take an older checkpoint.',
      },
    );
  }

  /** Judges the network after a step, and keeps it if it is the best so far. @throws GpuError, DeviceLostError. */
  async check(step: number): Promise<ValidationReport> {
    const { settings, signal } = this.#request;
    const { overlap } = settings;
    const { decisions, dice, diceByLabel, error } = await chooseDecisions(
      this.#predictor,
      this.#task,
      this.#scans,
      this.#session.decisions,
      { overlap, signal },
    );
    const score = dice ?? -(error ?? 0);
    const kept = this.#kept;
    const scores = [...(kept?.scores ?? []), score];
    const isBest = !kept || score > (kept.best.meanDice ?? -(kept.best.error ?? 0));
    const best = isBest ? { step, dice: diceByLabel, meanDice: dice, error, decisions } : kept.best;
    const weights = isBest ? await this.#session.net.save() : this.#session.kept!.weights;
    this.#session.kept = { about: toJson({ scores, best }), weights };
    return { dice: diceByLabel, error: error ?? undefined };
  }

  destroy(): void {
    this.#predictor.destroy();
  }
}
