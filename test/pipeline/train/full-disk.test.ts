import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { StorageError } from '../../../src/core/errors.ts';
import { Checkpoints } from '../../../src/pipeline/train/checkpoints.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { runStatus, trainInFolder } from '../../../src/pipeline/train/run-folder.ts';
import { verifyRun } from '../../../src/pipeline/train/verify-run.ts';
import { NodeFolder } from '../../../src/platform/node-files.ts';
import { useGpu } from '../../support/gpu.ts';
import { tinyData } from './fixture.ts';

const disk = mkdtempSync(join(tmpdir(), 'voxelgrad-disk-'));
const run = join(disk, 'run');
const mount = (...words: string[]): boolean => {
  try {
    execFileSync('mount', words, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
/** Half a megabyte; only where the tests may mount. */
const mounted = mount('-t', 'tmpfs', '-o', 'size=512k', 'tmpfs', disk);
if (!mounted)
  console.warn('no disk of half a megabyte could be mounted: the tests on a full disk are left out');

afterAll(() => {
  if (mounted) execFileSync('umount', [disk]);
  rmSync(disk, { recursive: true, force: true });
});

// A software driver compiles for seconds.
vi.setConfig({ testTimeout: 240_000 });
const context = useGpu();
const options = { resume: false, version: '1', checkpointSteps: 1 };

/** Leaves this many bytes on the disk. */
function fill(left: number): void {
  const path = join(disk, 'filler');
  rmSync(path, { force: true });
  for (let size = 512 << 10; size > 0; size -= 4096) {
    try {
      writeFileSync(path, new Uint8Array(size));
      if (left > 0) writeFileSync(path, new Uint8Array(Math.max(0, size - left)));
      return;
    } catch {
      rmSync(path, { force: true });
    }
  }
}

async function failure(work: Promise<unknown>): Promise<StorageError> {
  const error = await work.catch((e: unknown) => e);
  expect(error).toBeInstanceOf(StorageError);
  return error as StorageError;
}

describe.runIf(mounted)('a disk', () => {
  let hash: string;
  beforeAll(async () => {
    hash = (await train(context.gpu, await tinyData())).hash;
  });

  it('that is full ends the run with a clear error, and the run goes on when there is space', async () => {
    const data = await tinyData();
    const folder = new NodeFolder(run);
    const error = await failure(
      trainInFolder(context.gpu, data, folder, {
        ...options,
        onStep: ({ step }) => step === 4 && fill(8192),
      }),
    );
    expect(error.message).toMatch(/no space left on the disk \(ENOSPC\)/);
    expect(error.hint).toMatch(/Free some disk space/);
    const checkpoints = new Checkpoints(folder, 'checkpoints');
    expect(await checkpoints.steps()).toEqual([2, 3]);
    expect(readdirSync(join(run, 'checkpoints')).length).toBe(2);
    expect((await checkpoints.latest())!.step).toBe(3);
    // Still full: the same again, and nothing is lost.
    await failure(trainInFolder(context.gpu, data, folder, { ...options, resume: true }));
    expect((await checkpoints.latest())!.step).toBe(3);
    rmSync(join(disk, 'filler'));
    const { result, losses } = await trainInFolder(context.gpu, data, folder, { ...options, resume: true });
    expect(result.hash).toBe(hash);
    expect(losses).toHaveLength(6);
    expect((await verifyRun(folder)).checks.every(({ passed }) => passed)).toBe(true);
  });

  it('that becomes read-only ends the run too, and loses nothing', async () => {
    const folder = new NodeFolder(run);
    const error = await failure(
      trainInFolder(context.gpu, await tinyData(), folder, {
        ...options,
        onStep: ({ step }) => step === 3 && mount('-o', 'remount,ro', disk),
      }),
    );
    expect(error.message).toMatch(/the file system is read-only \(EROFS\)/);
    await failure(folder.checkWritable());
    expect(mount('-o', 'remount,rw', disk)).toBe(true);
    expect(await runStatus(folder)).toBe('unfinished');
    const { result } = await trainInFolder(context.gpu, await tinyData(), folder, {
      ...options,
      resume: true,
    });
    expect(result.hash).toBe(hash);
  });
});
