import type { ArgDef } from 'citty';
import { UsageError } from '../core/errors.ts';
import { type Extents, toExtents } from '../core/shape.ts';

export type SharedName = 'json' | 'seed' | 'debug';

/** Options of every command. */
export const SHARED_ARGS: Readonly<Record<SharedName, ArgDef>> = {
  json: { type: 'boolean', description: 'Print one JSON object on stdout and everything else on stderr' },
  seed: { type: 'string', valueHint: 'N', description: 'Seed of all random numbers (default 1)' },
  debug: { type: 'boolean', description: 'Print the stack of an error' },
};

/** Of commands that compute on the GPU. */
export const GPU_ARGS: { readonly adapter: ArgDef } = {
  adapter: {
    type: 'string',
    valueHint: 'NAME|INDEX',
    description:
      'Adapter to compute on, of those that doctor lists (default: VOXELGRAD_ADAPTER, or the best)',
  },
};

/** The seed where none is given. */
export const DEFAULT_SEED = 1;

/** Bounds of a number, inclusive. */
export interface Range {
  readonly min?: number;
  readonly max?: number;
  /** The number must be greater than this. */
  readonly above?: number;
}

/** Options of a command line by name, read with types and ranges. Undefined where an option is not given. */
export class Options<Name extends string> {
  readonly #values: Readonly<Record<string, unknown>>;
  /** The command with its words as they were given, names of options and lists of words put right. */
  readonly line: readonly string[];

  constructor(values: Readonly<Record<string, unknown>>, line: readonly string[] = []) {
    this.#values = values;
    this.line = line;
  }

  flag(name: Name): boolean {
    // The parser takes `--no-resample` for a `resample` that is false.
    return name.startsWith('no-') ? this.#values[name.slice(3)] === false : this.#values[name] === true;
  }

  text(name: Name): string | undefined {
    const value = this.#values[name];
    return typeof value === 'string' ? value : undefined;
  }

  /** Some of the options: the others count as not given. */
  only(names: readonly string[]): Options<string> {
    return new Options(Object.fromEntries(names.map((name) => [name, this.#values[name]])), this.line);
  }

  /** The same with other values for some: undefined takes one away. */
  with<Other extends string>(values: Readonly<Record<string, unknown>>): Options<Other> {
    return new Options({ ...this.#values, ...values }, this.line);
  }

  /** All positional arguments. */
  words(): string[] {
    const words = this.#values._;
    return Array.isArray(words) ? words.map(String) : [];
  }

  /** A positional argument that the command requires. */
  required(name: Name): string {
    const value = this.text(name);
    if (value === undefined) throw new UsageError(`${name.toUpperCase()} is missing`);
    return value;
  }

  /** @throws UsageError where it is not a number in the range. */
  number(name: Name, range: Range = {}): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseNumber(text, `--${name}`, range);
  }

  /** @throws UsageError where it is no whole number in the range. */
  integer(name: Name, range: Range = {}): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseInteger(text, `--${name}`, range);
  }

  /** A size such as `512M` (powers of 1000). @throws UsageError where it is none, or 0. */
  bytes(name: Name): number | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseBytes(text, `--${name}`);
  }

  /** Comma-separated words. @throws UsageError where one is empty. */
  list(name: Name): string[] | undefined {
    const text = this.text(name);
    return text === undefined ? undefined : parseList(text, `--${name}`);
  }

  /** One whole number, or three with an `x` or a comma between them. @throws UsageError where one is below 1. */
  extents(name: Name): Extents | undefined {
    const text = this.text(name);
    if (text === undefined) return undefined;
    const words = text.split(/[x,]/);
    const [z, y, x] = words.map((word) =>
      parseInteger(word, `--${name}`, words.length > 1 ? { min: 1 } : {}),
    );
    if (words.length === 1) return z;
    if (words.length === 3) return toExtents([z!, y!, x!]);
    throw new UsageError(
      `--${name} must be one number, or three along z, y, x, not ${JSON.stringify(text)}`,
      {
        hint: `For a box that is not a cube: --${name} 16x64x64.`,
      },
    );
  }

  /** Comma-separated numbers. @throws UsageError where one is out of the range. */
  numbers(name: Name, range: Range = {}): number[] | undefined {
    return this.text(name)
      ?.split(',')
      .map((word) => parseNumber(word, `--${name}`, range));
  }

  /** The shared `--seed`: an unsigned 32-bit number. */
  seed(): number {
    const text = this.#values.seed;
    if (typeof text !== 'string') return DEFAULT_SEED;
    return parseInteger(text, '--seed', { min: 0, max: 2 ** 32 - 1 });
  }
}

/** @throws UsageError where the text is no decimal number in the range. */
export function parseNumber(text: string, name: string, range: Range = {}): number {
  const value = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text.trim()) ? Number(text) : Number.NaN;
  if (Number.isFinite(value) && inRange(value, range)) return value;
  throw new UsageError(`${name} must be a number${describeRange(range)}, not ${JSON.stringify(text)}`);
}

/** @throws UsageError where the text is no whole number in the range. */
export function parseInteger(text: string, name: string, range: Range = {}): number {
  const value = /^[-+]?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value) && inRange(value, range)) return value;
  throw new UsageError(`${name} must be a whole number${describeRange(range)}, not ${JSON.stringify(text)}`);
}

const UNITS: Readonly<Record<string, number>> = { '': 1, K: 1e3, M: 1e6, G: 1e9, T: 1e12 };

/** `512M`, `1.5 GB`, `4000000`: bytes, in powers of 1000. @throws UsageError where it is no size above 0. */
export function parseBytes(text: string, name: string): number {
  const [, number, unit] = /^(\d+\.?\d*|\.\d+) ?([kmgt]?)b?$/i.exec(text.trim()) ?? [];
  const bytes = Math.floor(Number(number) * UNITS[(unit ?? '').toUpperCase()]!);
  if (bytes > 0 && Number.isSafeInteger(bytes)) return bytes;
  throw new UsageError(`${name} must be a size such as 512M or 4G, not ${JSON.stringify(text)}`);
}

/** Words between commas, without the blanks around them. @throws UsageError where one is empty or repeated. */
export function parseList(text: string, name: string): string[] {
  const words = text.split(',').map((word) => word.trim());
  if (words.includes(''))
    throw new UsageError(
      `${name} must be a list of words with commas between them, not ${JSON.stringify(text)}`,
    );
  const twice = words.find((word, i) => words.indexOf(word) !== i);
  if (twice !== undefined) throw new UsageError(`${name} names ${JSON.stringify(twice)} twice`);
  return words;
}

function inRange(value: number, { min, max, above }: Range): boolean {
  return (
    (min === undefined || value >= min) &&
    (max === undefined || value <= max) &&
    (above === undefined || value > above)
  );
}

function describeRange({ min, max, above }: Range): string {
  const low = above !== undefined ? ` above ${above}` : min !== undefined ? ` of at least ${min}` : '';
  if (max === undefined) return low;
  if (min !== undefined) return ` from ${min} to ${max}`;
  return low === '' ? ` of at most ${max}` : `${low} and of at most ${max}`;
}
