import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { FolderLostError, StorageError } from '../../src/core/errors.ts';
import { type FolderLock, LockedFiles } from '../../src/core/locked-files.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';
import { ownIdentity } from '../../src/platform/process-identity.ts';
import { type HeldFolder, LOCK, lockFolder, tryLockFolder } from '../../src/platform/run-lock.ts';

const BOOT = existsSync('/proc/sys/kernel/random/boot_id')
  ? readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  : '';
/** Whether processes with numbers of their own can be started here, as in a container. */
const hasNamespaces =
  spawnSync('unshare', ['--pid', '--fork', '--mount-proc', 'true'], { timeout: 10_000 }).status === 0;

let folder: string;
let lock: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'voxelgrad-lock-'));
  lock = join(folder, LOCK);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const take = (): Promise<FolderLock> => lockFolder(new NodeFolder(folder));
const tryTake = (): Promise<FolderLock | HeldFolder> => tryLockFolder(new NodeFolder(folder));

/** Writes a lock, as of this process where nothing else is said. */
function held(change: object): void {
  writeFileSync(lock, JSON.stringify({ ...ownIdentity(), token: 'x', ...change }));
}
const ELSEWHERE = { host: 'elsewhere', pid: 1, started: 'another boot:1' };
const ago = (seconds: number): Date => new Date(Date.now() - seconds * 1000);

async function expectFree(): Promise<void> {
  const taken = await tryTake();
  if (!('release' in taken)) throw new Error(`held: ${JSON.stringify(taken)}`);
  await taken.release();
}

describe('the lock of a folder', () => {
  it('keeps a second one out until it is given back, and leaves nothing', async () => {
    const taken = await take();
    await expect(take()).rejects.toThrow(StorageError);
    await expect(take()).rejects.toThrow(`process ${process.pid} on ${hostname()} works in this folder`);
    await taken.release();
    expect(readdirSync(folder)).toEqual([]);
    await expectFree();
  });

  it('is not held by a process that has ended, or that another one has the number of', async () => {
    const { pid } = spawnSync(process.execPath, ['-e', '']);
    held({ pid });
    await expectFree();
    held({ started: `${BOOT}:1` });
    await expectFree();
    expect(existsSync(lock)).toBe(false);
  });

  it.runIf(BOOT)('is held by a living process, and not once it is killed', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
    const fields = readFileSync(`/proc/${child.pid}/stat`, 'utf8')
      .replace(/^.*\) /s, '')
      .split(' ');
    held({ pid: child.pid, started: `${BOOT}:${fields[19]}` });
    await expect(take()).rejects.toThrow(`process ${child.pid} `);
    child.kill('SIGKILL');
    await once(child, 'exit');
    await expectFree();
  });

  it('of another machine counts, and a damaged one does not', async () => {
    held(ELSEWHERE);
    expect(await tryTake()).toMatchObject({ pid: 1, host: 'elsewhere', freeIn: expect.closeTo(180, -1) });
    for (const content of ['', '{', 'null', '[]', '{"pid": "x"}']) {
      writeFileSync(lock, content);
      await expectFree();
    }
  });

  it('of another machine that has been silent for three minutes is taken over', async () => {
    held(ELSEWHERE);
    utimesSync(lock, ago(170), ago(170));
    expect(await tryTake()).toMatchObject({ host: 'elsewhere', freeIn: expect.closeTo(10, 0) });
    utimesSync(lock, ago(181), ago(181));
    await expectFree();
  });

  it('of another machine that has the same name, or an earlier boot of this one, is watched too', async () => {
    held({ started: 'another boot:1' });
    expect(await tryTake()).toMatchObject({ host: hostname(), freeIn: expect.any(Number) });
  });

  it('that cannot be asked is waited for: until it shows life, or is silent for too long', async () => {
    held(ELSEWHERE);
    utimesSync(lock, ago(177), ago(177));
    const notes: string[] = [];
    const taken = await lockFolder(new NodeFolder(folder), (text) => notes.push(text));
    await taken.release();
    expect(notes).toEqual([expect.stringMatching(/process 1 on elsewhere.*counts as gone in [123] s/)]);
    held(ELSEWHERE);
    utimesSync(lock, ago(100), ago(100));
    const refused = expect(take()).rejects.toThrow('process 1 on elsewhere works in this folder');
    setTimeout(() => utimesSync(lock, ago(0), ago(0)), 500);
    await refused;
  });

  it('that is dated in the future is no more than that of another machine', async () => {
    held(ELSEWHERE);
    utimesSync(lock, ago(-5 * 24 * 3600), ago(-5 * 24 * 3600));
    const taken = await tryTake();
    expect((taken as HeldFolder).freeIn).toBeLessThanOrEqual(180);
  });

  it('of a job that Slurm has put back into the queue is free at once, however young', async () => {
    const job = { cluster: 'c', id: '41', restarts: 0 };
    held({ ...ELSEWHERE, job });
    vi.stubEnv('SLURM_CLUSTER_NAME', 'c');
    vi.stubEnv('SLURM_JOB_ID', '41');
    try {
      // Another task of the same job, not an earlier run of it.
      expect(await tryTake()).toMatchObject({ host: 'elsewhere', job: '41' });
      vi.stubEnv('SLURM_RESTART_COUNT', '1');
      await expectFree();
      held({ ...ELSEWHERE, job: { ...job, cluster: 'another' } });
      expect(await tryTake()).toMatchObject({ host: 'elsewhere' });
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it.skipIf(process.platform === 'win32')('is neither a folder, nor a pipe, nor a link', async () => {
    const refused = (): Promise<void> =>
      expect(tryTake()).rejects.toThrow(/\.lock: is in the way: it is not the file/);
    mkdirSync(lock);
    await refused();
    rmSync(lock, { recursive: true });
    spawnSync('mkfifo', [lock]);
    await refused();
    rmSync(lock);
    symlinkSync(join(folder, 'nowhere'), lock);
    await refused();
    rmSync(lock);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is shown to live, and stays readable', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      const taken = await take();
      const before = readFileSync(lock, 'utf8');
      for (let beats = 0; beats < 3; beats++) {
        utimesSync(lock, ago(100), ago(100));
        vi.advanceTimersByTime(15_000);
        await vi.waitFor(() => expect(statSync(lock).mtimeMs).toBeGreaterThan(ago(50).getTime()));
        expect(readFileSync(lock, 'utf8')).toBe(`${before}\n`);
      }
      await expect(take()).rejects.toThrow(StorageError);
      await taken.release();
      expect(readdirSync(folder)).toEqual([]);
    } finally {
      vi.useRealTimers();
    }
  });

  it('goes to one of many that find a dead one', async () => {
    for (let round = 0; round < 5; round++) {
      held({ started: `${BOOT}:1` });
      const all = await Promise.allSettled(Array.from({ length: 20 }, take));
      const winners = all.filter((result) => result.status === 'fulfilled');
      expect(winners).toHaveLength(1);
      await winners[0]!.value.requireHeld();
      await winners[0]!.value.release();
      expect(readdirSync(folder)).toEqual([]);
    }
  });

  it('of another is not taken away by giving back', async () => {
    const taken = await take();
    held({ host: 'elsewhere' });
    await taken.release();
    expect(existsSync(lock)).toBe(true);
  });

  it('cannot be had where nothing can be written', async () => {
    await expect(lockFolder(new NodeFolder('/proc/voxelgrad'))).rejects.toThrow(StorageError);
  });

  it('tidies what others left that were killed while they took it', async () => {
    const [old, young] = ['a', 'b'].map((digit) => `.lock.${digit.repeat(36)}.tmp`) as [string, string];
    for (const name of [old, young]) writeFileSync(join(folder, name), '');
    utimesSync(join(folder, old), ago(200), ago(200));
    // One that is known to be gone, and one that lives and is taking the folder.
    const other = (digit: string, change: object): string => {
      const name = `.lock.${digit.repeat(36)}.tmp`;
      writeFileSync(join(folder, name), JSON.stringify({ ...ownIdentity(), token: digit, ...change }));
      return name;
    };
    other('c', { started: `${BOOT}:1` });
    const living = other('d', {});
    await expectFree();
    expect(readdirSync(folder)).toEqual([young, living]);
  });
});

describe('a folder that was lost', () => {
  it('is written to no more', async () => {
    const taken = await take();
    const files = new LockedFiles(new NodeFolder(folder), taken);
    await files.append('log', Uint8Array.of(1));
    held({ ...ELSEWHERE, job: { cluster: 'c', id: '7', restarts: 0 } });
    const lost = expect.objectContaining({
      code: 'folder-lost',
      message: `${folder}: the folder was taken over: process 1 on elsewhere (Slurm job 7) works in it now`,
    });
    await expect(files.append('log', Uint8Array.of(2))).rejects.toThrow(FolderLostError);
    await expect(files.append('log', Uint8Array.of(2))).rejects.toEqual(lost);
    await expect(files.write('x', Uint8Array.of(2))).rejects.toEqual(lost);
    await expect(files.remove('log')).rejects.toEqual(lost);
    await expect(files.sync('log')).rejects.toEqual(lost);
    await taken.release();
    expect(readdirSync(folder).sort()).toEqual([LOCK, 'log']);
    expect([...readFileSync(join(folder, 'log'))]).toEqual([1]);
  });

  it('since it was removed is not made anew', async () => {
    const taken = await take();
    const files = new LockedFiles(new NodeFolder(folder), taken);
    rmSync(folder, { recursive: true });
    await expect(files.append('log', Uint8Array.of(2))).rejects.toThrow(/the folder was removed while/);
    await taken.release();
    expect(existsSync(folder)).toBe(false);
  });
});

/** A process that counts processes anew, as one in a container does, and tries to take the folder. */
function container(): { readonly child: ChildProcess; answer(): Promise<string> } {
  const program = ['--import', 'tsx', join(import.meta.dirname, '../support/lock-holder.ts'), folder];
  const words = ['--pid', '--fork', '--mount-proc', '--kill-child', process.execPath, ...program];
  const child = spawn('unshare', words, { stdio: ['pipe', 'pipe', 'inherit'], detached: true });
  const lines: string[] = [];
  child.stdout!.setEncoding('utf8').on('data', (text: string) => lines.push(...text.trim().split('\n')));
  const answer = async (): Promise<string> => {
    await vi.waitFor(() => expect(lines).not.toEqual([]), { timeout: 30_000 });
    return lines.shift()!;
  };
  return { child, answer };
}

describe.runIf(hasNamespaces)('the lock of a folder across containers', { timeout: 120_000 }, () => {
  const children: ChildProcess[] = [];
  afterEach(() => {
    for (const { pid } of children.splice(0)) process.kill(-pid!, 'SIGKILL');
  });
  const start = (): ReturnType<typeof container> => {
    const started = container();
    children.push(started.child);
    return started;
  };

  it('is held by one, though both are number 1 on one host, and lost by one that was stopped', async () => {
    const [first, second] = [start(), start()];
    const answers = await Promise.all([first.answer(), second.answer()]);
    expect([...answers].sort()).toEqual(['held', 'taken']);
    const [winner, loser] = answers[0] === 'taken' ? [first, second] : [second, first];
    expect(JSON.parse(readFileSync(lock, 'utf8'))).toMatchObject({ pid: 1, host: hostname() });
    children.splice(children.indexOf(loser.child), 1);
    // Stopped for longer than a holder may be silent, it counts as gone, and must find out.
    process.kill(-winner.child.pid!, 'SIGSTOP');
    utimesSync(lock, ago(200), ago(200));
    const third = start();
    expect(await third.answer()).toBe('taken');
    process.kill(-winner.child.pid!, 'SIGCONT');
    winner.child.stdin!.write('\n');
    expect(await winner.answer()).toBe('lost');
    third.child.stdin!.write('\n');
    expect(await third.answer()).toBe('mine');
  });
});
