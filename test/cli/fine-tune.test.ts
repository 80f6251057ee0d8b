import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bidsPatient } from '../imaging/dataset/make.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';
import { tinyFolder } from '../support/nnunet-folder.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-fine-tune-'));
const at = (name: string): string => join(folder, name);

function put(path: string, content: Uint8Array | string): void {
  mkdirSync(dirname(at(path)), { recursive: true });
  writeFileSync(at(path), content);
}

beforeAll(() => {
  buildCli();
  put('dataset/dataset_description.json', JSON.stringify({ Name: 'two', BIDSVersion: '1.8.0' }));
  for (const id of ['01', '02'])
    for (const [path, bytes] of Object.entries(bidsPatient(id))) put(`dataset/${path}`, bytes);
  for (const [path, bytes] of tinyFolder().files) put(`nnunet/${path}`, bytes);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('an nnU-Net that is trained further', () => {
  it('is imported, begun from with other images and labels, resumed, and predicts', async () => {
    const imported = await runCli(['import', 'nnunet', at('nnunet'), at('net'), '--json']);
    expect(imported.code, imported.stderr).toBe(0);
    const listed = await runCli(['models', at('net'), '--json']);
    expect(listed.code, listed.stderr).toBe(0);

    const line = ['train', at('dataset'), at('run'), '--init', at('net'), '--preset', 'single', '--resume'];
    const small = ['--modalities', 'FLAIR,T1w', '--patch', '8', '--batch', '1', '--steps', '2', '--json'];
    const first = await runCli([...line, ...small]);
    expect(first.code, first.stderr).toBe(0);
    expect(first.stderr).toContain('was made elsewhere');
    const config = JSON.parse(readFileSync(at('run/config.json'), 'utf8')) as Record<string, unknown>;
    expect(config.settings).toMatchObject({ preset: 'single', network: 'nnunet' });
    expect(config.initialModel).toMatchObject({
      name: 'net',
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });

    const again = await runCli([...line, ...small]);
    expect(again.code, again.stderr).toBe(0);
    expect(again.stderr).toContain('the run is finished');
    const predicted = await runCli(['predict', at('run'), at('dataset'), at('out'), '--json']);
    expect(predicted.code, predicted.stderr).toBe(0);
  });

  it('tells what a place that is no model is', async () => {
    const refused = await runCli(['train', at('dataset'), at('none'), '--init', 'no-such-network']);
    expect(refused.code).not.toBe(0);
    expect(errorLines(refused)[0]).toContain('no-such-network: there is no such folder');
  });
});
