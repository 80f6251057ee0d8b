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

/** Options by other names: those that they had before, and those that other programs give them. */
const OLD_OPTIONS: Readonly<Record<string, string>> = {
  variant: 'preset',
  variants: 'presets',
  tissue: 'maps',
  'tissue-weight': 'auxiliary-weight',
  'lesion-share': 'foreground-share',
  // As argparse writes what BIDS-Apps take.
  participant_label: 'participant-label',
  session_label: 'session-label',
  skip_bids_validation: 'skip-bids-validation',
  n_procs: 'n-procs',
  nprocs: 'n-procs',
  mem_mb: 'mem',
  'mem-mb': 'mem',
};

/** A command line with the names that options have now, if the command has such options. */
export function renameOptions(words: readonly string[], args: ArgsDef): string[] {
  const end = words.indexOf('--');
  return words.map((word, i) => {
    const [, old, rest] = /^--([a-z0-9_-]+)(=.*)?$/s.exec(word) ?? [];
    const name = old !== undefined && Object.hasOwn(OLD_OPTIONS, old) ? OLD_OPTIONS[old] : undefined;
    if (name === undefined || (end >= 0 && i > end) || !optionOf(args, name)) return word;
    return `--${name}${rest ?? ''}`;
  });
}

/** A command line in which the words after options that take several are one, with commas between them. */
export function joinLists(words: readonly string[], lists: readonly string[]): string[] {
  const end = words.indexOf('--');
  const joined: string[] = [];
  let open = false;
  for (const [i, word] of words.entries()) {
    if (word.startsWith('--') || (end >= 0 && i > end)) open = false;
    if (open && joined.at(-1)!.startsWith('--')) joined.push(word);
    else if (open) joined.push(`${joined.pop()!},${word}`);
    else joined.push(word);
    if (word.startsWith('--') && !(end >= 0 && i >= end)) open = lists.includes(word.slice(2));
  }
  return joined;
}

/** A command line without some options, by their names; the value of one goes with it, but for flags. */
export function withoutOptions(
  words: readonly string[],
  valued: readonly string[],
  flags: readonly string[],
): string[] {
  const kept: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const [, name = '', attached] = /^--([a-z0-9-]+)(=.*)?$/s.exec(words[i]!) ?? [];
    if (flags.includes(name)) continue;
    if (!valued.includes(name)) kept.push(words[i]!);
    else if (attached === undefined) i++;
  }
  return kept;
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
