import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bidsPatient } from '../imaging/dataset/make.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-shipped-'));
const dataset = join(folder, 'dataset');
const MODEL = fileURLToPath(new URL('../../src/web/public/models/ms-lesions.safetensors', import.meta.url));

beforeAll(() => {
  buildCli();
  for (const [path, bytes] of Object.entries(bidsPatient('01'))) {
    if (path.endsWith('T1w.nii.gz')) continue;
    mkdirSync(dirname(join(dataset, path)), { recursive: true });
    writeFileSync(join(dataset, path), bytes);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('the network that comes with the program', () => {
  it('predicts by its name as by its file, from the FLAIR alone, and says so', async () => {
    const masks: Buffer[] = [];
    for (const [run, out] of [
      ['ms-lesions', 'by-name'],
      [MODEL, 'by-file'],
    ] as const) {
      const done = await runCli(['predict', run, dataset, join(folder, out), '--json']);
      expect(done.code, done.stderr).toBe(0);
      expect(done.stderr).toContain('there is no T1w: the network saw FLAIR alone');
      const { scans } = JSON.parse(done.stdout) as { scans: { probabilities: string }[] };
      masks.push(readFileSync(scans[0]!.probabilities));
    }
    expect(masks[1]).toEqual(masks[0]);
    const sidecar = join(folder, 'by-name/sub-01/anat/sub-01_space-orig_label-L_mask.json');
    expect(readFileSync(sidecar, 'utf8')).toContain('there is no T1w');
  });

  it('is listed by its name, and offered where a name is not known', async () => {
    const { stdout } = await runCli(['models', folder, '--json']);
    const { models } = JSON.parse(stdout) as { models: { name: string; origin: string }[] };
    expect(models.filter(({ origin }) => origin === 'shipped').map(({ name }) => name)).toEqual([
      'ms-lesions',
      'phantoms',
    ]);
    const [error, hint] = errorLines(await runCli(['predict', 'ms-lesion', dataset, join(folder, 'none')]));
    expect(error).toContain('ms-lesion: there is no such folder');
    expect(hint).toContain('ms-lesions, phantoms');
  });
});
