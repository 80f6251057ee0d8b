import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildCli, type CliRun, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-tuned-'));
const at = (name: string): string => join(folder, name);
const env = { XDG_CACHE_HOME: at('cache') };
const NETWORK = ['--patch', '8', '--levels', '2', '--base-channels', '2', '--batch', '1'];
const MS = 300_000;

const run = (...words: string[]): Promise<CliRun> => runCli(words, { env });
const train = async (out: string, ...more: string[]): Promise<Record<string, string>> => {
  const words = ['train', at('phantoms'), at(out), '--variant', 'single', '--subjects', '01', '--steps', '2'];
  const { code, stderr } = await run(...words, ...NETWORK, ...more);
  expect(code, stderr).toBe(0);
  return (
    JSON.parse(readFileSync(join(at(out), 'config.json'), 'utf8')) as { kernels: Record<string, string> }
  ).kernels;
};

beforeAll(async () => {
  buildCli();
  const shape = ['--shape', '25,25,25', '--spacing', '8'];
  await run('phantom', at('phantoms'), '--subjects', '1', '--visits', '1', ...shape);
});
afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

describe('a tuned run', () => {
  it('takes what tune found, records it, and is repeated with it after another search', {
    timeout: MS,
  }, async () => {
    const untuned = await train('untuned');
    const tuning = await run('tune', ...NETWORK, '--json');
    expect(tuning.code, tuning.stderr).toBe(0);
    const { slots } = JSON.parse(tuning.stdout) as { slots: { slot: string; variant: string }[] };
    expect(slots.length).toBeGreaterThan(4);

    // What a search finds depends on the clock: a choice that no table would make is put in its place.
    const path = join(at('cache'), 'voxelgrad', 'tuning');
    const file = join(path, readdirSync(path)[0]!);
    const cache = JSON.parse(readFileSync(file, 'utf8')) as {
      slots: Record<string, { variant: string; times: Record<string, number> }>;
    };
    const [slot, odd] = Object.entries(cache.slots).flatMap(([name, { times }]) => {
      const other = Object.keys(times).find((variant) => variant !== untuned[name]);
      return name in untuned && other ? [[name, other] as const] : [];
    })[0]!;
    cache.slots[slot]!.variant = odd;
    writeFileSync(file, JSON.stringify(cache));
    const tuned = await train('tuned');
    expect(tuned[slot]).toBe(odd);

    // Another search, another choice: the recorded one is kept where the run is repeated.
    cache.slots[slot]!.variant = untuned[slot]!;
    writeFileSync(file, JSON.stringify(cache));
    const log = join(at('tuned'), 'log.jsonl');
    const again = await train('again', '--config', join(at('tuned'), 'config.json'), '--verify-log', log);
    expect(again[slot]).toBe(odd);
    expect((await train('anew'))[slot]).toBe(untuned[slot]);
  });
});
