import { afterAll, beforeAll } from 'vitest';
import type { AdapterFamily } from '../../src/engine/gpu/capabilities.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { openNodeGpu } from '../../src/platform/node.ts';

/**
 * Opens one GPU for the tests of a file and closes it after them.
 * @param family takes the adapter for one of another family, which has other kernels as candidates
 */
export function useGpu(family?: AdapterFamily): { readonly gpu: Gpu } {
  let gpu: Gpu | undefined;
  beforeAll(async () => {
    gpu = await openNodeGpu();
    if (family)
      Object.assign(gpu, { capabilities: { ...gpu.capabilities, family, software: family !== 'gpu' } });
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
