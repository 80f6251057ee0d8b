import { readdirSync, readFileSync } from 'node:fs';

const root = new URL('../../', import.meta.url);

/** Files below a folder of the project that end in `suffix`, as sorted `/`-separated paths from the project's root. */
export function filesBelow(folder: string, suffix = ''): string[] {
  return readdirSync(new URL(`${folder}/`, root), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(suffix))
    .map((entry) => {
      const below = entry.parentPath.replaceAll('\\', '/').split(`/${folder}`).pop() ?? '';
      return `${folder}${below.replace(/\/$/, '')}/${entry.name}`;
    })
    .sort();
}

export function readText(path: string): string {
  return readFileSync(new URL(path, root), 'utf8');
}

/** Text of every file by path. */
export function readAll(paths: readonly string[]): Map<string, string> {
  return new Map(paths.map((path) => [path, readText(path)]));
}

/** TypeScript without comments; strings stay. */
export function withoutComments(text: string): string {
  return text.replace(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/.*/g,
    '$1',
  );
}
