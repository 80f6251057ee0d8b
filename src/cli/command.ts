import { type ArgsDef, parseArgs } from 'citty';
import { preferAdapter } from '../platform/adapters.ts';
import { checkArguments, joinLists, renameOptions } from './arguments.ts';
import { Options, SHARED_ARGS, type SharedName } from './common.ts';
import { type Example, type HelpContent, renderHelp } from './help.ts';
import { Output } from './output.ts';

/** A command as commands.ts registers it. */
export interface Command {
  readonly name: string;
  readonly description: string;
  /** Positionals and options, the shared ones included. */
  readonly args: ArgsDef;
  /** What its help tells. */
  readonly content: HelpContent;
  /** What `--help` prints. */
  help(): string;
  /** @throws UsageError for wrong words; whatever the command throws. */
  run(words: readonly string[]): Promise<void>;
}

/** What a command is made from. */
export interface CommandSpec<Args extends ArgsDef> {
  readonly name: string;
  readonly description: string;
  /** citty's definitions; the shared options are added. */
  readonly args: Args;
  /** The last positional may be repeated; `words()` of the options holds them all. */
  readonly many?: boolean;
  /** The first positional may be repeated instead; the others are the last words. */
  readonly manyFirst?: boolean;
  /** Options that take several words, up to the next option: `--participant-label 01 02`. */
  readonly lists?: readonly string[];
  readonly examples: readonly Example[];
  run(options: Options<(keyof Args & string) | SharedName>, output: Output): Promise<void>;
}

export const PROGRAM = 'voxelgrad';

/** Makes a command: its words are checked, parsed and handed to `run`. */
export function command<const Args extends ArgsDef>(spec: CommandSpec<Args>): Command {
  const args: ArgsDef = { ...spec.args, ...SHARED_ARGS };
  const { name, description } = spec;
  const repeated = spec.manyFirst ? 'first' : spec.many ? 'last' : undefined;
  const content: HelpContent = {
    command: `${PROGRAM} ${name}`,
    description,
    args,
    examples: spec.examples,
    ...(repeated && { repeated }),
  };
  return {
    name,
    description,
    args,
    content,
    help: () => renderHelp(content),
    async run(given) {
      const words = joinLists(renameOptions(given, args), spec.lists ?? []);
      checkArguments(words, args, `${PROGRAM} ${name}`, spec.many || spec.manyFirst);
      const parsed: Record<string, unknown> = parseArgs([...words], args);
      if (spec.manyFirst) placeLast(parsed, args);
      if (typeof parsed.adapter === 'string') preferAdapter(parsed.adapter);
      const output = new Output(parsed.json === true);
      try {
        await spec.run(new Options({ ...parsed }, [name, ...words]), output);
      } finally {
        output.close();
      }
    },
  };
}

/** Gives the positionals but the first the last words, where the first was repeated. */
function placeLast(parsed: Record<string, unknown>, args: ArgsDef): void {
  const names = Object.keys(args).filter((name) => args[name]?.type === 'positional');
  const words = parsed._ as readonly string[];
  for (const [i, name] of names.entries())
    if (i > 0 && words.length > names.length) parsed[name] = words[words.length - names.length + i];
}
