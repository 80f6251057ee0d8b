import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StorageError } from '../../src/core/errors.ts';
import type { Random } from '../../src/core/random.ts';
import { train } from '../../src/pipeline/train/run.ts';
import { trainInFolder } from '../../src/pipeline/train/run-folder.ts';
import { openNodeGpu } from '../../src/platform/node.ts';
import { NodeFolder } from '../../src/platform/node-files.ts';
import { prepare } from './endurance.ts';
import type { Outcome, Workspace } from './workspace.ts';

const DISK = 512 << 10;

/** Lets a small disk fill up at random moments of runs, frees it, and resumes them. Needs the right to mount. */
export async function fullDisks(workspace: Workspace, random: Random, rounds: number): Promise<Outcome> {
  const disk = workspace.path('disk');
  mkdirSync(disk);
  const promise = 'a full disk ends a run with a clear error, and loses nothing';
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK}`, 'tmpfs', disk], { stdio: 'ignore' });
  } catch {
    return { promise, counts: 'not tried: no disk could be mounted here', kept: true };
  }
  const gpu = await openNodeGpu();
  let failed = 0;
  let equal = 0;
  try {
    const data = await prepare(workspace, 12);
    const whole = await train(gpu, data);
    const options = { version: 'soak', checkpointSteps: 1 };
    for (let round = 1; round <= rounds; round++) {
      const folder = new NodeFolder(join(disk, 'run'));
      const at = 1 + random.integer(11);
      const room = random.integer(60_000);
      const filled = trainInFolder(gpu, data, folder, {
        ...options,
        resume: false,
        onStep: ({ step }) => step === at && fill(join(disk, 'filler'), room),
      });
      await filled.catch((error: unknown) => {
        if (!(error instanceof StorageError)) throw error;
        failed++;
      });
      rmSync(join(disk, 'filler'), { force: true });
      const { result } = await trainInFolder(gpu, data, folder, { ...options, resume: true });
      if (result.hash === whole.hash) equal++;
      rmSync(folder.root, { recursive: true });
    }
  } finally {
    await gpu.close();
    execFileSync('umount', [disk]);
  }
  return {
    promise,
    counts: `${rounds} runs on a disk of ${DISK >> 10} kB that filled up: ${failed} ended with a storage error, ${equal} came to equal bits once there was space`,
    kept: equal === rounds && failed > 0,
  };
}

/** Leaves about this many bytes on the disk. */
function fill(path: string, room: number): void {
  for (let size = DISK; size > 0; size -= 4096) {
    try {
      writeFileSync(path, new Uint8Array(size));
      rmSync(path);
      writeFileSync(path, new Uint8Array(Math.max(0, size - room)));
      return;
    } catch {
      rmSync(path, { force: true });
    }
  }
}
