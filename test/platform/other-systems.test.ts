import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { cacheFolder } from '../../src/platform/cache-folder.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';
import type { ProcessIdentity } from '../../src/platform/process-identity.ts';
import { renameOver } from '../../src/platform/rename-over.ts';
import { LOCK, tryLockFolder } from '../../src/platform/run-lock.ts';
import { stopSignals } from '../../src/platform/stop-signals.ts';

// Windows and macOS do not tell when a process started.
vi.mock('../../src/platform/process-identity.ts', async (original) => {
  const real = await original<typeof import('../../src/platform/process-identity.ts')>();
  const untold = (identity: ProcessIdentity): ProcessIdentity => ({
    ...identity,
    started: '',
    namespace: '',
  });
  const isAlive = (pid: number): boolean => pid === process.ppid;
  return {
    ...real,
    ownIdentity: () => untold(real.ownIdentity({})),
    isRunning: ({ pid }: ProcessIdentity) => isAlive(pid),
  };
});

const fails = (code: string): Error => Object.assign(new Error(code), { code });

describe('a file that replaces another', () => {
  const renaming = (platform: NodeJS.Platform, failures: number, code: string) => {
    const waits: number[] = [];
    let tries = 0;
    const done = renameOver('a', 'b', {
      platform,
      rename: async () => {
        tries++;
        if (tries <= failures) throw fails(code);
      },
      wait: async (ms) => waits.push(ms),
    });
    return { done, waits, tries: () => tries };
  };

  it('waits on Windows until a scanner has closed the old one', async () => {
    for (const code of ['EPERM', 'EACCES', 'EBUSY']) {
      const { done, waits } = renaming('win32', 3, code);
      await done;
      expect(waits).toEqual([10, 20, 50]);
    }
  });

  it('gives up on Windows after 5 s, with the error', async () => {
    const { done, waits, tries } = renaming('win32', 100, 'EPERM');
    await expect(done).rejects.toThrow('EPERM');
    expect(waits.reduce((sum, ms) => sum + ms)).toBe(5000);
    expect(tries()).toBe(waits.length + 1);
  });

  it('does not wait for other errors, nor on other systems', async () => {
    for (const [platform, code] of [
      ['win32', 'ENOSPC'],
      ['darwin', 'EPERM'],
      ['linux', 'EBUSY'],
    ] as const) {
      const { done, waits } = renaming(platform, 1, code);
      await expect(done).rejects.toThrow(code);
      expect(waits).toEqual([]);
    }
  });
});

describe('the cache folder', () => {
  it('is the one that each system has for it', () => {
    expect(cacheFolder('linux', {}, '/home/a')).toBe('/home/a/.cache/voxelgrad');
    expect(cacheFolder('darwin', {}, '/Users/a')).toBe('/Users/a/Library/Caches/voxelgrad');
    expect(cacheFolder('win32', {}, 'C:\\Users\\a')).toBe('C:\\Users\\a\\AppData\\Local\\voxelgrad');
    expect(cacheFolder('win32', { LOCALAPPDATA: 'D:\\l' }, 'C:\\Users\\a')).toBe('D:\\l\\voxelgrad');
  });

  it('is where XDG_CACHE_HOME says on every system', () => {
    for (const platform of ['linux', 'darwin', 'win32'] as const)
      expect(cacheFolder(platform, { XDG_CACHE_HOME: '/c' }, '/h').replaceAll('\\', '/')).toBe(
        '/c/voxelgrad',
      );
  });
});

describe('signals that end a job in order', () => {
  it('are those that each system sends', () => {
    expect(stopSignals('win32')).toEqual(['SIGINT', 'SIGTERM', 'SIGBREAK', 'SIGHUP']);
    // nohup has SIGHUP ignored; a handler would undo that.
    expect(stopSignals('linux')).toEqual(['SIGINT', 'SIGTERM']);
    expect(stopSignals('darwin')).toEqual(['SIGINT', 'SIGTERM']);
  });
});

describe('a lock where processes cannot be told apart', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'voxelgrad-systems-'));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const held = (pid: number, secondsAgo: number): void => {
    const path = join(folder, LOCK);
    writeFileSync(
      path,
      JSON.stringify({ host: hostname(), pid, started: '', namespace: '', token: 'other' }),
    );
    const date = new Date(Date.now() - secondsAgo * 1000);
    utimesSync(path, date, date);
  };
  const expectFree = async (): Promise<void> => {
    const lock = await tryLockFolder(new NodeFolder(folder));
    expect('release' in lock).toBe(true);
    if ('release' in lock) await lock.release();
  };

  it('is free at once if there is no process of the number', async () => {
    held(process.pid, 0);
    await expectFree();
  });

  it('is held by a process of the number that shows life, and free after three minutes of silence', async () => {
    held(process.ppid, 0);
    expect(await tryLockFolder(new NodeFolder(folder))).toMatchObject({
      pid: process.ppid,
      freeIn: expect.closeTo(180, -1),
    });
    held(process.ppid, 181);
    await expectFree();
  });
});
