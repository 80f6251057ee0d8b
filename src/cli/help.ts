import type { ArgDef, ArgsDef } from 'citty';
import { groupOptions } from './option-groups.ts';

/** Columns that help texts fit. */
export const HELP_WIDTH = 100;
/** Columns of an option with its value; a longer one has its description below. */
const OPTION_WIDTH = 30;
/** Longer lists of values are told in the description. */
const CHOICES_WIDTH = 24;

/** A command line that `--help` shows, and what it does. */
export interface Example {
  readonly line: string;
  readonly does: string;
}

/** What a help text tells. */
export interface HelpContent {
  /** `voxelgrad train`. */
  readonly command: string;
  readonly description: string;
  readonly args: ArgsDef;
  readonly examples: readonly Example[];
  /** Which positional may be repeated. */
  readonly repeated?: 'first' | 'last';
}

/** Help of a command in plain text: usage, examples, arguments, and options in groups. */
export function renderHelp(content: HelpContent): string {
  const { command, description, args, examples } = content;
  const lines = [...wrap(description, ''), '', `USAGE ${usageOf(content)}`];
  if (examples.length > 0) lines.push('', 'EXAMPLES', '');
  for (const { line, does } of examples)
    lines.push(...wrapCommand(`${command.split(' ')[0]} ${line}`), ...wrap(does, '      '));
  const positionals = Object.entries(args).filter(([, { type }]) => type === 'positional');
  if (positionals.length > 0) lines.push('', 'ARGUMENTS', '');
  for (const [name, { description: does }] of positionals) lines.push(...row(name.toUpperCase(), does));
  const options = Object.keys(args).filter((name) => args[name]!.type !== 'positional');
  for (const [title, names] of groupOptions(options)) {
    lines.push('', title.toUpperCase(), '');
    for (const name of names)
      lines.push(...row(optionWithValue(name, args[name]!), descriptionOf(args[name]!)));
  }
  return `${lines.join('\n')}\n`;
}

/** `voxelgrad train DATASET OUT [OPTIONS]`. */
export function usageOf({ command, args, repeated }: HelpContent): string {
  const names = Object.entries(args).filter(([, { type }]) => type === 'positional');
  const words = names.map(([name, { required }], i) => {
    const many = repeated === 'first' ? i === 0 : repeated === 'last' && i === names.length - 1;
    const word = `${name.toUpperCase()}${many ? '…' : ''}`;
    return required === false ? `[${word}]` : word;
  });
  return [command, ...words, '[OPTIONS]'].join(' ');
}

/** `--patch N`, `--precision f32|f16`. */
export function optionWithValue(name: string, definition: ArgDef): string {
  if (definition.type === 'boolean') return `--${name}`;
  if (definition.type !== 'enum') return `--${name} ${definition.valueHint ?? 'VALUE'}`;
  const choices = definition.options?.join('|') ?? '';
  return `--${name} ${choices.length <= CHOICES_WIDTH ? choices : 'NAME'}`;
}

/** What an option does, with its values if they are many. */
export function descriptionOf(definition: ArgDef): string {
  const text = definition.description ?? '';
  if (definition.type !== 'enum') return text;
  const { options = [] } = definition;
  return options.join('|').length <= CHOICES_WIDTH ? text : `${text}: ${options.join(', ')}`;
}

/** A name with its description in a second column. */
export function row(name: string, description: string = '', width: number = OPTION_WIDTH): string[] {
  const indent = ' '.repeat(width + 4);
  const lines = wrap(description, indent);
  if (name.length > width) return [`  ${name}`, ...lines];
  return [`  ${name.padEnd(width)}  ${(lines[0] ?? '').trimStart()}`.trimEnd(), ...lines.slice(1)];
}

function wrap(text: string, indent: string, width: number = HELP_WIDTH, hanging: string = indent): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    const start = lines.length === 0 ? indent : hanging;
    if (line !== '' && `${line} ${word}`.length > width) {
      lines.push(line);
      line = `${hanging}${word}`;
    } else line = line === '' ? `${start}${word}` : `${line} ${word}`;
  }
  return line === '' ? lines : [...lines, line];
}

/** A command line that may go on in the next, as a shell reads it. */
function wrapCommand(line: string): string[] {
  const lines = wrap(line, '  ', HELP_WIDTH - 2, '      ');
  return lines.map((text, i) => (i < lines.length - 1 ? `${text} \\` : text));
}
