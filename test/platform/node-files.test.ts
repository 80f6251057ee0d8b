import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StorageError, UsageError } from '../../src/core/errors.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';

let top: string;
let root: string;
let folder: NodeFolder;
const data = new Uint8Array([1, 2, 3]);

beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'voxelgrad-files-'));
  root = join(top, 'root');
  mkdirSync(root);
  folder = new NodeFolder(root);
});
afterEach(() => {
  rmSync(top, { recursive: true, force: true });
});

async function refusal(work: Promise<unknown>): Promise<StorageError> {
  const error = await work.then(
    () => new Error('it was allowed'),
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(StorageError);
  expect((error as StorageError).hint).toBeTruthy();
  return error as StorageError;
}

describe('reading', () => {
  it('lists names sorted, with links by what they point at', async () => {
    mkdirSync(join(root, 'b'));
    writeFileSync(join(root, 'c'), data);
    writeFileSync(join(top, 'store'), data);
    symlinkSync(join(top, 'store'), join(root, 'a'));
    symlinkSync(join(top, 'nowhere'), join(root, 'd'));
    expect(await folder.list('')).toEqual([
      { name: 'a', kind: 'file' },
      { name: 'b', kind: 'folder' },
      { name: 'c', kind: 'file' },
      { name: 'd', kind: 'broken' },
    ]);
    expect(await folder.read('a')).toEqual(data);
    expect(await folder.list('missing')).toEqual([]);
    expect(await folder.list('c')).toEqual([]);
  });
  it('says that the root is missing', async () => {
    const error = await refusal(new NodeFolder(join(top, 'nowhere')).list(''));
    expect(error.message).toContain('ENOENT');
  });
  it('says that a file is missing or is a folder', async () => {
    expect((await refusal(folder.read('x.nii'))).message).toContain('x.nii: cannot be read: no such file');
    mkdirSync(join(root, 'x'));
    expect((await refusal(folder.read('x'))).message).toContain('is a folder');
  });
  it('streams content from its start each time it is asked', async () => {
    const long = Uint8Array.from({ length: 600_000 }, (_, i) => i % 251);
    await folder.write('x', long);
    const content = await folder.open('x');
    expect(content.size).toBe(600_000);
    for (let time = 0; time < 2; time++) {
      const pieces: Uint8Array[] = [];
      const reader = content.stream().getReader();
      for (let next = await reader.read(); !next.done; next = await reader.read()) pieces.push(next.value);
      expect(pieces.length).toBeGreaterThan(1);
      expect(Buffer.concat(pieces).equals(long)).toBe(true);
    }
    await content.stream().cancel();
    rmSync(join(root, 'x'));
    await refusal(content.stream().getReader().read());
    await refusal(folder.open('x'));
    await refusal(folder.open('../x'));
  });
  it('hands out a buffer of its own that starts at 0', async () => {
    await folder.write('x', data);
    const bytes = await folder.read('x');
    expect([bytes.byteOffset, bytes.buffer.byteLength]).toEqual([0, 3]);
  });
});

describe('paths', () => {
  it.each(['../x', 'a/../../x', '/etc/passwd', 'a\0b', '..', 'a/..', 'a\\..\\b'])(
    '%j are refused',
    async (path) => {
      for (const work of [folder.read(path), folder.list(path), folder.write(path, data)])
        expect((await refusal(work)).message).toContain('refused');
      expect(readdirSync(top)).toEqual(['root']);
    },
  );
  it('with NUL in the root are refused', () => {
    expect(() => new NodeFolder('a\0b')).toThrow(StorageError);
  });
  it('through a link out of the root are refused for writing', async () => {
    mkdirSync(join(top, 'outside'));
    symlinkSync(join(top, 'outside'), join(root, 'link'));
    expect((await refusal(folder.write('link/x', data))).message).toContain('link that leaves');
    expect((await refusal(folder.write('link/deep/x', data))).message).toContain('link that leaves');
    expect(readdirSync(join(top, 'outside'))).toEqual([]);
  });
  it('a link under the name itself is replaced, not followed', async () => {
    writeFileSync(join(top, 'outside'), 'keep');
    symlinkSync(join(top, 'outside'), join(root, 'x'));
    await folder.write('x', data);
    expect(readFileSync(join(top, 'outside'), 'utf8')).toBe('keep');
    expect(await folder.read('x')).toEqual(data);
  });
  it('through a link that stays inside are fine', async () => {
    mkdirSync(join(root, 'real'));
    symlinkSync(join(root, 'real'), join(root, 'link'));
    await folder.write('link/x', data);
    expect(await folder.read('real/x')).toEqual(data);
  });
});

describe.skipIf(process.platform === 'win32')('a pipe in place of a file', () => {
  it('is refused at once instead of waited for', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    // One after the other: a promise that is refused before it is waited for ends the test run.
    for (const attempt of [
      () => folder.read('pipe'),
      () => folder.open('pipe'),
      () => folder.append('pipe', data),
      () => folder.sync('pipe'),
    ])
      expect((await refusal(attempt())).message).toMatch(/not a regular file \(ENXIO\)/);
    expect(await folder.list('')).toEqual([]);
    await folder.write('pipe', data);
    expect(await folder.read('pipe')).toEqual(data);
  });
});

describe('writing', () => {
  it('makes folders, replaces whole files and leaves nothing else', async () => {
    await folder.write('sub-01/anat/x.nii', new Uint8Array(1000));
    await folder.write('sub-01/anat/x.nii', data);
    expect(await folder.read('sub-01/anat/x.nii')).toEqual(data);
    expect(readdirSync(join(root, 'sub-01/anat'))).toEqual(['x.nii']);
  });
  it('makes the root where it is missing', async () => {
    const fresh = new NodeFolder(join(top, 'new', 'deep'));
    await fresh.checkWritable();
    await fresh.write('x', data);
    expect(await fresh.read('x')).toEqual(data);
  });
  it('into a place where a file stands is refused and the file kept', async () => {
    await folder.write('x', data);
    expect((await refusal(folder.write('x/y', data))).message).toMatch(/EEXIST|ENOTDIR/);
    expect(await folder.read('x')).toEqual(data);
    expect((await refusal(new NodeFolder(join(root, 'x')).checkWritable())).message).toMatch(
      /EEXIST|ENOTDIR/,
    );
  });
  it('over a folder is refused and leaves no temporary file', async () => {
    mkdirSync(join(root, 'x'));
    await refusal(folder.write('x', data));
    expect(readdirSync(root)).toEqual(['x']);
  });
  it('with a name that is too long is refused', async () => {
    expect((await refusal(folder.write('x'.repeat(300), data))).message).toContain('ENAMETOOLONG');
    expect(readdirSync(root)).toEqual([]);
  });
  it.skipIf(process.platform === 'win32')('into a folder without permission is refused', async () => {
    await folder.write('x', data);
    chmodSync(root, 0o500);
    // Root may write anywhere, so the test steps down to nobody for a moment.
    const isRoot = process.getuid?.() === 0;
    if (isRoot) process.seteuid?.(65534);
    try {
      expect((await refusal(folder.write('x', new Uint8Array(9)))).message).toContain('EACCES');
      expect((await refusal(folder.checkWritable())).message).toContain('EACCES');
    } finally {
      if (isRoot) process.seteuid?.(0);
      chmodSync(root, 0o700);
    }
    expect(await folder.read('x')).toEqual(data);
  });
  it.skipIf(process.platform !== 'linux' || !existsSync('/proc/self'))(
    'onto a file system that takes no files is refused',
    async () => {
      await refusal(new NodeFolder('/proc/voxelgrad').checkWritable());
      await refusal(new NodeFolder('/proc').write('x', data));
    },
  );
  it('is tidied: what processes that are gone left half-written, but not what is written now', async () => {
    const left = ['.x.0123456789abcdef.tmp', 'sub-01/.y.nii.gz.77-0.tmp', '.voxelgrad-77-1.tmp'];
    const kept = ['.x.fedcba9876543210.tmp', 'x', '.lock', 'notes.tmp'];
    for (const path of [...left, ...kept]) await folder.write(path, data);
    const old = new Date(Date.now() - 11 * 60_000);
    for (const path of [...left, 'x', '.lock', 'notes.tmp']) utimesSync(join(root, path), old, old);
    await folder.tidy();
    expect(readdirSync(root).sort()).toEqual([...kept, 'sub-01'].sort());
    expect(readdirSync(join(root, 'sub-01'))).toEqual([]);
  });
  it('onto a full or read-only disk keeps the old file', async (context) => {
    const small = mountSmallDisk();
    if (small === undefined) return context.skip('needs the right to mount a small disk');
    const disk = new NodeFolder(small);
    try {
      await disk.write('x', data);
      expect((await refusal(disk.write('x', new Uint8Array(1 << 20)))).message).toContain('ENOSPC');
      expect(await disk.read('x')).toEqual(data);
      expect(readdirSync(small)).toEqual(['x']);
      // Not even a place for the probe's single byte is left.
      expect(() => {
        for (;;) appendFileSync(join(small, 'filler'), new Uint8Array(4096));
      }).toThrow('ENOSPC');
      expect((await refusal(disk.checkWritable())).message).toContain('ENOSPC');
      expect(readdirSync(small).sort()).toEqual(['filler', 'x']);
      execFileSync('mount', ['-o', 'remount,ro', small]);
      expect((await refusal(disk.write('x', new Uint8Array(1)))).message).toContain('EROFS');
      expect((await refusal(disk.checkWritable())).message).toContain('EROFS');
      expect(await disk.read('x')).toEqual(data);
    } finally {
      execFileSync('umount', [small]);
      rmSync(small, { recursive: true });
    }
  });
});

/** A disk of 64 kB where this machine lets tests mount one. */
function mountSmallDisk(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return undefined;
  const at = mkdtempSync(join(tmpdir(), 'voxelgrad-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', at], { stdio: 'ignore' });
    return at;
  } catch {
    rmSync(at, { recursive: true });
    return undefined;
  }
}

describe('removing and syncing', () => {
  it('takes a file away, or nothing where there is none', async () => {
    await folder.write('a/b', data);
    await folder.remove('a/b');
    expect(readdirSync(join(root, 'a'))).toEqual([]);
    await folder.remove('a/b');
    await folder.remove('none/at/all');
  });
  it('takes a link away and not what it points at, and never goes through one out of the root', async () => {
    writeFileSync(join(top, 'kept'), data);
    symlinkSync(join(top, 'kept'), join(root, 'link'));
    await folder.remove('link');
    expect(readdirSync(root)).toEqual([]);
    expect(existsSync(join(top, 'kept'))).toBe(true);
    symlinkSync(top, join(root, 'out'));
    expect((await refusal(folder.remove('out/kept'))).message).toMatch(/a link that leaves/);
    expect((await refusal(folder.remove('../kept'))).message).toMatch(/it leaves the folder/);
    expect(existsSync(join(top, 'kept'))).toBe(true);
  });
  it('refuses to take a folder away', async () => {
    mkdirSync(join(root, 'a'));
    await refusal(folder.remove('a'));
    expect(existsSync(join(root, 'a'))).toBe(true);
  });
  it('syncs what was appended', async () => {
    await folder.append('log', data);
    await folder.sync('log');
    expect(await folder.read('log')).toEqual(data);
    mkdirSync(join(root, 'a'));
    await refusal(folder.sync('a'));
  });
});

describe('pieces that are made as they are written', () => {
  it('become one file', async () => {
    await folder.write('x', [data, new Uint8Array(0), Uint8Array.of(4)]);
    expect([...(await folder.read('x'))]).toEqual([1, 2, 3, 4]);
  });
  it('leave the old file and nothing else where one cannot be made', async () => {
    await folder.write('x', data);
    function* failing(): Generator<Uint8Array> {
      yield Uint8Array.of(9);
      throw new UsageError('no more');
    }
    await expect(folder.write('x', failing())).rejects.toThrow(UsageError);
    expect(await folder.read('x')).toEqual(data);
    expect(readdirSync(root)).toEqual(['x']);
  });
});
