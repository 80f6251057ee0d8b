import { describe, expect, it } from 'vitest';
import { filesBelow, readAll } from './sources.ts';

/** What only tasks, presets and images know. */
const WORDS = /lesion|tissue/i;

/** Lines of sources that say such a word, comments included. */
function breaches(sources: ReadonlyMap<string, string>): string[] {
  return [...sources].flatMap(([path, text]) =>
    text
      .split('\n')
      .flatMap((line, i) => (WORDS.test(line) ? [`${path}:${i + 1}: ${line.trim().slice(0, 80)}`] : [])),
  );
}

describe('the engine and the pipeline', () => {
  it('never say what the paper is about: a task does', () => {
    const files = [...filesBelow('src/engine', '.ts'), ...filesBelow('src/pipeline', '.ts')];
    // Shaders of every room are put together in one file.
    const sources = readAll(files.filter((path) => !path.endsWith('.generated.ts')));
    expect(sources.size).toBeGreaterThan(100);
    expect(breaches(sources)).toEqual([]);
  });

  it('would be found out', () => {
    const text = "const a = 1;\n// of LESIONS\nimport '../../imaging/tissue/b.ts';";
    expect(breaches(new Map([['src/engine/a.ts', text]]))).toHaveLength(2);
  });
});
