import { vi } from 'vitest';
import { OutOfMemoryError } from '../../src/core/errors.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';

/** Bindings that were made, in bytes. */
export interface Bound {
  /** The largest storage binding. */
  readonly largest: number;
  /** Bind groups: one a dispatch. */
  readonly groups: number;
}

/**
 * Runs something as if the device bound no more than `maxBindingBytes`.
 * @returns what `run` returned, and what was bound meanwhile
 */
export async function withBindingLimit<T>(
  gpu: Gpu,
  maxBindingBytes: number,
  run: () => Promise<T>,
): Promise<{ readonly value: T; readonly bound: Bound }> {
  const { capabilities } = gpu;
  Object.assign(gpu, { capabilities: { ...capabilities, maxBindingBytes } });
  const spy = vi.spyOn(gpu.device, 'createBindGroup');
  try {
    const value = await run();
    let largest = 0;
    for (const [{ entries }] of spy.mock.calls)
      for (const { resource } of entries) {
        const { buffer, size } = resource as GPUBufferBinding;
        // Panels and params are uniform blocks, which have a limit of their own.
        if ((buffer.usage & GPUBufferUsage.UNIFORM) === 0) largest = Math.max(largest, size ?? buffer.size);
      }
    return { value, bound: { largest, groups: spy.mock.calls.length } };
  } finally {
    spy.mockRestore();
    Object.assign(gpu, { capabilities });
  }
}

/** The same with the smallest limit, on a scale from 256 bytes up, that `run` is not refused with. */
export async function withLeastLimit<T>(
  gpu: Gpu,
  run: () => Promise<T>,
): Promise<{ readonly value: T; readonly bound: Bound; readonly limit: number }> {
  for (let limit = 256; ; limit = 4 * Math.ceil(limit * 0.3)) {
    try {
      return { ...(await withBindingLimit(gpu, limit, run)), limit };
    } catch (error) {
      if (!(error instanceof OutOfMemoryError) || limit > gpu.capabilities.maxBindingBytes) throw error;
    }
  }
}
