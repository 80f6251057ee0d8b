import { z } from 'zod/mini';
import type { Extents } from '../../core/shape.ts';
import { setting, worded } from '../../core/wording.ts';
import { allLosses } from '../../engine/loss/index.ts';
import type { Loss } from '../../engine/loss/loss.ts';
import { generalizedDice } from '../../engine/loss/paper.ts';
import { networkKinds } from '../../engine/nn/networks/index.ts';
import type { Element } from '../../engine/tape/tensor.ts';
import { allAugmentations, NO_AUGMENTATION } from '../augment/index.ts';
import { DEFAULT_RECIPE, recipeNames } from '../recipes/index.ts';
import { presetNames } from '../task/presets.ts';
import type { Task } from '../task/task.ts';
import { augmentationEntries, lossEntries } from './setting-checks.ts';
import type { AnyEntry, SettingEntry } from './setting-entry.ts';

/** How the learning rate develops from `lr`: constant, to 0 along half a cosine, or to 0 as (1 - progress)^0.9. */
export type Schedule = 'constant' | 'cosine' | 'polynomial';

type Words = readonly string[] | null;

const count = (max: number): z.ZodMiniType<number> => z.int().check(z.minimum(1), z.maximum(max));
const within = (min: number, max: number): z.ZodMiniType<number> =>
  z.number().check(z.minimum(min), z.maximum(max));
const positive = (max: number): z.ZodMiniType<number> => z.number().check(z.positive(), z.maximum(max));
/** One count, or three. */
const extents = (max: number): z.ZodMiniType<Extents> => {
  const edge = count(max);
  return z.union([edge, z.tuple([edge, edge, edge])], {
    error: ({ input }) => {
      const one = typeof input === 'number' && edge.safeParse(input).error?.issues[0]?.message;
      return one || `expected a number, or three along z, y, x, each from 1 to ${max}`;
    },
  });
};
const text = z.string().check(z.minLength(1));
const words = z.array(text).check(z.minLength(1));

/**
 * The settings of a training run, each declared once: checks, messages, `TrainSettings`, config.json and the options
 * and help texts of commands follow from this record. The settings of losses are declared with the losses.
 */
export const SETTING_ENTRIES = {
  /** Of one's own task it is null. */
  preset: {
    help: 'A known task with its network, by name',
    schema: z.nullable(text),
    choices: presetNames,
    default: null,
  } as SettingEntry<string | null>,
  /** Of a preset it is null. */
  task: {
    help: 'A task of your own: its channels, labels, targets and losses',
    hint: 'FILE.json',
    // Checked separately, with messages of its own.
    schema: z.nullable(z.record(z.string(), z.unknown())) as unknown as z.ZodMiniType<Task | null>,
    default: null,
  } as SettingEntry<Task | null>,
  /** Its values stand in the other settings. */
  recipe: {
    help: 'Settings that go together; those that are given go before them',
    schema: text,
    choices: recipeNames,
    default: DEFAULT_RECIPE,
  } as SettingEntry<string>,
  /** Null for the preset's, or the default kind. */
  network: {
    help: 'Kind of network',
    schema: z.nullable(text),
    choices: () => networkKinds().map(({ kind }) => kind),
    default: null,
    defaultText: "the preset's",
  } as SettingEntry<string | null>,
  networkConfig: {
    help: "Fields of the network's configuration that are not to be designed",
    hint: 'FILE.json',
    schema: z.nullable(z.record(z.string(), z.unknown())),
    default: null,
    defaultText: 'none',
  } as SettingEntry<Readonly<Record<string, unknown>> | null>,
  /** Patients, or single visits (`07_ses-02`). */
  subjects: {
    help: 'Patients to train on',
    hint: 'ID,ID',
    schema: z.nullable(words),
    default: null,
    defaultText: 'all that have what is learned',
  } as SettingEntry<Words>,
  modalities: {
    help: 'Input images in order',
    hint: 'FLAIR,T1w',
    schema: z.nullable(words),
    default: null,
    defaultText: 'those that all the scans share',
  } as SettingEntry<Words>,
  maps: {
    help: "Probability maps' folder, or a derivative's name",
    hint: 'DIR',
    schema: z.nullable(text),
    default: null,
    defaultText: 'the preferred ones of each scan',
  } as SettingEntry<string | null>,
  rater: {
    help: "Target: a rater's name or number, union, intersection, mean",
    hint: 'NAME',
    schema: text,
    default: '1',
  } as SettingEntry<string>,
  /** Exactly one of `epochs`, `steps` and `minutes` is not null. */
  epochs: {
    help: worded`How long; or ${setting('steps')}, or ${setting('minutes')}`,
    hint: 'N',
    schema: z.nullable(count(1e6)),
    default: null,
    defaultText: '100',
  } as SettingEntry<number | null>,
  steps: {
    help: 'How long, in optimizer steps',
    hint: 'N',
    schema: z.nullable(count(1e9)),
    default: null,
  } as SettingEntry<number | null>,
  minutes: {
    help: 'How long, in minutes; not repeatable bit for bit',
    hint: 'M',
    schema: z.nullable(positive(1e6)),
    default: null,
  } as SettingEntry<number | null>,
  /** nnU-Net's number (Isensee 2021); the paper does not say what an epoch of patches is. */
  stepsPerEpoch: {
    help: 'Steps that count as one epoch',
    hint: 'N',
    schema: count(1e6),
    default: 250,
  } as SettingEntry<number>,
  /** [z, y, x], or one number for a cube; multiples of what the network's strides divide by. */
  patch: {
    help: 'Edge of the patch in voxels, or its three edges along z, y, x',
    hint: 'N|ZxYxX',
    schema: extents(1024),
    default: 64,
  } as SettingEntry<Extents>,
  batch: { help: 'Patches per step', hint: 'N', schema: count(256), default: 2 } as SettingEntry<number>,
  /** Each further level has twice as many. */
  baseChannels: {
    help: 'Channels of the finest level',
    hint: 'N',
    schema: count(1024),
    default: 16,
  } as SettingEntry<number>,
  levels: {
    help: 'Resolutions of the network, the bottom one included',
    hint: 'N',
    schema: z.int().check(z.minimum(2), z.maximum(8)),
    default: 4,
  } as SettingEntry<number>,
  lr: {
    help: 'Learning rate of Adam',
    hint: 'X',
    schema: positive(1),
    default: 5e-4,
  } as SettingEntry<number>,
  schedule: {
    help: 'What becomes of the learning rate',
    schema: z.enum(['constant', 'cosine', 'polynomial']),
    default: 'constant',
  } as SettingEntry<Schedule>,
  weightDecay: {
    help: 'Decoupled weight decay',
    hint: 'X',
    schema: within(0, 1),
    default: 0,
  } as SettingEntry<number>,
  /** nnU-Net's; gradients of a healthy run are far smaller. */
  clip: {
    help: 'Largest global norm of the gradients, 0 for no limit',
    hint: 'X',
    schema: within(0, 1e6),
    default: 12,
  } as SettingEntry<number>,
  /** Of heads whose labels exclude one another and that name none in the task. */
  loss: {
    help: 'Loss of labels; literal is the paper as printed',
    schema: text,
    choices: () => lossesOfLabels().map(({ name }) => name),
    default: 'generalized-dice',
  } as SettingEntry<string>,
  /** On top of the weights that the task gives its heads. */
  auxiliaryWeight: {
    help: "Weight of further heads' losses beside the first head's",
    hint: 'W',
    schema: within(0, 1e3),
    default: 1,
  } as SettingEntry<number>,
  /** See `TaskWeights`. With one head both are the same. */
  taskWeighting: {
    help: 'Weights of the heads: as set, or learned from their losses (Kendall 2018)',
    schema: z.enum(['fixed', 'uncertainty']),
    default: 'fixed',
  } as SettingEntry<'fixed' | 'uncertainty'>,
  /** The other patches are uniform in the brain. */
  foregroundShare: {
    help: 'Share of patches centred on a label',
    hint: 'X',
    schema: within(0, 1),
    default: 1 / 3,
    defaultText: '1/3',
  } as SettingEntry<number>,
  /** Their settings are declared with them. */
  augment: {
    help: 'What is changed at random in patches, or none',
    hint: 'NAME,NAME',
    schema: z.array(text).check(
      z.refine((names) => names.every(isAugmentation), {
        error: () =>
          `expected names of ${allAugmentations()
            .map(({ name }) => name)
            .join(', ')}, or ${NO_AUGMENTATION}`,
      }),
    ),
    default: ['mirror', 'intensity'],
  } as SettingEntry<readonly string[]>,
  recompute: {
    help: 'Compute activations again in backward: the same bits in about half of the memory',
    schema: z.boolean(),
    default: false,
  } as SettingEntry<boolean>,
  /** With 16 bits the loss is scaled (see `LossScale`). */
  precision: {
    help: 'Floats that activations are stored as; f16 with a scaled loss',
    schema: z.enum(['f32', 'f16']),
    default: 'f32',
  } as SettingEntry<Element>,
  /** Patients, or single visits. */
  validate: {
    help: 'Patients whom the network is judged by while it learns, none of them trained on; the best one is kept',
    hint: 'ID,ID',
    schema: z.nullable(words),
    default: null,
    defaultText: 'none',
  } as SettingEntry<Words>,
  validateEvery: {
    help: 'Steps between two validations',
    hint: 'N',
    schema: count(1e9),
    default: 250,
  } as SettingEntry<number>,
  patience: {
    help: 'Validations without a better result after which a run stops early',
    hint: 'N',
    schema: z.nullable(count(1e6)),
    default: null,
    defaultText: 'none: it goes to its end',
  } as SettingEntry<number | null>,
  overlap: {
    help: 'Overlap of the windows that choose the threshold',
    hint: 'X',
    schema: within(0, 0.9),
    default: 0.5,
  } as SettingEntry<number>,
  seed: {
    help: 'Seed of all random numbers',
    hint: 'N',
    schema: z.int().check(z.minimum(0), z.maximum(0xffffffff)),
    default: 1,
  } as SettingEntry<number>,
};

function isAugmentation(word: string): boolean {
  return word === NO_AUGMENTATION || allAugmentations().some(({ name }) => name === word);
}

/** Losses that a run may choose: those for labels that exclude one another. */
export function lossesOfLabels(): readonly Loss[] {
  return allLosses().filter(({ activations }) => activations.includes('softmax'));
}

/**
 * Every setting by its name, those of losses and augmentations included, in the order of help texts.
 * @param loss leaves out settings that this loss does not have; those of the paper's losses are always there
 * @param augment leaves out settings of other augmentations
 */
export function settingEntries(
  loss?: string,
  augment?: readonly string[],
): Readonly<Record<string, AnyEntry>> {
  const own: [string, AnyEntry][] = Object.entries(SETTING_ENTRIES);
  const chosen = allLosses().find(({ name }) => name === loss);
  const which = new Set<Loss>(chosen ? [chosen, generalizedDice] : [generalizedDice, ...lossesOfLabels()]);
  const losses = Object.entries({ ...lossEntries([...which]), ...OVERRIDDEN });
  const changes = Object.entries(augmentationEntries(augment));
  const after: Readonly<Record<string, readonly [string, AnyEntry][]>> = { loss: losses, augment: changes };
  return Object.fromEntries(own.flatMap((entry) => [entry, ...(after[entry[0]] ?? [])]));
}

/** Settings of losses whose default depends on the preset. */
const OVERRIDDEN: Readonly<Record<string, AnyEntry>> = {
  tpr: {
    help: 'True-positive-rate term; +tpr is the paper as printed',
    schema: z.enum(['off', '1-tpr', '+tpr']),
    default: 'off',
    defaultText: "the preset's, off",
  },
};
