import type { ArgDef, ArgsDef } from 'citty';
import { UsageError } from '../core/errors.ts';

/**
 * Checks a command line against a command's arguments before it is parsed: the parser itself takes unknown options,
 * missing values and surplus words in silence.
 *
 * @param command how messages name it: `voxelgrad train`.
 * @param many whether more words than `args` has positionals may follow
 * @throws UsageError naming the first word that is wrong.
 */
export function checkArguments(
  words: readonly string[],
  args: ArgsDef,
  command: string,
  many: boolean = false,
): void {
  const hint = `See \`${command} --help\`.`;
  const seen = new Set<string>();
  const positionals: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--') {
      positionals.push(...words.slice(i + 1));
      break;
    }
    if (!word.startsWith('-') || word === '-') {
      positionals.push(word);
      continue;
    }
    const [option = '', attached] = splitOnce(word, '=');
    const name = option.slice(2);
    const definition = option.startsWith('--') ? optionOf(args, name) : undefined;
    if (!definition) throw new UsageError(`unknown option ${option}`, { hint: similar(name, args) ?? hint });
    if (seen.has(name)) throw new UsageError(`${option} is given twice`, { hint });
    seen.add(name);
    if (definition.type === 'boolean') {
      if (attached !== undefined) throw new UsageError(`${option} takes no value`, { hint });
      continue;
    }
    const value = attached ?? words[++i];
    if (value === undefined || value === '' || (attached === undefined && value.startsWith('--')))
      throw new UsageError(`${option} needs a value`, { hint });
    if (definition.type === 'enum' && !definition.options?.includes(value)) {
      const options = definition.options?.join(', ') ?? '';
      throw new UsageError(`${option} must be one of ${options}, not ${JSON.stringify(value)}`, { hint });
    }
  }
  checkPositionals(positionals, args, hint, many);
}

/** Options by the names that they had before. */
const OLD_OPTIONS: Readonly<Record<string, string>> = {
  variant: 'preset',
  variants: 'presets',
  tissue: 'maps',
  'tissue-weight': 'auxiliary-weight',
  'lesion-share': 'foreground-share',
};

/** A command line with the names that options have now, if the command has such options. */
export function renameOptions(words: readonly string[], args: ArgsDef): string[] {
  const end = words.indexOf('--');
  return words.map((word, i) => {
    const [, old, rest] = /^--([a-z0-9-]+)(=.*)?$/s.exec(word) ?? [];
    const name = old !== undefined && Object.hasOwn(OLD_OPTIONS, old) ? OLD_OPTIONS[old] : undefined;
    if (name === undefined || (end >= 0 && i > end) || !optionOf(args, name)) return word;
    return `--${name}${rest ?? ''}`;
  });
}

function checkPositionals(given: readonly string[], args: ArgsDef, hint: string, many: boolean): void {
  const wanted = Object.entries(args).filter(([, definition]) => definition.type === 'positional');
  for (const [i, [name, definition]] of wanted.entries()) {
    const value = given[i];
    if (value === '' || (value === undefined && definition.required !== false))
      throw new UsageError(`${name.toUpperCase()} is missing`, { hint });
  }
  const surplus = given[wanted.length];
  if (surplus !== undefined && !many)
    throw new UsageError(`unexpected argument ${JSON.stringify(surplus)}`, {
      hint: `Lists are written with commas: --subjects 07,19. ${hint}`,
    });
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

function optionOf(args: ArgsDef, name: string): ArgDef | undefined {
  const definition = Object.hasOwn(args, name) ? args[name] : undefined;
  return definition?.type === 'positional' ? undefined : definition;
}

/** `Did you mean --epochs?` where one option is at most two typing errors away. */
function similar(name: string, args: ArgsDef): string | undefined {
  const near = Object.keys(args)
    .filter((other) => optionOf(args, other))
    .map((other) => ({ other, distance: editDistance(name, other) }))
    .sort((a, b) => a.distance - b.distance)[0];
  return near && near.distance <= 2 ? `Did you mean --${near.other}?` : undefined;
}

/** Levenshtein's distance. */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[b.length]!;
}
