import { expect, it } from 'vitest';
import { MemoryFiles } from '../../src/core/files.ts';
import { removeUnfinished, unfinishedName } from '../../src/core/unfinished-files.ts';

it('takes away what a killed process left half-written, and nothing else', async () => {
  const files = new MemoryFiles();
  // The last two are as earlier versions named them.
  const [top, deep] = [unfinishedName('result.json'), `maps/anat/${unfinishedName('c1.nii.gz')}`];
  const half = [top, deep, '.result.json.77-0.tmp', '.voxelgrad-77-0.tmp'];
  // The names of locks that are being made are others'.
  const others = [
    'result.json',
    '.lock',
    '.lock.0b9d-41.tmp',
    '.lock.0b9d7c1e-1234-4321-1234-123456789012.tmp',
    'maps/notes.tmp',
    'maps/.tmp',
  ];
  for (const path of [...half, ...others]) await files.write(path, new Uint8Array(1));
  await removeUnfinished(files, '');
  expect([...files.files.keys()].sort()).toEqual([deep, ...others].sort());
  await removeUnfinished(files, '', true);
  expect([...files.files.keys()].sort()).toEqual([...others].sort());
});

it('gives every unfinished file a name of its own', () => {
  const names = new Set(Array.from({ length: 1000 }, () => unfinishedName('log.jsonl')));
  expect(names.size).toBe(1000);
});
