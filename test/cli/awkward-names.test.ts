import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-names-'));
/** Clears the screen, names the window, in two ways each, and turns the direction of text. */
const ESCAPES = '\u001b[2J\u001b]0;owned\u0007\u009b2J\u202e\r';
beforeAll(buildCli, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A safetensors file with this header. */
function withHeader(text: string): Uint8Array {
  const header = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + header.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  return bytes;
}

function run(name: string, header: string): string {
  const path = join(folder, name);
  mkdirSync(path);
  writeFileSync(join(path, 'model.safetensors'), withHeader(header));
  return path;
}

describe('what a terminal would obey', { timeout: 60_000 }, () => {
  it.skipIf(process.platform === 'win32')('never reaches it from a path, a model or an option', async () => {
    const escaped = run(`x${ESCAPES.replaceAll('\u001b]0;owned\u0007', '')}`, '{}');
    const named = run('named', JSON.stringify({ [ESCAPES]: 1 }));
    for (const words of [
      ['predict', escaped, folder, join(folder, 'out')],
      ['predict', named, folder, join(folder, 'out')],
      ['predict', join(folder, ESCAPES), folder, join(folder, 'out')],
      [`train${ESCAPES}`],
    ])
      for (const json of [[], ['--json']]) {
        const { code, stdout, stderr } = await runCli([...words, ...json]);
        expect(code).toBeGreaterThan(0);
        expect(stderr).toMatch(/^error: /m);
        expect(stderr + stdout).not.toMatch(/[^\P{Cc}\n\t]|[\u202a-\u202e]/u);
        if (json.length > 0 && words.length > 1) expect(JSON.parse(stdout)).toHaveProperty('error');
      }
  });

  it('deeply nested JSON is a damaged file, not a defect', async () => {
    const deep = `${'{"a":'.repeat(50_000)}1${'}'.repeat(50_000)}`;
    const { stderr, code } = await runCli(['predict', run('deep', deep), folder, join(folder, 'out')]);
    expect(stderr).toMatch(/error: .*model\.safetensors: the header is no(t)? JSON/);
    expect(code).toBe(1);
    const config = join(folder, 'deep.json');
    writeFileSync(config, deep);
    const trained = await runCli(['train', folder, join(folder, 'out'), '--config', config]);
    expect(trained.stderr).toMatch(/error: .*deep\.json is no(t)? JSON: .*200 levels/);
    expect(trained.code).toBe(2);
  });
});
