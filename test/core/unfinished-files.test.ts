import { expect, it } from 'vitest';
import { MemoryFiles } from '../../src/core/files.ts';
import { removeUnfinished, unfinishedName } from '../../src/core/unfinished-files.ts';

it('takes away what a killed process left half-written, and nothing else', async () => {
  const files = new MemoryFiles();
  const half = [unfinishedName('result.json', 77, 0), `maps/anat/${unfinishedName('c1.nii.gz', 4, 12)}`];
  // The names of locks that are being made are others'.
  const others = [
    'result.json',
    '.lock',
    '.lock.0b9d-41.tmp',
    '.voxelgrad-77-0.tmp',
    'maps/notes.tmp',
    'maps/.tmp',
  ];
  for (const path of [...half, ...others]) await files.write(path, new Uint8Array(1));
  await removeUnfinished(files, '');
  expect([...files.files.keys()].sort()).toEqual([half[1], ...others].sort());
  await removeUnfinished(files, '', true);
  expect([...files.files.keys()].sort()).toEqual([...others].sort());
});
