import type { ArgDef, ArgsDef } from 'citty';
import { PROGRAM } from './command.ts';

/** An input as Boutiques describes it (schema 0.5). */
interface BoutiquesInput {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly type: 'String' | 'Number' | 'Flag' | 'File';
  readonly 'value-key'?: string;
  readonly 'command-line-flag'?: string;
  readonly optional: boolean;
  readonly list?: boolean;
  readonly 'list-separator'?: string;
  readonly integer?: boolean;
  readonly minimum?: number;
  readonly 'value-choices'?: readonly string[];
}

/** A Boutiques descriptor (github.com/boutiques/boutiques, schema 0.5). */
export interface BoutiquesDescriptor {
  readonly name: string;
  readonly description: string;
  readonly 'tool-version': string;
  readonly 'schema-version': '0.5';
  readonly 'command-line': string;
  readonly inputs: readonly BoutiquesInput[];
  readonly 'output-files': readonly object[];
  readonly tags: Readonly<Record<string, readonly string[]>>;
  readonly url: string;
}

/** What is a tool's own: not for a pipeline to set. */
const LEFT_OUT = ['boutiques', 'unit'];

/** Whole numbers of at least 1. */
const COUNTS = ['n-procs', 'slurm-max'];

/**
 * Describes the command of the BIDS-App from its own arguments.
 * @param lists options that take several words
 */
export function boutiquesDescriptor(
  args: ArgsDef,
  shared: ArgsDef,
  lists: readonly string[],
  version: string,
): BoutiquesDescriptor {
  const inputs = Object.entries({ ...args, ...shared })
    .filter(([name]) => !LEFT_OUT.includes(name))
    .map(([name, definition]) => inputOf(name, definition, lists.includes(name)));
  const words = inputs.map((input) => input['value-key']!);
  return {
    name: `${PROGRAM} bids`,
    description:
      'Segments lesions in brain MRI of a BIDS data set, with tables and a page for quality control',
    'tool-version': version,
    'schema-version': '0.5',
    'command-line': `${PROGRAM} bids ${words.join(' ')}`,
    inputs,
    'output-files': [
      {
        id: 'output',
        name: 'Results',
        description: 'BIDS derivatives: masks, probabilities, tables',
        'path-template': '[OUTPUT_DIR]',
        optional: false,
      },
    ],
    tags: { domain: ['neuroinformatics', 'image processing', 'mri'] },
    url: 'https://bids-apps.neuroimaging.io',
  };
}

function inputOf(name: string, definition: ArgDef, list: boolean): BoutiquesInput {
  const id = name.replaceAll('-', '_');
  const { description = '' } = definition;
  const common = { id, name: id, description, 'value-key': `[${id.toUpperCase()}]` };
  if (definition.type === 'positional') {
    const choices = name === 'analysis_level' ? { 'value-choices': ['participant', 'group'] } : {};
    return { ...common, type: name === 'bids_dir' ? 'File' : 'String', optional: false, ...choices };
  }
  const flag = { ...common, 'command-line-flag': `--${name}`, optional: true };
  if (definition.type === 'boolean') return { ...flag, type: 'Flag' };
  if (definition.type === 'enum')
    return { ...flag, type: 'String', 'value-choices': definition.options ?? [] };
  if (COUNTS.includes(name)) return { ...flag, type: 'Number', integer: true, minimum: 1 };
  if (list) return { ...flag, type: 'String', list: true, 'list-separator': ' ' };
  return { ...flag, type: 'String' };
}
