import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readNifti } from '../../src/imaging/nifti/read.ts';
import { bidsPatient, lesion, values } from '../imaging/dataset/make.ts';
import { buildCli, errorLines, runCli } from '../support/cli.ts';

const folder = mkdtempSync(join(tmpdir(), 'voxelgrad-correct-'));
const dataset = join(folder, 'set');
const tissue = join(dataset, 'derivatives/spm');
const lesions = join(dataset, 'derivatives/lesions');

beforeAll(() => {
  buildCli();
  for (const id of ['07', '19'])
    for (const [path, bytes] of Object.entries(bidsPatient(id))) {
      mkdirSync(dirname(join(dataset, path)), { recursive: true });
      writeFileSync(join(dataset, path), bytes);
    }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('correct-tissue', () => {
  it('makes lesions white matter, says where the maps come from, and replaces them only if asked to', async () => {
    const out = join(folder, 'out');
    const run = await runCli(['correct-tissue', tissue, lesions, out, '--json']);
    expect(run.code, run.stderr).toBe(0);
    const { scans } = JSON.parse(run.stdout) as { scans: { subject: string; maps: string[] }[] };
    expect(scans.map(({ subject }) => subject)).toEqual(['07', '19']);
    const wanted = values(lesion);
    for (const [i, share] of [0, 1, 0].entries()) {
      const path = join(out, scans[0]!.maps[i]!);
      const { data } = (await readNifti(readFileSync(path), path)).volume;
      const inside = data.filter((_, v) => wanted[v] !== 0);
      expect([...new Set(inside)]).toEqual([share]);
    }
    const described = JSON.parse(readFileSync(join(out, 'dataset_description.json'), 'utf8')) as object;
    expect(described).toMatchObject({
      DatasetLinks: { maps: '../set/derivatives/spm', lesions: '../set/derivatives/lesions' },
    });
    const sidecar = readFileSync(join(out, scans[0]!.maps[0]!.replace(/\.nii(\.gz)?$/, '.json')), 'utf8');
    expect(sidecar).toContain('bids:lesions:sub-07/anat/sub-07_label-lesion_mask.nii.gz');
    const again = await runCli(['correct-tissue', tissue, lesions, out]);
    expect(again.code).toBe(1);
    expect(errorLines(again)[0]).toMatch(/holds .*c1sub-07.* already/);
    expect((await runCli(['correct-tissue', tissue, lesions, out, '--overwrite'])).code).toBe(0);
  });

  it('does not write over what it reads, nor among other files', async () => {
    const same = await runCli(['correct-tissue', tissue, lesions, tissue]);
    expect(same.code).toBe(2);
    const before = readdirSync(dataset).sort();
    const among = await runCli(['correct-tissue', tissue, lesions, dataset]);
    expect(among.code).toBe(1);
    expect(errorLines(among)[0]).toMatch(/holds files that are not corrected tissue maps/);
    expect(readdirSync(dataset).sort()).toEqual(before);
  });

  it('says which scans have no lesion mask', async () => {
    const few = join(folder, 'few');
    mkdirSync(few);
    const run = await runCli(['correct-tissue', tissue, few, join(folder, 'none')]);
    expect(run.code).toBe(1);
    expect(errorLines(run)[0]).toMatch(/few: there is no lesion mask for sub-07, sub-19/);
  });
});
