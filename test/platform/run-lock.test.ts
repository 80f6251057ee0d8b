import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StorageError } from '../../src/core/errors.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';
import { LOCK, lockFolder } from '../../src/platform/run-lock.ts';

let folder: string;
let lock: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voxelgrad-lock-'));
  lock = join(folder, LOCK);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const take = (): Promise<() => Promise<void>> => lockFolder(new NodeFolder(folder));

function held(change: object): void {
  const holder = { host: hostname(), pid: process.pid, started: '', token: 'x', ...change };
  writeFileSync(lock, JSON.stringify(holder));
}

describe('the lock of a folder', () => {
  it('keeps a second one out until it is given back, and leaves nothing', async () => {
    const unlock = await take();
    await expect(take()).rejects.toThrow(StorageError);
    await expect(take()).rejects.toThrow(`process ${process.pid} on ${hostname()} works in this folder`);
    await unlock();
    expect(readdirSync(folder)).toEqual([]);
    await (await take())();
  });

  it('is not held by a process that has ended, or that another one has the number of', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    held({ pid });
    await (await take())();
    held({ started: 'another boot:1' });
    await (await take())();
    expect(existsSync(lock)).toBe(false);
  });

  it.runIf(process.platform === 'linux')(
    'is held by a living process, and not once it is killed',
    async () => {
      const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
      const unlock = await take();
      const own = JSON.parse(readFileSync(lock, 'utf8')) as { started: string };
      await unlock();
      const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
        .replace(/^.*\) /s, '')
        .split(' ');
      held({ pid: child.pid, started: `${own.started.split(':')[0]}:${fields[19]}` });
      await expect(take()).rejects.toThrow(`process ${child.pid} `);
      child.kill('SIGKILL');
      await once(child, 'exit');
      await (await take())();
    },
  );

  it('of another machine counts, and a damaged one does not', async () => {
    held({ host: 'elsewhere', pid: 1 });
    await expect(take()).rejects.toThrow('process 1 on elsewhere');
    for (const content of ['', '{', 'null', '[]', '{"pid": "x"}']) {
      writeFileSync(lock, content);
      await (await take())();
    }
  });

  it('of another machine that has been silent for ten minutes is taken over', async () => {
    held({ host: 'elsewhere', pid: 1 });
    const ago = (minutes: number): Date => new Date(Date.now() - minutes * 60_000);
    utimesSync(lock, ago(9), ago(9));
    await expect(take()).rejects.toThrow('process 1 on elsewhere');
    utimesSync(lock, ago(11), ago(11));
    await (await take())();
  });

  it('is shown to live, and stays readable', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const unlock = await take();
      const before = readFileSync(lock, 'utf8');
      vi.advanceTimersByTime(60_000);
      await vi.waitFor(() => expect(readFileSync(lock, 'utf8')).toBe(`${before}\n`));
      await expect(take()).rejects.toThrow(StorageError);
      await unlock();
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('goes to one of many that find a dead one', async () => {
    for (let round = 0; round < 5; round++) {
      held({ started: 'another boot:1' });
      const all = await Promise.allSettled(Array.from({ length: 20 }, take));
      const winners = all.filter((result) => result.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      await winners[0]!.value();
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  it('of another is not taken away by giving back', async () => {
    const unlock = await take();
    held({ host: 'elsewhere' });
    await unlock();
    expect(existsSync(lock)).toBe(true);
  });

  it('cannot be had where nothing can be written', async () => {
    await expect(lockFolder(new NodeFolder('/proc/voxelgrad'))).rejects.toThrow(StorageError);
  });
});
