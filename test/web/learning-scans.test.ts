import { describe, expect, it } from 'vitest';
import { DatasetError, UsageError } from '../../src/core/errors.ts';
import { MemoryFiles } from '../../src/core/files.ts';
import { type FileRole, guessRole } from '../../src/imaging/dataset/file-role.ts';
import { LearningScans, type ScanFileToKeep } from '../../src/web/learning-scans.ts';
import { brainImage, image, inBrain, maskFile } from '../imaging/dataset/make.ts';
import { middleScan } from './make.ts';

function kept(files: readonly { name: string; bytes: Uint8Array }[]): Map<FileRole, ScanFileToKeep> {
  return new Map(files.map(({ name, bytes }) => [guessRole(name)!, { extension: 'nii.gz', bytes }]));
}

describe('scans to learn from', () => {
  it('are kept with their masks, under names of their own', async () => {
    const files = new MemoryFiles('learning');
    const scans = new LearningScans(files);
    await scans.add('p', 'learn', kept(middleScan()));
    await scans.add('p', 'aside', kept(middleScan('p', 5)));
    const list = await scans.list();
    expect(list.map(({ name, use }) => [name, use])).toEqual([
      ['p', 'learn'],
      ['p 2', 'aside'],
    ]);
    const loaded = await scans.load(list[1]!, { modalities: ['T1w', 'FLAIR'] });
    expect(loaded.subject).toBe('p 2');
    expect(loaded.channels.map(({ name }) => name)).toEqual(['T1w', 'FLAIR']);
    await scans.setUse(list[1]!.id, 'learn');
    expect((await new LearningScans(files).list())[1]!.use).toBe('learn');
    await scans.remove(list[0]!.id);
    expect((await scans.list()).map(({ name }) => name)).toEqual(['p 2']);
  });

  it('takes the place of the same scan with another mask', async () => {
    const scans = new LearningScans(new MemoryFiles());
    const first = kept(middleScan());
    await scans.add('p', 'learn', first);
    const corrected = new Map(first).set('lesions', kept(middleScan('x', 6)).get('lesions')!);
    corrected.set('brain', { extension: 'nii.gz', bytes: first.get('brain')!.bytes });
    await scans.add('p', 'aside', corrected);
    expect((await scans.list()).map(({ name, use }) => [name, use])).toEqual([['p', 'aside']]);
  });

  it('refuses a scan without a mask or a lesion, and keeps what was there', async () => {
    const files = new MemoryFiles();
    const scans = new LearningScans(files);
    const whole = kept(middleScan());
    await scans.add('p', 'learn', whole);
    const before = new Map(files.files);
    const bare = new Map(whole);
    bare.delete('lesions');
    await expect(scans.add('p', 'learn', bare)).rejects.toThrow(DatasetError);
    const small = kept([
      { name: 'q_FLAIR.nii.gz', bytes: image(brainImage(80)) },
      { name: 'q_brain_mask.nii.gz', bytes: maskFile(inBrain) },
      { name: 'q_lesion_mask.nii.gz', bytes: maskFile(() => 0) },
    ]);
    await expect(scans.add('q', 'learn', small)).rejects.toThrow(UsageError);
    expect(new Map(files.files)).toEqual(before);
    await scans.add('q', 'aside', small);
    expect(await scans.list()).toHaveLength(2);
  });

  it('passes over a scan that was written half', async () => {
    const files = new MemoryFiles();
    files.files.set('abc/FLAIR.nii.gz', new Uint8Array(3));
    files.files.set('def/scan.json', new TextEncoder().encode('{"name"'));
    expect(await new LearningScans(files).list()).toEqual([]);
  });
});
