import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { IN_ORDER } from '../../src/pipeline/augment/augmentations.ts';
import { augmentationEntries } from '../../src/pipeline/train/setting-checks.ts';

const PAGE = readFileSync(new URL('../../src/docs/training.md', import.meta.url), 'utf8');

describe('the page about training', () => {
  it('has each augmentation in order, with its settings and their defaults', () => {
    const rows = [...PAGE.matchAll(/^\| `([\w-]+)` \|[^|]*\| ([^|]*) \|/gm)].map(([, name, settings]) => [
      name,
      settings,
    ]);
    const expected = IN_ORDER.map(({ name }) => [
      name,
      Object.entries(augmentationEntries([name]))
        .map(([setting, entry]) => `\`${setting}\` ${String(entry.default)}`)
        .join(', '),
    ]);
    expect(rows.slice(0, expected.length)).toEqual(expected);
  });
});
