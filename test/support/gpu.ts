import { afterAll, beforeAll } from 'vitest';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { openNodeGpu } from '../../src/platform/node.ts';

/** Opens one GPU for the tests of a file and closes it after them. */
export function useGpu(): { readonly gpu: Gpu } {
  let gpu: Gpu | undefined;
  beforeAll(async () => {
    gpu = await openNodeGpu();
  });
  afterAll(async () => {
    await gpu?.close();
  });
  return {
    get gpu(): Gpu {
      if (!gpu) throw new Error('the GPU is open only inside tests');
      return gpu;
    },
  };
}
