import { UsageError } from '../../core/errors.ts';
import type { Task } from './task.ts';

/** A task together with a network and settings that go with it, by a name. */
export interface Preset {
  readonly name: string;
  /** A few words for lists: what it does. */
  readonly title: string;
  readonly task: Task;
  readonly network: {
    readonly kind: string;
    /** What of the network's configuration is fixed. */
    readonly given: Readonly<Record<string, unknown>>;
  };
  /** Settings of training whose default is another one than usual. */
  readonly settings: Readonly<Record<string, unknown>>;
}

const registered = new Map<string, Preset>();
const aliases = new Map<string, string>([['variant', 'preset']]);

/**
 * Makes presets known by name to settings and model files. Known ones stay as they are.
 * @param renamed settings that older files call by another name: new names by old ones
 */
export function registerPresets(
  presets: readonly Preset[],
  renamed: Readonly<Record<string, string>> = {},
): void {
  for (const preset of presets) if (!registered.has(preset.name)) registered.set(preset.name, preset);
  for (const [old, name] of Object.entries(renamed)) aliases.set(old, name);
}

/** Names of all presets. */
export function presetNames(): readonly string[] {
  return [...registered.keys()];
}

/** A preset by its name. @throws UsageError listing those that exist. */
export function findPreset(name: string): Preset {
  const found = registered.get(name);
  if (found) return found;
  throw new UsageError(`there is no preset ${JSON.stringify(name)}`, {
    hint: `Presets are ${presetNames().join(', ') || 'none'}; for another task give a task file.`,
  });
}

/** Settings under the names that they have now. One that is there under both names keeps the new one's value. */
export function renameSettings(settings: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = Object.entries(settings).flatMap(([name, value]): [string, unknown][] => {
    const now = aliases.get(name) ?? name;
    return now === name || !(now in settings) ? [[now, value]] : [];
  });
  return Object.fromEntries(entries);
}
