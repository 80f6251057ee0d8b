import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';

const ROOT = resolve(import.meta.dirname, '../..');

/** Entries of the package with the files that they are. */
const ENTRIES: Readonly<Record<string, string>> = {
  voxelgrad: 'src/index.ts',
  'voxelgrad/engine': 'src/entries/engine.ts',
  'voxelgrad/imaging': 'src/entries/imaging.ts',
  'voxelgrad/evaluate': 'src/entries/evaluate.ts',
  'voxelgrad/pipeline': 'src/entries/pipeline.ts',
  'voxelgrad/study': 'src/entries/study.ts',
  'voxelgrad/node': 'src/node.ts',
};

/** A name that an entry exports. */
export interface Exported {
  readonly name: string;
  readonly kind: string;
  /** The first sentence of its docstring; empty if it has none. */
  readonly says: string;
}

/** What a module exports by name, its own and what it hands on. */
export function exportsOf(path: string): Exported[] {
  const text = readFileSync(path, 'utf8');
  const found: Exported[] = [];
  for (const [, inside, from] of text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';/gm)) {
    const module = join(dirname(path), from!);
    const theirs = existsSync(module) ? new Map(exportsOf(module).map((one) => [one.name, one])) : new Map();
    for (const part of inside!
      .split(',')
      .map((word) => word.replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '').trim())) {
      if (part === '') continue;
      const [name, alias] = part.replace(/^type /, '').split(/ as /);
      const one = theirs.get(name!);
      if (!one) throw new Error(`${path}: where is ${name} of ${from}?`);
      found.push({ ...one, name: alias ?? name! });
    }
  }
  for (const [, from] of text.matchAll(/^export \* from '([^']+)';/gm))
    found.push(...exportsOf(join(dirname(path), from!)));
  for (const [, from, name] of [...text.matchAll(/^export \* as (\w+) from '([^']+)';/gm)].map((m) => [
    m[0],
    m[2],
    m[1],
  ]))
    found.push({
      name: name!,
      kind: 'namespace',
      says: firstSentence(readFileSync(join(dirname(path), from!), 'utf8')),
    });
  const declaration =
    /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\n)?^export (?:declare )?(?:abstract )?(async function\*?|function\*?|class|interface|type|const|let|enum) (\w+)/gm;
  for (const [, doc = '', kind, name] of text.matchAll(declaration))
    if (!found.some((one) => one.name === name))
      found.push({ name: name!, kind: kind!.replace('async ', ''), says: firstSentence(doc) });
  return found;
}

function firstSentence(doc: string): string {
  const text = doc
    .replace(/^\/\*\*|\*\/\s*$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''))
    .join('\n')
    .split(/\n\s*\n|\n\s*@|\s@(?:param|returns|throws)/)[0]!
    .replace(/\{@link (\w+)\}/g, '`$1`')
    .replace(/\s+/g, ' ')
    .trim();
  return /^.*?[.:?!](?= [A-Z`]|$)/.exec(text)?.[0] ?? text;
}

/** The list of all exports as Markdown. */
export function exportsPage(): string {
  const lines = [
    '# Exports',
    '',
    '<!-- Written by `npm run docs`: change the docstrings, not this page. -->',
    '',
    'Every export of the package with the first sentence of its documentation. An editor shows the rest: shapes, layouts, units and errors. How to use them: [as a library](library.md).',
  ];
  for (const [entry, file] of Object.entries(ENTRIES)) {
    const all = exportsOf(join(ROOT, file)).sort((a, b) => (a.name < b.name ? -1 : 1));
    lines.push('', `## ${entry}`, '', '| name | kind | |', '|---|---|---|');
    for (const { name, kind, says } of all)
      lines.push(`| \`${name}\` | ${kind} | ${says.replaceAll('|', '\\|').replaceAll('<', '&lt;')} |`);
  }
  return `${lines.join('\n')}\n`;
}
