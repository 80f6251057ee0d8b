import type { ArgDef } from 'citty';
import { UsageError } from '../core/errors.ts';
import { type ExperimentOptions, experimentOptions, type Protocol } from '../study/experiment/options.ts';
import type { Shard } from '../study/experiment/share.ts';
import { sharedSettings } from '../study/experiment/unit-settings.ts';
import {
  EXPERIMENT_VARIANTS,
  PAPER_VARIANTS,
  PRESET_FAMILIES,
  type Variant,
} from '../study/presets/index.ts';
import { type Options, parseInteger, type SharedName } from './common.ts';
import { gatherSettings, SETTING_ARGS, type SettingOption } from './settings.ts';

/** Options that the experiment has in another form, or decides for each net. */
type Decided =
  | 'preset'
  | 'task'
  | 'subjects'
  | 'validate'
  | 'validate-every'
  | 'patience'
  | 'maps'
  | 'rater'
  | 'loss'
  | 'tpr'
  | 'cross-entropy';
type SharedOption = Exclude<SettingOption, Decided>;

type OwnOption =
  | 'protocol'
  | 'presets'
  | 'preset-family'
  | 'losses'
  | 'stage-1-loss'
  | 'folds'
  | 'seeds'
  | 'rater'
  | 'subjects'
  | 'maps';

/** An option that says what the experiment is, as against which part of it is done now. */
export type ExperimentOption = OwnOption | SharedOption;

const OWN_ARGS: Readonly<Record<OwnOption, ArgDef>> = {
  protocol: {
    type: 'enum',
    options: ['corrected', 'paper'],
    description:
      'corrected nests the stage-1 nets; paper repeats what is printed, leak included (default corrected)',
  },
  presets: {
    type: 'string',
    valueHint: 'NAME,NAME',
    description: `Any of ${EXPERIMENT_VARIANTS.join(', ')} (default ${PAPER_VARIANTS.join(',')})`,
  },
  'preset-family': {
    type: 'enum',
    options: Object.keys(PRESET_FAMILIES),
    description: 'In place of --presets: paper, or sharing for every way to share between tasks',
  },
  losses: {
    type: 'string',
    valueHint: 'NAME,NAME',
    description:
      'paper-intent, as-printed, or dice, generalized-dice, literal, each with +tpr or +1-tpr and +ce after it (default paper-intent; with --protocol paper as-printed)',
  },
  'stage-1-loss': {
    type: 'string',
    valueHint: 'NAME',
    description:
      'Loss of the nets that correct tissue maps (default generalized-dice; with --protocol paper literal)',
  },
  folds: {
    type: 'string',
    valueHint: 'patient|K',
    description: 'One fold a patient, or K folds (default patient)',
  },
  seeds: { type: 'string', valueHint: 'N,N', description: 'Each is a repetition of everything (default 1)' },
  rater: {
    type: 'string',
    valueHint: 'NAME',
    description:
      "Whose mask is trained on and judged by: a rater's name or number, union, intersection, mean (default 1)",
  },
  subjects: { type: 'string', valueHint: 'ID,ID', description: 'Patients (default: all)' },
  maps: {
    type: 'string',
    valueHint: 'DIR',
    description:
      "Tissue maps' folder, or the name of those in the data set (default: made from the T1, by em)",
  },
};

const { preset: _v, task: _k, subjects: _s, maps: _t, rater: _r, loss: _l, ...others } = SETTING_ARGS;
const { tpr: _p, 'cross-entropy': _c, validate: _j, 'validate-every': _e, patience: _w, ...SHARED } = others;

/** Everything that says what an experiment is. */
export const EXPERIMENT_ARGS: Readonly<Record<ExperimentOption, ArgDef>> = { ...OWN_ARGS, ...SHARED };

/** Whether the command line says what the experiment is, rather than leaving that to the one in the folder. */
export function saysWhat(options: Options<ExperimentOption>): boolean {
  const names = Object.keys(EXPERIMENT_ARGS) as ExperimentOption[];
  return names.some((name) => options.text(name) !== undefined || options.flag(name));
}

/**
 * Reads and checks them.
 * @param known the experiment that is in the folder: what the command line does not say is taken from it; `name` is
 *   how messages call its record
 * @param files what `readSettingFiles` read
 * @throws UsageError naming the option.
 */
export function gatherExperiment(
  options: Options<ExperimentOption | SharedName>,
  known?: { readonly name: string; readonly options: ExperimentOptions },
  files: Readonly<Record<string, unknown>> = {},
): ExperimentOptions {
  const before = known?.options;
  const folds = options.text('folds');
  const config = known && { name: known.name, text: JSON.stringify(known.options.shared) };
  return experimentOptions({
    protocol: (options.text('protocol') as Protocol | undefined) ?? before?.protocol,
    variants: presetsOf(options) ?? before?.variants,
    losses: options.list('losses') ?? before?.losses,
    stage1Loss: options.text('stage-1-loss') ?? before?.stage1Loss,
    folds: folds === undefined ? before?.folds : parseFolds(folds),
    seeds: options.list('seeds')?.map(parseSeed) ?? before?.seeds,
    rater: options.text('rater') ?? before?.rater,
    subjects: options.list('subjects') ?? before?.subjects,
    tissue: options.text('maps') ?? before?.tissue,
    shared: sharedSettings(gatherSettings(sharedOnly(options), config, 'single', files)),
  });
}

function parseFolds(text: string): ExperimentOptions['folds'] {
  return text === 'patient' ? text : parseInteger(text, '--folds', { min: 2 });
}

function parseSeed(text: string): number {
  return parseInteger(text, '--seeds', { min: 0, max: 2 ** 32 - 1 });
}

/** `2/4`: the second of four shares. @throws UsageError */
export function parseShard(text: string): Shard {
  const [, k, n] = /^(\d+)\/(\d+)$/.exec(text) ?? [];
  const shard = { k: Number(k), n: Number(n) };
  if (k !== undefined && shard.k >= 1 && shard.k <= shard.n) return shard;
  throw new UsageError(`--shard must be K/N with K from 1 to N, not ${JSON.stringify(text)}`, {
    hint: 'Run --shard 1/4, --shard 2/4, --shard 3/4 and --shard 4/4 in four processes.',
  });
}

/** @throws UsageError for presets and a family at once, and for a preset that is not known. */
function presetsOf(options: Options<ExperimentOption>): readonly Variant[] | undefined {
  const presets = options.list('presets');
  const family = options.text('preset-family') as keyof typeof PRESET_FAMILIES | undefined;
  if (presets && family)
    throw new UsageError('--presets and --preset-family exclude each other', {
      hint: 'Give the family, or the names of the presets.',
    });
  return family ? PRESET_FAMILIES[family] : presets?.map(parseVariant);
}

function parseVariant(name: string): Variant {
  const variant = EXPERIMENT_VARIANTS.find((known) => known === name);
  if (variant) return variant;
  throw new UsageError(
    `--presets names ${JSON.stringify(name)}; there are ${EXPERIMENT_VARIANTS.join(', ')}`,
  );
}

/** The options without those that mean something of the experiment's own. */
export function sharedOnly(
  options: Options<ExperimentOption | SharedName>,
): Options<SettingOption | SharedName> {
  return options.only(Object.keys(SHARED));
}
