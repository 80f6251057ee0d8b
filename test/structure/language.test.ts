import { describe, expect, it } from 'vitest';
import { filesBelow, readAll } from './sources.ts';

/** Wording that reads as translated, with what to write instead. */
const FORBIDDEN: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/(?<!there )\b(?:is|are|was|were) no (?!longer|more than|less than|such)/gi, '"is not a …"'],
  [/\ba line an? \w/gi, '"one line per …"'],
  [/\b(?:go|goes|going|went) on\b/gi, '"continue", "resume"'],
  [/\bby (?:itself|themselves)\b/gi, '"alone", "automatically"'],
  [/\bwhoever\b/gi, '"anyone who", "a patient who"'],
  [/\bwhat was gained\b/gi, 'the gain, with its number'],
  [/\bmade-up\b/gi, '"phantom"'],
  [/(?<=^|[\s(])\.\d/gm, 'a number with a digit before its point: 0.94'],
];

interface Breach {
  readonly where: string;
  readonly text: string;
  readonly instead: string;
}

function breaches(path: string, text: string, offset: number, whole: string): Breach[] {
  return FORBIDDEN.flatMap(([pattern, instead]) =>
    [...text.matchAll(pattern)].map((match) => ({
      where: `${path}:${whole.slice(0, offset + match.index).split('\n').length}`,
      text: text.slice(Math.max(0, match.index - 30), match.index + 40).replace(/\s+/g, ' '),
      instead,
    })),
  );
}

/** The strings of a source file, comments left out; places are kept. */
function breachesOfSource(path: string, source: string): Breach[] {
  const blank = (text: string): string => text.replace(/[^\n]/g, ' ');
  const token = /('(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|`(?:\\.|[^`\\])*`)|\/\*[\s\S]*?\*\/|\/\/.*/g;
  const code = source.replace(token, (all, string: string | undefined) => string ?? blank(all));
  return [...code.matchAll(token)].flatMap((match) => breaches(path, match[0], match.index, source));
}

const lines = (found: readonly Breach[]): string[] =>
  found.map(({ where, text, instead }) => `${where}: …${text}…: write ${instead}`);

describe('the language of what users read', () => {
  it('messages, help texts and labels are plain English', () => {
    const sources = readAll(filesBelow('src', '.ts').filter((path) => !path.endsWith('.generated.ts')));
    expect(sources.size).toBeGreaterThan(300);
    expect(lines([...sources].flatMap(([path, text]) => breachesOfSource(path, text)))).toEqual([]);
  });

  it('so are the pages', () => {
    const pages = readAll([
      'README.md',
      'CHANGELOG.md',
      'bench/README.md',
      ...filesBelow('src/docs', '.md').filter((path) => !path.endsWith('/CONTRIBUTING.md')),
      ...filesBelow('src/web', '.html'),
    ]);
    expect(pages.size).toBeGreaterThan(20);
    expect(lines([...pages].flatMap(([path, text]) => breaches(path, text, 0, text)))).toEqual([]);
  });

  it('would be found out', () => {
    const source = `// goes on\nconst a = 'it is no file; a line a step';\nconst b = \`.94 of it\`; const c = x.94;`;
    const found = breachesOfSource('a.ts', source);
    expect(found.map(({ where }) => where)).toEqual(['a.ts:2', 'a.ts:2']);
    expect(breaches('a.md', 'Dice was .94 and it goes on', 0, 'Dice')).toHaveLength(2);
    expect(breaches('a.md', 'there is no mask, version 1.94', 0, '')).toEqual([]);
  });
});
