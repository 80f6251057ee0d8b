import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readNifti } from '../../src/imaging/nifti/read.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';
import { useGpu } from '../support/gpu.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-half-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const context = useGpu();
const at = (name: string): string => join(folder, name);
const TINY = ['--patch', '16', '--levels', '2', '--base-channels', '2', '--steps', '3', '--subjects', '01'];

async function json(...words: string[]): Promise<Record<string, unknown>> {
  const result = await runCli([...words, '--json']);
  expect(result.code, result.stderr).toBe(0);
  return JSON.parse(result.stdout) as Record<string, unknown>;
}

async function probabilities(out: string, ...words: string[]): Promise<ArrayLike<number>> {
  const { scans } = await json('predict', at('run'), at('data'), out, '--subjects', '02', ...words);
  const [{ probabilities: file }] = scans as [{ probabilities: string }];
  return (await readNifti(readFileSync(file), file)).volume.data;
}

it('--precision f16 trains and predicts where the adapter has 16-bit floats, and is refused where not', {
  timeout: 300_000,
}, async () => {
  buildCli();
  await json('phantom', at('data'), '--subjects', '2', '--shape', '24,28,24', '--spacing', '7');
  const words = ['train', at('data'), at('run'), '--variant', 'single', ...TINY, '--precision', 'f16'];
  if (!context.gpu.capabilities.f16) {
    const refused = await runCli(words);
    expect(refused.code).toBe(1);
    const [error, hint] = errorLines(refused).filter((line) => /^(error|hint): /.test(line));
    expect(error).toMatch(/^error: .* has no 16-bit floats in shaders \(the WebGPU feature shader-f16\)/);
    expect(hint).toContain('--precision f32');
    expect(existsSync(join(at('run'), 'model.safetensors'))).toBe(false);
    return;
  }
  await json(...words);
  const log = readFileSync(join(at('run'), 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  for (const line of log) expect(JSON.parse(line).lossScale).toBe(2 ** 16);
  const [half, whole] = [
    await probabilities(at('half'), '--precision', 'f16'),
    await probabilities(at('whole')),
  ];
  let largest = 0;
  for (let i = 0; i < whole.length; i++) largest = Math.max(largest, Math.abs(half[i]! - whole[i]!));
  // 11 bits of mantissa, through a handful of layers: near, and not the same.
  expect(largest).toBeGreaterThan(0);
  expect(largest).toBeLessThan(0.02);
});
