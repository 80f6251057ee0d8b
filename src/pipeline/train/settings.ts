import { z } from 'zod';
import { UsageError } from '../../core/errors.ts';
import { hashJson } from '../../core/json.ts';
import { setting, Wording, worded } from '../../core/wording.ts';
import { DEFAULT_LOSS, type SegmentationLossSettings } from '../../engine/loss/segmentation-loss.ts';
import { VARIANTS, type Variant } from '../../engine/nn/variants.ts';
import type { Element } from '../../engine/tape/tensor.ts';

/** How the learning rate goes on from `lr`: as it is, to 0 along half a cosine, or to 0 as (1 - progress)^0.9. */
export type Schedule = 'constant' | 'cosine' | 'polynomial';

/** Everything that decides how a network is trained. Equal settings, data and adapter give equal bits. */
export interface TrainSettings extends SegmentationLossSettings {
  readonly variant: Variant;
  /** Patients to train on, or single visits (`07_ses-02`); null for all that have a lesion mask. */
  readonly subjects: readonly string[] | null;
  /** Input channels in order; null for those that all the scans share. */
  readonly modalities: readonly string[] | null;
  /** Whose tissue maps: a derivatives folder's name, or a folder's; null for the preferred ones. */
  readonly tissue: string | null;
  /** Target: a rater's name or number, `union`, `intersection` or `mean`. */
  readonly rater: string;
  /** How long: exactly one of `epochs`, `steps` and `minutes` is not null. A run by minutes is not repeatable. */
  readonly epochs: number | null;
  readonly steps: number | null;
  readonly minutes: number | null;
  /** Optimizer steps that count as one epoch. */
  readonly stepsPerEpoch: number;
  /** Edge of the cubic patch in voxels; a multiple of 2^(levels - 1). */
  readonly patch: number;
  /** Patches a step. */
  readonly batch: number;
  /** Channels of the finest level; each further one has twice as many. */
  readonly baseChannels: number;
  /** Resolutions, the bottom one included. */
  readonly levels: number;
  readonly lr: number;
  readonly schedule: Schedule;
  /** Adam's decoupled weight decay; 0 for none. */
  readonly weightDecay: number;
  /** Largest global norm of the gradients; 0 for no clipping. */
  readonly clip: number;
  /** Weight of the tissue head's loss beside the lesion head's (multi-output only). */
  readonly tissueWeight: number;
  /** Share of the patches that are centred on a lesion voxel; the others are uniform in the brain. */
  readonly lesionShare: number;
  /** Mirror patches at random along each axis. */
  readonly flips: boolean;
  /** Largest random change of contrast (relative) and brightness (in standard deviations) of a patch; 0 for none. */
  readonly intensity: number;
  /** Compute normalised activations again in backward instead of keeping them: the same bits in less memory. */
  readonly recompute: boolean;
  /** What activations and their gradients are stored as; with 16 bits the loss is scaled (see `LossScale`). */
  readonly precision: Element;
  /** Overlap of the sliding window that chooses the threshold on the training scans. */
  readonly overlap: number;
  readonly seed: number;
}

/** Settings with what the data decided filled in. */
export interface ResolvedTrainSettings extends TrainSettings {
  readonly subjects: readonly string[];
  readonly modalities: readonly string[];
}

const count = (max: number): z.ZodInt => z.int().min(1).max(max);

/** Before the defaults that depend on other settings. */
const SCHEMA = z.strictObject({
  variant: z.enum(VARIANTS),
  subjects: z.array(z.string().min(1)).min(1).nullable().default(null),
  modalities: z.array(z.string().min(1)).min(1).nullable().default(null),
  tissue: z.string().min(1).nullable().default(null),
  rater: z.string().min(1).default('1'),
  epochs: count(1e6).nullable().default(null),
  steps: count(1e9).nullable().default(null),
  minutes: z.number().positive().max(1e6).nullable().default(null),
  // nnU-Net's (Isensee 2021); the paper does not say what an epoch of patches is.
  stepsPerEpoch: count(1e6).default(250),
  patch: count(1024).default(64),
  batch: count(256).default(2),
  baseChannels: count(1024).default(16),
  levels: z.int().min(2).max(8).default(4),
  lr: z.number().positive().max(1).default(5e-4),
  schedule: z.enum(['constant', 'cosine', 'polynomial']).default('constant'),
  weightDecay: z.number().min(0).max(1).default(0),
  // nnU-Net's; gradients of a healthy run are far smaller.
  clip: z.number().min(0).max(1e6).default(12),
  loss: z.enum(['generalized-dice', 'dice', 'literal']).default(DEFAULT_LOSS.loss),
  weights: z.enum(['square', 'simple', 'uniform']).default(DEFAULT_LOSS.weights),
  tpr: z.enum(['off', '1-tpr', '+tpr']).nullable().default(null),
  tprWeight: z.number().min(0).max(1e3).default(DEFAULT_LOSS.tprWeight),
  crossEntropy: z.number().min(0).max(1e3).default(DEFAULT_LOSS.crossEntropy),
  pool: z.enum(['item', 'batch']).default(DEFAULT_LOSS.pool),
  tissueWeight: z.number().min(0).max(1e3).default(1),
  lesionShare: z
    .number()
    .min(0)
    .max(1)
    .default(1 / 3),
  flips: z.boolean().default(true),
  intensity: z.number().min(0).max(1).default(0.1),
  recompute: z.boolean().default(false),
  precision: z.enum(['f32', 'f16']).default('f32'),
  overlap: z.number().min(0).max(0.9).default(0.5),
  seed: z.int().min(0).max(0xffffffff).default(1),
});

/** The settings that say how long; at most one may be given. */
export const DURATIONS = ['epochs', 'steps', 'minutes'] as const;

const DEFAULT_EPOCHS = 100;

/**
 * Checks settings and fills in the defaults.
 *
 * @param input some of {@link TrainSettings}; `variant` is required.
 * @param file what holds them: messages begin with it and name settings as they stand there
 * @throws UsageError naming the setting, the rule and the value.
 */
export function trainSettings(input: unknown, file?: string): TrainSettings {
  const checked = checkSettings(input);
  if (!(checked instanceof UsageError)) return checked;
  if (file === undefined) throw checked;
  throw new UsageError(`${file}: ${checked.message}`, { hint: checked.hint });
}

function checkSettings(input: unknown): TrainSettings | UsageError {
  const parsed = SCHEMA.safeParse(input);
  if (!parsed.success) return settingError(parsed.error.issues[0], input);
  const settings = parsed.data;
  const given = DURATIONS.filter((name) => settings[name] !== null);
  if (given.length > 1)
    return new UsageError(
      worded`${Wording.join(
        given.map((name) => setting(name)),
        ' and ',
      )} exclude each other`,
      {
        hint: 'Give one of epochs, steps and minutes.',
      },
    );
  const multiple = 2 ** (settings.levels - 1);
  if (settings.patch % multiple !== 0) {
    const near = Math.max(multiple, Math.round(settings.patch / multiple) * multiple);
    return new UsageError(
      worded`${setting('patch')} must be a multiple of ${multiple} with ${settings.levels} levels, not ${settings.patch}`,
      { hint: `Choose ${near}, or fewer levels.` },
    );
  }
  return {
    ...settings,
    epochs: given.length === 0 ? DEFAULT_EPOCHS : settings.epochs,
    // The paper adds the term to both multi-task nets; printed, it rewards misses (see the loss's documentation).
    tpr: settings.tpr ?? (settings.variant === 'single' ? 'off' : '1-tpr'),
  };
}

/** A hash of all settings, by which a resumed run knows its own. */
export async function settingsHash(settings: TrainSettings): Promise<string> {
  return await hashJson({ ...settings });
}

function settingError(issue: z.core.$ZodIssue | undefined, input: unknown): UsageError {
  if (!issue) return new UsageError('the settings cannot be understood');
  if (issue.code === 'unrecognized_keys')
    return new UsageError(`there is no setting ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`, {
      hint: `Settings are ${Object.keys(SCHEMA.shape).join(', ')}.`,
    });
  const path = issue.path.map(String).join('.');
  if (path === '') return new UsageError(`settings are a JSON object, not ${describe(input)}`);
  const value = issue.path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined,
    input,
  );
  if (value === undefined) return new UsageError(worded`${setting(path)} is missing`);
  return new UsageError(
    worded`${setting(path)} is ${describe(value)}; ${issue.message.replace(/^Invalid (input|option): /, '')}`,
  );
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
