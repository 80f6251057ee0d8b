import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sizeOf } from '../../src/core/shape.ts';
import { encodeModel } from '../../src/pipeline/models/model.ts';
import { variantConfig } from '../../src/study/presets/index.ts';
import { buildWeb } from '../support/chromium.ts';
import { buildCli, errorLines, runCli, startCli } from '../support/cli.ts';
import { presetInfo } from '../support/models.ts';
import { tensorsOf } from '../support/network-tensors.ts';

let folder: string;

beforeAll(() => {
  buildCli();
  buildWeb();
  folder = mkdtempSync(join(tmpdir(), 'voxelgrad-serve-'));
  mkdirSync(join(folder, 'my-run'));
  writeFileSync(join(folder, 'my-run/model.safetensors'), smallModel());
});

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
});

function smallModel(): Uint8Array {
  const network = variantConfig('single', ['FLAIR'], { baseChannels: 2, levels: 2 });
  const weights = new Map(
    tensorsOf(network).map(({ name, shape }) => [name, new Float32Array(sizeOf(shape)).fill(0.1)]),
  );
  const info = {
    variant: 'single',
    network,
    modalities: ['FLAIR'],
    threshold: 0.5,
    patch: 8,
    settings: {},
  } as const;
  return encodeModel({ info: presetInfo(info), weights });
}

describe('voxelgrad serve', () => {
  it('serves the app with the run first among the models, and ends with 0 on Ctrl+C', async () => {
    const running = await startCli(['serve', '--port', '0', '--json', '--run', 'my-run'], { cwd: folder });
    const { url, run } = JSON.parse(running.stdout()) as { url: string; run: string };
    expect(run).toBe('my-run');
    const index = await fetch(url);
    expect(index.status).toBe(200);
    expect(await index.text()).toContain('<div id="app">');
    const list = (await (await fetch(`${url}models.json`)).json()) as {
      models: { name: string; file: string }[];
    };
    expect(list.models.map(({ name }) => name)).toEqual([
      'my-run (single)',
      'MS lesions (ms-lesions)',
      'Phantoms, 2 mm (small)',
    ]);
    for (const { file } of list.models) expect((await fetch(url + file)).status).toBe(200);
    expect((await running.stop()).code).toBe(0);
  });

  it('says where it is in words', async () => {
    const running = await startCli(['serve', '--port', '0'], { cwd: folder });
    expect(running.stdout()).toMatch(/^voxelgrad is at http:\/\/localhost:\d+\/ \(this machine only/);
    expect((await running.stop()).code).toBe(0);
  });

  it.each([
    [['--port', '99999'], 2, /^error: --port must be a whole number/],
    [['--run', 'none'], 1, /^error: .*none.model\.safetensors: cannot be read/],
  ] as const)('refuses %s', async (words, code, message) => {
    const run = await runCli(['serve', ...words], { cwd: folder });
    expect(run.code).toBe(code);
    expect(errorLines(run)[0]).toMatch(message);
  });
});
