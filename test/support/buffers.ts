import { expect, vi } from 'vitest';
import { OutOfMemoryError } from '../../src/core/errors.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';

/** Does some work, and tells how many bytes it had allocated at most beyond what there was; it must free them all. */
export async function mostAllocated(gpu: Gpu, work: () => Promise<unknown>): Promise<number> {
  const before = gpu.allocatedBytes;
  let most = 0;
  const real = gpu.createBuffer.bind(gpu);
  const spy = vi.spyOn(gpu, 'createBuffer').mockImplementation(async (request) => {
    const buffer = await real(request);
    most = Math.max(most, gpu.allocatedBytes - before);
    return buffer;
  });
  await work().finally(() => spy.mockRestore());
  expect(gpu.allocatedBytes).toBe(before);
  return most;
}

/** Does some work on a device that has no memory for one buffer. @returns the error, after which nothing is left */
export async function withoutBuffer(
  gpu: Gpu,
  label: string,
  work: () => Promise<unknown>,
): Promise<OutOfMemoryError> {
  const before = gpu.buffers.length;
  const real = gpu.createBuffer.bind(gpu);
  const spy = vi
    .spyOn(gpu, 'createBuffer')
    .mockImplementation((request) =>
      request.label === label
        ? Promise.reject(new OutOfMemoryError(`${label} needs 9 GB: the device has no more`))
        : real(request),
    );
  const error = await work()
    .catch((e: unknown) => e)
    .finally(() => spy.mockRestore());
  expect(error).toBeInstanceOf(OutOfMemoryError);
  expect(gpu.buffers.length).toBe(before);
  return error as OutOfMemoryError;
}
