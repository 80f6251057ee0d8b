import { describe, expect, it } from 'vitest';
import type { FileRole } from '../../../src/imaging/dataset/file-role.ts';
import { loadScan } from '../../../src/imaging/dataset/load-scan.ts';
import { scanOfFiles } from '../../../src/imaging/dataset/loose-files.ts';
import { brainImage, image, inBrain, lesion, maskFile, names, tree } from './make.ts';

const roles = (entries: Readonly<Record<string, FileRole>>): Map<string, FileRole> =>
  new Map(Object.entries(entries));

describe('scanOfFiles', () => {
  it('makes a scan that loads', async () => {
    const files = tree({
      'a.nii': image(brainImage(40)),
      'b.nii': image(brainImage(-20)),
      'm.nii': maskFile(lesion),
      'brain.nii': maskFile(inBrain),
    });
    const { dataset, scan } = scanOfFiles(
      files,
      roles({ 'b.nii': 'T1w', 'a.nii': 'FLAIR', 'm.nii': 'lesions', 'brain.nii': 'brain' }),
      'seven',
    );
    const loaded = await loadScan(dataset, scan);
    expect(loaded.channels.map(({ name }) => name)).toEqual(['FLAIR', 'T1w']);
    expect(loaded.subject).toBe('seven');
    expect(loaded.brainSource).toBe('mask');
    expect([...(loaded.lesions ?? [])].filter((v) => v === 1)).toHaveLength(9);
  });

  it('takes all three tissue maps, or none', () => {
    const files = names('f.nii', 'g.nii', 'w.nii', 'c.nii');
    const three = roles({ 'f.nii': 'FLAIR', 'g.nii': 'GM', 'w.nii': 'WM', 'c.nii': 'CSF' });
    expect(scanOfFiles(files, three).scan.tissues.get('files')).toMatchObject({ GM: 'g.nii', CSF: 'c.nii' });
    three.delete('w.nii');
    expect(() => scanOfFiles(files, three)).toThrow('of the three tissue maps only GM and CSF is given');
  });

  it('refuses two files of one kind, and a scan without an image', () => {
    const files = names('a.nii', 'b.nii');
    expect(() => scanOfFiles(files, roles({ 'a.nii': 'FLAIR', 'b.nii': 'FLAIR' }))).toThrow(
      'a.nii and b.nii are both given as FLAIR',
    );
    expect(() => scanOfFiles(files, roles({ 'a.nii': 'brain' }))).toThrow(
      'there is no image among the files',
    );
  });
});
