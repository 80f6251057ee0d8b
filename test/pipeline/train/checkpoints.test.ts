import { describe, expect, it } from 'vitest';
import { CheckpointError, StorageError } from '../../../src/core/errors.ts';
import { MemoryFiles } from '../../../src/core/files.ts';
import { encodeTrainingState } from '../../../src/engine/checkpoint/training-state.ts';
import { Checkpoints } from '../../../src/pipeline/train/checkpoints.ts';
import { makeState } from '../../engine/checkpoint/make.ts';

const path = (step: number): string => `checkpoints/step-${String(step).padStart(9, '0')}.safetensors`;

async function withSteps(...steps: number[]): Promise<{ files: MemoryFiles; checkpoints: Checkpoints }> {
  const files = new MemoryFiles('run');
  const checkpoints = new Checkpoints(files, 'checkpoints');
  for (const step of steps) await checkpoints.write({ ...makeState(), step });
  return { files, checkpoints };
}

function damage(files: MemoryFiles, step: number): void {
  const bytes = files.files.get(path(step))!;
  bytes[bytes.length - 9]! ^= 4;
}

describe('the checkpoints of a run', () => {
  it('are the two newest', async () => {
    const { files, checkpoints } = await withSteps(3, 20, 100, 1000);
    expect([...files.files.keys()].sort()).toEqual([path(100), path(1000)]);
    expect((await checkpoints.latest())!.step).toBe(1000);
    expect(await checkpoints.steps()).toEqual([100, 1000]);
  });

  it('pass a damaged one over, and say so', async () => {
    const { files, checkpoints } = await withSteps(5, 6);
    damage(files, 6);
    const warnings: string[] = [];
    expect((await checkpoints.latest((text) => warnings.push(text)))!.step).toBe(5);
    expect(warnings).toHaveLength(1);
    expect(warnings[0]).toMatch(/^run\/checkpoints\/step-000000006.safetensors: its bytes have the checksum/);
    files.files.set(path(6), files.files.get(path(5))!.subarray(0, 1000));
    expect((await checkpoints.latest())!.step).toBe(5);
  });

  it('are refused where all are damaged, and undefined where there is none', async () => {
    const { files, checkpoints } = await withSteps(5, 6);
    damage(files, 5);
    damage(files, 6);
    const error = await checkpoints.latest().catch((e: unknown) => e);
    expect(error).toBeInstanceOf(CheckpointError);
    expect((error as Error).message).toBe('run/checkpoints: no checkpoint is sound');
    expect(await new Checkpoints(new MemoryFiles(), 'checkpoints').latest()).toBeUndefined();
  });

  it('of later steps go once the run goes on from an earlier one', async () => {
    const { files, checkpoints } = await withSteps(5, 6);
    damage(files, 6);
    await checkpoints.write({ ...makeState(), step: 5 });
    expect(await checkpoints.steps()).toEqual([5]);
  });

  it('are not taken for another step by their names', async () => {
    const { files, checkpoints } = await withSteps();
    files.files.set(path(7), await encodeTrainingState({ ...makeState(), step: 5 }));
    await expect(checkpoints.read(7)).rejects.toThrow('step-000000007.safetensors: is of step 5');
  });

  it('stay where a newer one cannot be written', async () => {
    const { files, checkpoints } = await withSteps(5, 6);
    const before = [...files.files.keys()];
    files.write = () => Promise.reject(new StorageError('no space left on the disk'));
    await expect(checkpoints.write({ ...makeState(), step: 7 })).rejects.toThrow(StorageError);
    expect([...files.files.keys()]).toEqual(before);
    expect((await checkpoints.latest())!.step).toBe(6);
  });

  it('leave nothing half-written behind', async () => {
    const { files, checkpoints } = await withSteps(5);
    files.files.set('checkpoints/.step-000000006.safetensors.77-0.tmp', new Uint8Array(9));
    files.files.set('checkpoints/notes.txt', new Uint8Array(9));
    await checkpoints.tidy();
    expect([...files.files.keys()].sort()).toEqual(['checkpoints/notes.txt', path(5)]);
    await checkpoints.clear();
    expect([...files.files.keys()]).toEqual(['checkpoints/notes.txt']);
  });
});
