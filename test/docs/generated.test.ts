import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exportsOf, exportsPage } from '../../bench/docs/exports.ts';
import { COMMANDS } from '../../src/cli/commands.ts';
import { cliReference } from '../../src/cli/reference.ts';

const page = (name: string): string =>
  readFileSync(new URL(`../../src/docs/${name}`, import.meta.url), 'utf8');

describe('pages that follow from the code (npm run docs)', () => {
  it('the reference of the commands is theirs', () => {
    expect(page('cli.md')).toBe(cliReference());
    for (const { name, args } of COMMANDS) {
      const part = page('cli.md').split(`\n## ${name}\n`)[1]!.split('\n## ')[0]!;
      for (const option of Object.keys(args).filter((word) => args[word]!.type !== 'positional'))
        expect(part, name).toContain(`\`--${option}`);
    }
  });

  it('the list of exports is complete, and each says what it is', async () => {
    expect(page('api.md')).toBe(exportsPage());
    const entry = new URL('../../src/index.ts', import.meta.url);
    const listed = exportsOf(entry.pathname);
    // Types leave nothing to import; every value is there.
    for (const name of Object.keys((await import(entry.href)) as object))
      expect(listed.map((one) => one.name)).toContain(name);
    expect(listed.filter(({ says }) => says === '').map(({ name }) => name)).toEqual([]);
  });
});
