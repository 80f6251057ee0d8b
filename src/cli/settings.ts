import type { ArgDef } from 'citty';
import { UsageError } from '../core/errors.ts';
import { parseJson } from '../core/json.ts';
import { type Setting, Wording } from '../core/wording.ts';
import { renameSettings } from '../pipeline/task/presets.ts';
import { parseTask } from '../pipeline/task/task.ts';
import { kindOf } from '../pipeline/train/setting-checks.ts';
import type { AnyEntry } from '../pipeline/train/setting-entry.ts';
import { DURATIONS, settingEntries, type TrainSettings, trainSettings } from '../pipeline/train/settings.ts';
import type { Variant } from '../study/presets/index.ts';
import '../study/presets/index.ts';
import type { Options, SharedName } from './common.ts';
import { readTextFile } from './read-text-file.ts';

/** `base-channels` for `baseChannels`. */
type Kebab<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `-${Lowercase<First>}`}${Kebab<Rest>}`
  : '';

/** Options of training settings; `--seed` is one of every command's. */
export type SettingOption = Exclude<Kebab<keyof TrainSettings & string>, 'seed'>;

/** The option of every training setting. */
export const SETTING_ARGS: Readonly<Record<SettingOption, ArgDef>> = Object.fromEntries(
  Object.entries(settingEntries())
    .filter(([name]) => name !== 'seed')
    .map(([name, entry]) => [optionOf(name), argumentOf(entry)]),
) as Record<SettingOption, ArgDef>;

function optionOf(setting: string): string {
  return setting.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

function argumentOf(entry: AnyEntry): ArgDef {
  const value = kindOf(entry);
  const help = entry.help instanceof Wording ? entry.help.in(optionWords) : entry.help;
  const usual = entry.defaultText ?? defaultWords(entry.default);
  const description = usual === undefined ? help : `${help} (default ${usual})`;
  if (value.kind === 'choice') return { type: 'enum', options: [...value.choices], description };
  if (value.kind !== 'boolean') return { type: 'string', valueHint: entry.hint ?? 'X', description };
  // A flag switches on what is off; what is on has to be switched off by a word.
  if (entry.default === true) return { type: 'enum', options: ['on', 'off'], description };
  return { type: 'boolean', description: help };
}

function defaultWords(value: unknown): string | undefined {
  if (typeof value === 'boolean') return value ? 'on' : undefined;
  return value === null || value === undefined ? undefined : String(value);
}

/**
 * The settings of a training run: the options over a config file over what a model brings over the defaults.
 *
 * @param config text of the file given with `--config`, and its name.
 * @param preset if neither names one, nor a task; left out: one must be named
 * @param files what {@link readSettingFiles} read
 * @param model what a network to begin from brings, if the run has another task or other images, and if not
 * @throws UsageError naming the option or the file and the setting.
 */
export function gatherSettings(
  options: Options<SettingOption | SharedName>,
  config?: { readonly name: string; readonly text: string },
  preset?: Variant,
  files: Readonly<Record<string, unknown>> = {},
  model?: (other: boolean) => Partial<TrainSettings>,
): TrainSettings {
  const file = config ? renameSettings(parseConfig(config.name, config.text)) : {};
  // The file alone first, so that a message blames the right one.
  if (config)
    trainSettings(file.task == null ? { ...file, preset: file.preset ?? 'single' } : file, config.name);
  const given = { ...givenSettings(options), ...files };
  const merged: Record<string, unknown> = model ? overModel(model, file, given) : { ...file };
  if (DURATIONS.some((name) => given[name] !== undefined)) for (const name of DURATIONS) delete merged[name];
  // What is learned is said once: on the command line, or in the file.
  if (given.preset !== undefined || given.task !== undefined) {
    delete merged.preset;
    delete merged.task;
  }
  Object.assign(merged, given);
  if (merged.task == null) merged.preset ??= preset;
  return trainSettings(merged);
}

/** A file's settings over those of a model; what is said of the task or the network is said as a whole. */
function overModel(
  model: (other: boolean) => Partial<TrainSettings>,
  file: Readonly<Record<string, unknown>>,
  given: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const own = Object.fromEntries(Object.entries(file).filter(([, value]) => value !== null));
  const says = (...names: readonly string[]): boolean => names.some((name) => name in own || name in given);
  const brought: Record<string, unknown> = { ...model(says('preset', 'task', 'modalities')) };
  // What is learned is said once, and so is which images a task of one's own reads.
  if (says('preset', 'task')) for (const name of ['preset', 'task', 'modalities']) delete brought[name];
  if (says('network')) delete brought.networkConfig;
  return { ...brought, ...own };
}

/** A setting in the words of the command line: `--base-channels 8`, `--overwrite`, `--no-resample`. */
export function optionWords({ setting: name, value }: Setting): string {
  const option = optionOf(name);
  if (value === undefined || value === true) return `--${option}`;
  return value === false ? `--no-${option}` : `--${option} ${value}`;
}

function givenSettings(options: Options<string>): Record<string, unknown> {
  const given: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(settingEntries())) {
    const value = name === 'seed' ? givenSeed(options) : givenValue(options, optionOf(name), entry);
    if (value !== undefined) given[name] = value;
  }
  return given;
}

function givenSeed(options: Options<string>): number | undefined {
  return options.text('seed') === undefined ? undefined : options.seed();
}

function givenValue(options: Options<string>, option: string, entry: AnyEntry): unknown {
  switch (kindOf(entry).kind) {
    case 'number':
      return options.number(option);
    case 'extents':
      return options.extents(option);
    case 'words':
      return options.list(option);
    case 'boolean': {
      const text = options.text(option);
      return text === undefined ? options.flag(option) || undefined : text === 'on';
    }
    case 'object':
      // Files: see readSettingFiles.
      return undefined;
    default:
      return options.text(option);
  }
}

/** The contents of the JSON files that options name, by setting. @throws UsageError if one is not JSON; StorageError. */
export async function readSettingFiles(options: Options<SettingOption>): Promise<Record<string, unknown>> {
  const read: Record<string, unknown> = {};
  for (const [name, entry] of Object.entries(settingEntries())) {
    const path = kindOf(entry).kind === 'object' ? options.text(optionOf(name) as SettingOption) : undefined;
    if (path === undefined) continue;
    const content = await readJsonFile(path);
    read[name] = name === 'task' ? parseTask(content, path) : content;
  }
  return read;
}

/** @throws UsageError if the file is not JSON; StorageError. */
export async function readJsonFile(path: string): Promise<unknown> {
  return parseFile(path, await readTextFile(path));
}

/** @param name of the file. @throws UsageError if its text is not JSON. */
export function parseFile(name: string, text: string): unknown {
  try {
    return parseJson(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`${name} is not JSON: ${why}`, { hint: 'Correct the file.', cause });
  }
}

function parseConfig(name: string, text: string): Record<string, unknown> {
  const value = parseFile(name, text);
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
    value = parseJson(text);
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
