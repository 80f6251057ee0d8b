import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../src/core/files.ts';
import { Subfolder } from '../../src/core/subfolder.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe('a subfolder', () => {
  it('is a tree of its own, and clearing it leaves the rest', async () => {
    const files = new MemoryFiles('all');
    await files.write('other/a', bytes('a'));
    const folder = new Subfolder(files, 'run');
    expect(folder.name).toBe('all/run');
    await folder.write('deep/er/b', bytes('b'));
    await folder.append('log', bytes('1'));
    await folder.append('log', bytes('2'));
    expect(await folder.list('')).toEqual([
      { name: 'deep', kind: 'folder' },
      { name: 'log', kind: 'file' },
    ]);
    expect(await folder.read('log')).toEqual(bytes('12'));
    await folder.clear();
    expect([...files.files.keys()]).toEqual(['other/a']);
  });
});
