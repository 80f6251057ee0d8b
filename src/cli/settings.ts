import type { ArgDef } from 'citty';
import { UsageError } from '../core/errors.ts';
import { type Setting, setting, worded } from '../core/wording.ts';
import { VARIANTS, type Variant } from '../engine/nn/variants.ts';
import { DURATIONS, type TrainSettings, trainSettings } from '../pipeline/train/settings.ts';
import type { Options, SharedName } from './common.ts';

/** The option of every training setting. */
export const SETTING_ARGS: Readonly<Record<SettingOption, ArgDef>> = {
  variant: {
    type: 'enum',
    options: [...VARIANTS],
    description: 'Tissue maps: not used, as input channels, as a second output',
  },
  subjects: {
    type: 'string',
    valueHint: 'ID,ID',
    description: 'Patients to train on (default: all with a mask)',
  },
  modalities: {
    type: 'string',
    valueHint: 'FLAIR,T1w',
    description: 'Input images in order (default: those that all the scans share)',
  },
  tissue: { type: 'string', valueHint: 'DIR', description: "Tissue maps' folder, or a derivative's name" },
  rater: {
    type: 'string',
    valueHint: 'NAME',
    description: "Target: a rater's name or number, union, intersection, mean (default 1)",
  },
  epochs: { type: 'string', valueHint: 'N', description: 'How long (default 100); or --steps, or --minutes' },
  steps: { type: 'string', valueHint: 'N', description: 'How long, in optimizer steps' },
  minutes: {
    type: 'string',
    valueHint: 'M',
    description: 'How long, in minutes; not repeatable bit for bit',
  },
  'steps-per-epoch': {
    type: 'string',
    valueHint: 'N',
    description: 'Steps that count as one epoch (default 250)',
  },
  patch: { type: 'string', valueHint: 'N', description: 'Edge of a patch in voxels (default 64)' },
  batch: { type: 'string', valueHint: 'N', description: 'Patches a step (default 2)' },
  'base-channels': {
    type: 'string',
    valueHint: 'N',
    description: 'Channels of the finest level (default 16)',
  },
  levels: { type: 'string', valueHint: 'N', description: 'Resolutions of the U-Net (default 4)' },
  lr: { type: 'string', valueHint: 'X', description: 'Learning rate of Adam (default 5e-4)' },
  schedule: {
    type: 'enum',
    options: ['constant', 'cosine', 'polynomial'],
    description: 'How the learning rate goes on (default constant)',
  },
  'weight-decay': { type: 'string', valueHint: 'X', description: 'Decoupled weight decay (default 0)' },
  clip: {
    type: 'string',
    valueHint: 'X',
    description: 'Largest norm of the gradients, 0 for none (default 12)',
  },
  loss: {
    type: 'enum',
    options: ['generalized-dice', 'dice', 'literal'],
    description: 'Overlap loss; literal is the paper as printed (default generalized-dice)',
  },
  weights: {
    type: 'enum',
    options: ['square', 'simple', 'uniform'],
    description: 'Label weights of generalized-dice (default square)',
  },
  tpr: {
    type: 'enum',
    options: ['off', '1-tpr', '+tpr'],
    description: 'True-positive-rate term; +tpr is the paper as printed (default 1-tpr, single: off)',
  },
  'tpr-weight': { type: 'string', valueHint: 'λ', description: 'Weight of that term (default 1)' },
  'cross-entropy': {
    type: 'string',
    valueHint: 'W',
    description: 'Weight of a cross-entropy term (default 0)',
  },
  pool: {
    type: 'enum',
    options: ['item', 'batch'],
    description: 'Loss sums over each patch or the whole batch (default item)',
  },
  'tissue-weight': { type: 'string', valueHint: 'W', description: 'Weight of the tissue loss (default 1)' },
  'lesion-share': {
    type: 'string',
    valueHint: 'X',
    description: 'Share of patches centred on a lesion (default 1/3)',
  },
  flips: { type: 'enum', options: ['on', 'off'], description: 'Mirror patches at random (default on)' },
  intensity: {
    type: 'string',
    valueHint: 'X',
    description: 'Random change of contrast and brightness (default 0.1)',
  },
  recompute: {
    type: 'boolean',
    description: 'Compute activations again in backward: the same bits in about half of the memory',
  },
  precision: {
    type: 'enum',
    options: ['f32', 'f16'],
    description: 'Floats that activations are stored as; f16 with a scaled loss (default f32)',
  },
  overlap: {
    type: 'string',
    valueHint: 'X',
    description: 'Overlap of the windows that choose the threshold (default 0.5)',
  },
};

type NumberOption =
  | 'epochs'
  | 'steps'
  | 'minutes'
  | 'steps-per-epoch'
  | 'patch'
  | 'batch'
  | 'base-channels'
  | 'levels'
  | 'lr'
  | 'weight-decay'
  | 'clip'
  | 'tpr-weight'
  | 'cross-entropy'
  | 'tissue-weight'
  | 'lesion-share'
  | 'intensity'
  | 'overlap';
type WordOption =
  | 'variant'
  | 'tissue'
  | 'rater'
  | 'schedule'
  | 'loss'
  | 'weights'
  | 'tpr'
  | 'pool'
  | 'precision';
export type SettingOption = NumberOption | WordOption | 'subjects' | 'modalities' | 'flips' | 'recompute';

/** Setting of each option that is a number. */
const NUMBERS: Readonly<Record<NumberOption, keyof TrainSettings>> = {
  epochs: 'epochs',
  steps: 'steps',
  minutes: 'minutes',
  'steps-per-epoch': 'stepsPerEpoch',
  patch: 'patch',
  batch: 'batch',
  'base-channels': 'baseChannels',
  levels: 'levels',
  lr: 'lr',
  'weight-decay': 'weightDecay',
  clip: 'clip',
  'tpr-weight': 'tprWeight',
  'cross-entropy': 'crossEntropy',
  'tissue-weight': 'tissueWeight',
  'lesion-share': 'lesionShare',
  intensity: 'intensity',
  overlap: 'overlap',
};
const WORDS: readonly WordOption[] = [
  'variant',
  'tissue',
  'rater',
  'schedule',
  'loss',
  'weights',
  'tpr',
  'pool',
  'precision',
];

/**
 * The settings of a training run: the options over a config file over the defaults.
 *
 * @param config text of the file given with `--config`, and its name.
 * @param variant where neither names one; left out: one must be named
 * @throws UsageError naming the option or the file and the setting.
 */
export function gatherSettings(
  options: Options<SettingOption | SharedName>,
  config?: { readonly name: string; readonly text: string },
  variant?: Variant,
): TrainSettings {
  const file = config ? parseConfig(config.name, config.text) : {};
  // The file alone first, so that a message blames the right one.
  if (config) trainSettings({ variant: 'single', ...file }, config.name);
  const given = givenSettings(options);
  const merged: Record<string, unknown> = { ...file };
  if (DURATIONS.some((name) => given[name] !== undefined)) for (const name of DURATIONS) delete merged[name];
  Object.assign(merged, given);
  merged.variant ??= variant;
  if (merged.variant === undefined)
    throw new UsageError(worded`${setting('variant')} is missing`, {
      hint: `Give one of ${VARIANTS.join(', ')}.`,
    });
  return trainSettings(merged);
}

/** A setting in the words of the command line: `--base-channels 8`, `--overwrite`, `--no-resample`. */
export function optionWords({ setting: name, value }: Setting): string {
  const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
  if (value === undefined || value === true) return `--${option}`;
  return value === false ? `--no-${option}` : `--${option} ${value}`;
}

function givenSettings(options: Options<SettingOption | SharedName>): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  const put = (name: string, value: unknown): void => {
    if (value !== undefined) given[name] = value;
  };
  for (const name of Object.keys(NUMBERS) as NumberOption[]) put(NUMBERS[name], options.number(name));
  for (const name of WORDS) put(name, options.text(name));
  put('subjects', options.list('subjects'));
  put('modalities', options.list('modalities'));
  const flips = options.text('flips');
  if (flips !== undefined) put('flips', flips === 'on');
  if (options.flag('recompute')) put('recompute', true);
  if (options.text('seed') !== undefined) put('seed', options.seed());
  return given;
}

function parseConfig(name: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${name} is no JSON: ${why}`, { hint: 'Correct the file.', cause });
  }
  // A run's own config.json holds the settings beside what they ran on.
  const settings = isObject(value) && isObject(value.settings) ? value.settings : value;
  if (isObject(settings)) return { ...settings };
  throw new UsageError(`${name} must hold a JSON object of settings`);
}

/**
 * The kernel variants that a run's `config.json` records, so that it is repeated with the same bits: of the same
 * adapter only, since another one has its own best. What is no such file records none.
 */
export function recordedKernels(text: string, adapter: string): Readonly<Record<string, string>> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return {};
  }
  if (!isObject(value) || value.adapter !== adapter || !isObject(value.kernels)) return {};
  const entries = Object.entries(value.kernels);
  return Object.fromEntries(
    entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
