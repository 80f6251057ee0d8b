import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { attachTissues } from '../../src/cli/attach-tissues.ts';
import { claimFolder, requireNew, requireOwnFolder } from '../../src/cli/own-folder.ts';
import { MemoryFiles } from '../../src/core/files.ts';
import type { Dataset, Scan } from '../../src/imaging/dataset/dataset.ts';
import { openDataset } from '../../src/imaging/dataset/open-dataset.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';
import { buildCli, runCli } from '../support/cli.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voxelgrad-own-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Two visits of one patient, and one visit of another, with maps of two sources. */
async function dataset(): Promise<Dataset> {
  const files = new MemoryFiles('set');
  const put = (path: string): Promise<void> => files.write(path, new Uint8Array(1));
  for (const stem of [
    'sub-01/ses-a/anat/sub-01_ses-a',
    'sub-01/ses-b/anat/sub-01_ses-b',
    'sub-02/anat/sub-02',
  ]) {
    await put(`${stem}_T1w.nii.gz`);
    for (const source of ['fast', 'cat12'])
      for (const label of ['GM', 'WM', 'CSF'])
        await put(`derivatives/${source}/${stem}_label-${label}_probseg.nii.gz`);
  }
  return await openDataset(files);
}

describe('the folder of outputs', () => {
  it('keeps what it holds of a scan, whichever file it is, unless that may be replaced', async () => {
    const scans = (await dataset()).subjects.flatMap((subject): readonly Scan[] => subject.scans);
    const out = new NodeFolder(folder);
    await claimFolder(out, 'voxelgrad predictions');
    await requireOwnFolder(out, 'voxelgrad predictions');
    await requireNew(out, scans, false);
    await out.write('sub-01/ses-b/anat/sub-01_ses-b_label-L_mask.nii.gz', new Uint8Array(1));
    await expect(requireNew(out, scans, false)).rejects.toThrow(
      `${folder}: holds files of sub-01_ses-b already`,
    );
    await requireNew(out, scans, true);
    await requireNew(out, scans.slice(0, 1), false);
    await out.write('sub-02/anat/sub-02_desc-corrected_mask.nii.gz', new Uint8Array(1));
    await expect(requireNew(out, scans, false)).rejects.toThrow('sub-01_ses-b, sub-02 already');
  });
});

describe('the folder of a demo', () => {
  it('holds nothing else', async () => {
    buildCli();
    mkdirSync(join(folder, 'dataset'));
    mkdirSync(join(folder, 'thesis'));
    const { code, stderr } = await runCli(['demo', folder]);
    expect(stderr).toContain(`error: ${folder}: holds files that are not a demo's (thesis)`);
    expect(code).toBe(1);
  });
});

describe('maps', () => {
  it('of a source that is not there: the error lists those that are', async () => {
    const set = await dataset();
    expect(await attachTissues(set, 'fast')).toBe(set);
    await expect(attachTissues(set, 'spm')).rejects.toThrow(
      '"spm" is neither a source of maps in set nor a folder',
    );
    await expect(attachTissues(set, 'spm')).rejects.toMatchObject({
      hint: 'Sources are cat12, fast; a folder is given by its path.',
    });
    const found = await attachTissues(set, folder);
    expect(found.subjects[0]!.scans[0]!.tissues.size).toBe(0);
  });

  it.skipIf(process.platform === 'win32')(
    'in a folder that may not be read are told apart from a typo',
    async () => {
      const closed = join(folder, 'closed');
      mkdirSync(join(closed, 'maps'), { recursive: true });
      chmodSync(closed, 0);
      const isRoot = process.getuid?.() === 0;
      chmodSync(folder, 0o755);
      if (isRoot) process.seteuid?.(65534);
      try {
        await expect(attachTissues(await dataset(), join(closed, 'maps'))).rejects.toThrow(
          /maps: cannot be read: permission denied \(EACCES\)/,
        );
      } finally {
        if (isRoot) process.seteuid?.(0);
        chmodSync(closed, 0o700);
      }
    },
  );
});
