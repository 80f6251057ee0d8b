import { describe, expect, it } from 'vitest';
import { flagMentions } from './flags.ts';
import { filesBelow, readAll } from './sources.ts';

describe('command-line flags', () => {
  it('are named nowhere below src/cli', () => {
    const paths = filesBelow('src', '.ts').filter((path) => !path.endsWith('.generated.ts'));
    expect(flagMentions(readAll(paths))).toEqual([]);
  });

  it('are found by the check in texts and comments', () => {
    const found = (path: string, text: string): string[] => flagMentions(new Map([[path, text]]));
    expect(found('src/engine/a.ts', "hint: 'Use --precision f32, or (--clip 1).'")).toEqual([
      'src/engine/a.ts:1: --precision',
      'src/engine/a.ts:1: --clip',
    ]);
    expect(found('src/core/a.ts', '\n// as for `--tissue DIR`')).toEqual(['src/core/a.ts:2: --tissue']);
    expect(found('src/web/a.ts', "text: '--tile must be'")).toEqual(['src/web/a.ts:1: --tile']);
    expect(found('src/cli/a.ts', "'--tile must be'")).toEqual([]);
  });

  it('are not confused with decrements, custom properties of CSS and flags of other programs', () => {
    const text = 'n--; for (let i = 3; i--; ) a[--i]; ":root{--ground:#fff;color:var(--ground)}"';
    expect(flagMentions(new Map([['src/imaging/a.ts', text.replace('a[--i]', '')]]))).toEqual([]);
    expect(flagMentions(new Map([['src/platform/checkout.ts', "'--dirty', '--wet'"]]))).toEqual([
      'src/platform/checkout.ts:1: --wet',
    ]);
  });
});
