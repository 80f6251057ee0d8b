import { z } from 'zod/mini';
import { UsageError } from '../../core/errors.ts';
import { hashJson, toJson } from '../../core/json.ts';
import { formatExtents, nearExtents, toExtents, toTriple } from '../../core/shape.ts';
import { setting, Wording, worded } from '../../core/wording.ts';
import type { SegmentationLossSettings } from '../../engine/loss/segmentation-loss.ts';
import { architectureOf } from '../../engine/nn/networks/index.ts';
import { allAugmentations } from '../augment/index.ts';
import { DEFAULT_RECIPE, findRecipe } from '../recipes/index.ts';
import { findPreset, type Preset, presetNames, renameSettings } from '../task/presets.ts';
import { parseTask, type Task } from '../task/task.ts';
import { networkOf } from './network.ts';
import { checkOf } from './setting-checks.ts';
import { lossesOfLabels, SETTING_ENTRIES, settingEntries } from './setting-entries.ts';
import type { Values } from './setting-entry.ts';

export { type Schedule, SETTING_ENTRIES, settingEntries } from './setting-entries.ts';

/** Everything that decides how a network is trained. Equal settings, data and adapter give equal bits. */
export interface TrainSettings
  extends Values<typeof SETTING_ENTRIES>,
    Omit<SegmentationLossSettings, 'loss'> {
  /** Of the augmentation `mirror`. */
  readonly flips?: boolean;
  /** Of the augmentation `intensity`. */
  readonly intensity?: number;
}

/** Settings with what the data decided filled in. */
export interface ResolvedTrainSettings extends TrainSettings {
  readonly subjects: readonly string[];
  readonly modalities: readonly string[];
}

/** The settings that say how long; at most one may be given. */
export const DURATIONS = ['epochs', 'steps', 'minutes'] as const;

const DEFAULT_EPOCHS = 100;

/**
 * Checks settings and fills in the defaults.
 *
 * @param input some of {@link TrainSettings}, also by names that older files use; `preset` or `task` is required
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
  const named = isObject(input) ? renameSettings(input) : input;
  const chosen = isObject(named) ? choiceOf(named) : undefined;
  if (chosen instanceof UsageError) return chosen;
  const wanted = isObject(named)
    ? { ...recipeOf(named), ...chosen?.preset?.settings, ...withoutNulls(named) }
    : named;
  const loss = isObject(wanted) ? String(wanted.loss ?? SETTING_ENTRIES.loss.default) : undefined;
  const augment = isObject(wanted) ? namesOf(wanted.augment) : undefined;
  const entries = settingEntries(loss, augment);
  const schema = z.strictObject(
    Object.fromEntries(Object.entries(entries).map(([name, entry]) => [name, checkOf(entry)])),
  );
  const parsed = schema.safeParse(wanted);
  if (!parsed.success) return settingError(parsed.error.issues[0], named, Object.keys(entries));
  const found = parsed.data as unknown as TrainSettings;
  const settings = { ...found, patch: toExtents(toTriple(found.patch)), task: chosen?.task ?? null };
  const given = DURATIONS.filter((name) => settings[name] !== null);
  if (given.length > 1)
    return new UsageError(
      worded`${Wording.join(
        given.map((name) => setting(name)),
        ' and ',
      )} exclude each other`,
      { hint: 'Give one of epochs, steps and minutes.' },
    );
  const unchecked = validationError({
    ...settings,
    epochs: given.length === 0 ? DEFAULT_EPOCHS : settings.epochs,
  });
  if (unchecked) return unchecked;
  const misfit = patchMisfit(settings);
  if (misfit) return misfit;
  return {
    ...settings,
    epochs: given.length === 0 ? DEFAULT_EPOCHS : settings.epochs,
  };
}

/** What a recipe sets; nothing for one that is not known, which is told by its check. */
function recipeOf({ recipe }: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return findRecipe(String(recipe ?? DEFAULT_RECIPE))?.settings ?? {};
}

/** What is wrong with settings of validation. */
function validationError({
  validate,
  validateEvery,
  patience,
  ...length
}: TrainSettings): UsageError | undefined {
  if (!validate)
    return patience === null
      ? undefined
      : new UsageError(worded`${setting('patience')} counts validations, and there are none`, {
          hint: worded`Name validation patients with ${setting('validate')}.`,
        });
  const steps = length.steps ?? (length.epochs === null ? null : length.epochs * length.stepsPerEpoch);
  if (steps === null || validateEvery <= steps) return undefined;
  return new UsageError(
    worded`${setting('validateEvery', validateEvery)} is more than the run's ${steps} steps`,
    { hint: `Choose ${Math.max(1, Math.floor(steps / 10))}, or a longer run.` },
  );
}

/** The augmentations that settings name; undefined if they are no list, which is told by their check. */
function namesOf(augment: unknown = SETTING_ENTRIES.augment.default): readonly string[] | undefined {
  return Array.isArray(augment) ? augment.map(String) : undefined;
}

/** What settings say is to be learned: a preset, or a task of one's own. */
function choiceOf(
  settings: Readonly<Record<string, unknown>>,
): { readonly preset?: Preset; readonly task?: Task } | UsageError {
  const { preset = null, task = null } = settings;
  try {
    if (preset !== null && task !== null)
      return new UsageError(worded`${setting('preset')} and ${setting('task')} exclude each other`, {
        hint: 'Give one of them.',
      });
    if (task !== null) return { task: parseTask(task, 'task') };
    if (preset !== null) return { preset: findPreset(String(preset)) };
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  return new UsageError(worded`${setting('preset')} is missing`, {
    hint: worded`Give one of ${presetNames().join(', ')}, or a task of your own with ${setting('task')}.`,
  });
}

/** Why the network that settings ask for cannot be, or does not take their patch; undefined if it does. */
function patchMisfit(settings: TrainSettings): UsageError | undefined {
  const { patch, levels } = settings;
  const modalities = settings.modalities ?? ['any'];
  try {
    const { patchMultiple } = architectureOf(networkOf({ ...settings, modalities }));
    const near = nearExtents(patch, patchMultiple);
    if (formatExtents(near) === formatExtents(patch)) return undefined;
    return new UsageError(
      worded`${setting('patch')} must be a multiple of ${formatExtents(toExtents(patchMultiple))} with ${levels} levels, not ${formatExtents(patch)}`,
      { hint: `Choose ${formatExtents(near)}, or fewer levels.` },
    );
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
}

/** Null stands for a setting that is not given. */
function withoutNulls(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== null));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export { taskName, taskOf } from './network.ts';

/** A hash of all settings, by which a resumed run knows its own. */
export async function settingsHash(settings: TrainSettings): Promise<string> {
  return await hashJson(toJson(settings));
}

function settingError(
  issue: z.core.$ZodIssue | undefined,
  input: unknown,
  names: readonly string[],
): UsageError {
  if (!issue) return new UsageError('the settings cannot be understood');
  const foreign =
    issue.code === 'unrecognized_keys'
      ? issue.keys.find((key) => Object.hasOwn(settingEntries(), key))
      : undefined;
  const owner = allAugmentations().find(({ schema }) => foreign !== undefined && foreign in schema.shape);
  if (owner)
    return new UsageError(
      worded`${setting(foreign!)} is of the augmentation ${owner.name}, which is not used`,
      {
        hint: worded`Add ${owner.name} to ${setting('augment')}, or leave the setting out.`,
      },
    );
  if (foreign !== undefined && isObject(input))
    return new UsageError(
      worded`${setting(foreign)} does not go with ${setting('loss', String(input.loss ?? SETTING_ENTRIES.loss.default))}`,
      { hint: `Leave it out, or choose a loss that has it: ${havingSetting(foreign)}.` },
    );
  if (issue.code === 'unrecognized_keys')
    return new UsageError(`there is no setting ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`, {
      hint: `Settings are ${names.join(', ')}.`,
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

/** Names of the losses that have a setting. */
function havingSetting(name: string): string {
  return lossesOfLabels()
    .filter(({ schema }) => name in schema.shape)
    .map((loss) => loss.name)
    .join(', ');
}

function describe(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
