/** A setting that a message speaks of, and the value that the message proposes, if any. */
export interface Setting {
  /** By its name in code and files: `baseChannels`. */
  readonly setting: string;
  /** `true` and `false` for what is switched on and off. */
  readonly value?: string | number | boolean;
}

/** What a reader calls a setting: the label of a form, an option of a command line, `baseChannels: 8` in a program. */
export type SettingWords = (setting: Setting) => string;

/** Part of a {@link Wording}. */
export type WordingPart = string | number | Setting | Wording;

/** A text that names settings and leaves open what its reader calls them. Made by {@link worded}. */
export class Wording {
  readonly #parts: readonly (string | Setting)[];

  constructor(parts: readonly (string | Setting)[]) {
    this.#parts = parts;
  }

  /** The text for a reader who knows settings by these words. */
  in(words: SettingWords): string {
    return this.#parts.map((part) => (typeof part === 'string' ? part : words(part))).join('');
  }

  /** The text for programmers: settings by their own names. */
  toString(): string {
    return this.in(({ setting, value }) => (value === undefined ? setting : `${setting}: ${value}`));
  }

  /** Texts and settings one after another, with a separator between them. */
  static join(parts: readonly WordingPart[], separator: string): Wording {
    return new Wording(parts.flatMap((part, i) => (i === 0 ? pieces(part) : [separator, ...pieces(part)])));
  }

  /** @internal The pieces, to be put into another text. */
  get pieces(): readonly (string | Setting)[] {
    return this.#parts;
  }
}

/** Names a setting in a {@link worded} text, with the value that the text proposes. */
export function setting(name: string, value?: string | number | boolean): Setting {
  return value === undefined ? { setting: name } : { setting: name, value };
}

/** A text with settings in it: ``worded`Use a smaller ${setting('patch')}.` ``. */
export function worded(texts: TemplateStringsArray, ...values: readonly WordingPart[]): Wording {
  return new Wording(texts.flatMap((text, i) => [text, ...(i < values.length ? pieces(values[i]!) : [])]));
}

function pieces(part: WordingPart): readonly (string | Setting)[] {
  if (part instanceof Wording) return part.pieces;
  return typeof part === 'number' ? [String(part)] : [part];
}
