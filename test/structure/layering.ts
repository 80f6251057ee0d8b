import { withoutComments } from './sources.ts';

/**
 * The house order: four doors in a row, and the rooms behind each. A room may import itself, the rooms named here, what
 * these may import in turn, and nothing else. `platform` stands beside the row.
 */
const DIRECTLY_BELOW: Readonly<Record<string, readonly string[]>> = {
  core: [],
  'engine/gpu': ['core'],
  'engine/tape': ['engine/gpu'],
  'engine/ops': ['engine/tape'],
  'engine/loss': ['engine/tape'],
  'engine/optim': ['engine/tape'],
  'engine/nn': ['engine/ops', 'engine/loss', 'engine/optim'],
  'engine/checkpoint': ['engine/nn'],
  'engine/trainer': ['engine/checkpoint'],
  'engine/tune': ['engine/nn'],
  'imaging/volume': ['core'],
  'imaging/nifti': ['imaging/volume'],
  'imaging/dataset': ['imaging/nifti'],
  'imaging/evaluate': ['imaging/dataset'],
  'imaging/report': ['imaging/evaluate'],
  'imaging/change': ['imaging/evaluate'],
  'imaging/regions': ['imaging/register'],
  'imaging/synthesize': ['imaging/nifti'],
  'imaging/results': ['imaging/report', 'imaging/regions', 'imaging/change'],
  'imaging/tissue': ['imaging/dataset', 'engine/checkpoint'],
  'imaging/dicom': ['core'],
  'imaging/register': ['imaging/volume', 'engine/tape'],
  'imaging/bias': ['imaging/volume'],
  'pipeline/task': ['imaging/dataset', 'engine/checkpoint'],
  'pipeline/augment': ['engine/tape'],
  'pipeline/sampler': ['pipeline/augment'],
  'pipeline/models': ['pipeline/task'],
  'pipeline/exchange': ['pipeline/models'],
  'pipeline/predict': ['pipeline/models', 'imaging/results'],
  'pipeline/recipes': ['core'],
  'pipeline/slurm': ['core'],
  'pipeline/train': [
    'pipeline/recipes',
    'pipeline/sampler',
    'pipeline/predict',
    'pipeline/exchange',
    'imaging/report',
  ],
  'pipeline/prepare': ['imaging/register', 'imaging/bias', 'imaging/dicom', 'pipeline/predict'],
  'pipeline/bench': ['engine/tune', 'pipeline/predict'],
  study: ['pipeline/slurm', 'pipeline/train', 'pipeline/prepare', 'imaging/tissue', 'imaging/synthesize'],
  platform: ['engine/gpu', 'imaging/dicom'],
  cli: ['study', 'platform', 'pipeline/bench', 'pipeline/exchange'],
  web: ['study', 'platform'],
  'index.ts': ['engine/trainer', 'study', 'platform', 'pipeline/exchange'],
  'index.node.ts': ['index.ts'],
  entries: ['index.ts'],
  'node.ts': ['index.ts'],
};

/** Packages that only run on Node, and the room that may import them. */
const NODE_PACKAGES: Readonly<Record<string, string>> = {
  webgpu: 'platform',
  nanotar: 'platform',
  '@sparticuz/chromium': 'platform',
  citty: 'cli',
  'cli-progress': 'cli',
};

/** Node's globals; browsers have none of them. */
const NODE_GLOBALS = /\b(?:process|Buffer|__dirname|__filename)\s*[.[]|\brequire\s*\(/;

/** A module of src with what it imports, types included, and what of it is left when it runs. */
interface Module {
  readonly path: string;
  readonly room: string;
  readonly imports: readonly string[];
  readonly atRunTime: readonly string[];
}

/**
 * Every breach of the order in a set of sources:
 * - an import from one room into another that is not below it;
 * - a circle of imports (types, which the compiler erases, left out);
 * - `webgpu` or `node:*`, or a package or global of Node's, outside src/platform (command-line packages: src/cli);
 * - a browser-safe entry (src/index.ts, src/entries, src/web) that reaches a module of Node's.
 *
 * @param sources text by path, such as `src/ops/relu.ts`
 * @returns one line a breach, naming the file, the import and the rule
 */
export function layeringBreaches(sources: ReadonlyMap<string, string>): string[] {
  const modules = new Map([...sources].map(([path, text]) => [path, parse(path, text)]));
  const breaches: string[] = [];
  for (const module of modules.values()) {
    for (const name of module.imports) breaches.push(...importBreaches(module, name, modules));
    const uses = NODE_GLOBALS.exec(withoutStrings(withoutComments(sources.get(module.path)!)));
    if (uses && module.room !== 'platform')
      breaches.push(`${module.path}: uses ${uses[0]} of Node's; only src/platform may`);
  }
  for (const circle of circles(modules)) breaches.push(`${circle.join(' -> ')}: imports in a circle`);
  for (const module of modules.values()) {
    if (module.path !== 'src/index.ts' && module.room !== 'entries' && module.room !== 'web') continue;
    const path = pathToNode(module, modules);
    if (path) breaches.push(`${path.join(' -> ')}: a browser-safe entry reaches Node's`);
  }
  return breaches;
}

const IMPORT =
  /(?:\b(?:import|export)\s+(type\s+[\w{*])?[^;'"()]*?\bfrom|\bimport)\s*\(?\s*(['"])([^'"]+)\2/g;

function parse(path: string, text: string): Module {
  const found = [...withoutComments(text).matchAll(IMPORT)];
  const names = (matches: readonly RegExpExecArray[]): string[] => matches.map((match) => match[3]!);
  const atRunTime = names(found.filter((match) => !match[1]));
  return { path, room: roomOf(path), imports: names(found), atRunTime };
}

/** Doors whose folders are rooms of their own. */
const DOORS: ReadonlySet<string> = new Set(['engine', 'imaging', 'pipeline']);

function roomOf(path: string): string {
  const [, first = '', second = ''] = path.split('/');
  return DOORS.has(first) ? `${first}/${second}` : first;
}

function withoutStrings(text: string): string {
  return text.replace(/"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'/g, "''");
}

function importBreaches(module: Module, name: string, modules: ReadonlyMap<string, Module>): string[] {
  const { path, room } = module;
  if (!/^[./]/.test(name)) {
    const owner = name.startsWith('node:') ? 'platform' : NODE_PACKAGES[packageOf(name)];
    return owner && owner !== room ? [`${path}: imports ${name}; only src/${owner} may`] : [];
  }
  const target = resolve(path, name);
  if (!target.startsWith('src/')) return [`${path}: imports ${name}, outside src`];
  if (!modules.has(target) && !target.endsWith('.generated.ts'))
    return [`${path}: imports ${name}, which is no file`];
  const other = roomOf(target);
  if (other === room) return [];
  if (!(room in DIRECTLY_BELOW)) return [`${path}: ${room} is no room of the house order`];
  return below(room).has(other) ? [] : [`${path}: imports ${target}; ${other} is not below ${room}`];
}

/** Rooms that a room may import. */
function below(room: string, seen: Set<string> = new Set()): Set<string> {
  for (const next of DIRECTLY_BELOW[room] ?? []) {
    if (seen.has(next)) continue;
    seen.add(next);
    below(next, seen);
  }
  return seen;
}

function packageOf(name: string): string {
  return name
    .split('/')
    .slice(0, name.startsWith('@') ? 2 : 1)
    .join('/');
}

function resolve(path: string, name: string): string {
  return new URL(name, `file:///${path}`).pathname.slice(1);
}

/** Modules that are loaded with this one. */
function targets(module: Module, modules: ReadonlyMap<string, Module>): Module[] {
  return module.atRunTime.flatMap((name) => {
    const target = name.startsWith('.') ? modules.get(resolve(module.path, name)) : undefined;
    return target ? [target] : [];
  });
}

/** One path around each circle that a depth-first walk closes. */
function circles(modules: ReadonlyMap<string, Module>): string[][] {
  const found: string[][] = [];
  const done = new Set<Module>();
  const walk = (module: Module, trail: readonly Module[]): void => {
    const start = trail.indexOf(module);
    if (start >= 0) found.push([...trail.slice(start), module].map(({ path }) => path));
    if (start >= 0 || done.has(module)) return;
    for (const next of targets(module, modules)) walk(next, [...trail, module]);
    done.add(module);
  };
  for (const module of modules.values()) walk(module, []);
  return found;
}

/** The shortest path from a module to one that imports `webgpu` or `node:*`. */
function pathToNode(from: Module, modules: ReadonlyMap<string, Module>): string[] | undefined {
  const queue: Module[][] = [[from]];
  const seen = new Set([from]);
  for (let trail = queue.shift(); trail; trail = queue.shift()) {
    const last = trail[trail.length - 1]!;
    const bad = last.atRunTime.find((name) => name.startsWith('node:') || packageOf(name) in NODE_PACKAGES);
    if (bad) return [...trail.map(({ path }) => path), bad];
    for (const next of targets(last, modules)) {
      if (seen.has(next)) continue;
      seen.add(next);
      queue.push([...trail, next]);
    }
  }
  return undefined;
}
