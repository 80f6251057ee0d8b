import type { Schema } from '../../core/schema.ts';
import type { Wording } from '../../core/wording.ts';

/** One setting: its check, its option, its line in help texts and its place in files all follow from this. */
export interface SettingEntry<T> {
  /** What it does, in a few words, as help texts show it; the default is added to it. */
  readonly help: string | Wording;
  /** Stands for the value in help texts: `N`. */
  readonly hint?: string;
  /** Checks a value that is not the default. */
  readonly schema: Schema<T>;
  /** The words that it may be, where they are known only at run time: what registries hold. */
  readonly choices?: () => readonly string[];
  /** Left out: the setting must be given. */
  readonly default?: T;
  /** How help texts tell the default, if it is not a plain value. */
  readonly defaultText?: string;
}

/** Any setting, whatever its value. */
export type AnyEntry = SettingEntry<unknown>;

/** The values of a record of entries. */
export type Values<Entries> = {
  readonly [Name in keyof Entries]: Entries[Name] extends SettingEntry<infer T> ? T : never;
};
