import { readText } from './sources.ts';

/** A name that an entry exports. */
export interface Exported {
  readonly name: string;
  readonly isType: boolean;
  /** Where it is declared. */
  readonly path: string;
  /** The comment right before its declaration; empty if there is none. */
  readonly doc: string;
}

const LIST = /export (type )?\{([^}]*)\} from '([^']+)'/g;
const SPACE = /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*)?export \* as (\w+) from '([^']+)'/g;
const ALL = /export \* from '([^']+)'/g;

/** Everything that a module exports from others, and where it is declared. */
export function exportsOf(path: string): Exported[] {
  const text = readText(path);
  const lists = [...text.matchAll(LIST)].flatMap(([, allTypes, names, from]) =>
    names!
      .split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .map((name) => {
        const [declared = '', alias = declared] = name.replace(/^type /, '').split(' as ');
        const isType = allTypes !== undefined || name.startsWith('type ');
        return { ...declarationOf(resolve(path, from!), declared), name: alias, isType };
      }),
  );
  const spaces = [...text.matchAll(SPACE)].map(([, doc = '', name]) => ({
    name: name!,
    isType: false,
    path,
    doc,
  }));
  const all = [...text.matchAll(ALL)].flatMap(([, from]) => {
    const target = resolve(path, from!);
    return [...exportsOf(target), ...declaredIn(target)];
  });
  return [...lists, ...spaces, ...all];
}

/** What a namespace that an entry exports holds. */
export function namespaceOf(path: string, name: string): Exported[] {
  const found = [...readText(path).matchAll(SPACE)].find((match) => match[2] === name);
  if (!found) throw new Error(`${path} exports no namespace ${name}`);
  const target = resolve(path, found[3]!);
  return [...exportsOf(target), ...declaredIn(target)];
}

const DECLARATION =
  /(\/\*\*(?:(?!\*\/)[\s\S])*\*\/\s*)?(?:\/\/.*\s+)*export (?:async )?(?:abstract )?(function\*?|const|class|interface|type) (\w+)/g;

function declaredIn(path: string): Exported[] {
  return [...readText(path).matchAll(DECLARATION)].map(([, doc = '', kind, name]) => ({
    name: name!,
    isType: kind === 'interface' || kind === 'type',
    path,
    doc,
  }));
}

function declarationOf(path: string, name: string): Exported {
  const own = declaredIn(path).filter((each) => each.name === name);
  // Overloads: the first is documented. What a module passes on is declared elsewhere.
  const found = own[0] ?? exportsOf(path).find((each) => each.name === name);
  if (!found) throw new Error(`${path} declares no ${name}`);
  return found;
}

function resolve(path: string, name: string): string {
  return new URL(name, `file:///${path}`).pathname.slice(1);
}
