import type { Gpu } from '../engine/gpu/gpu.ts';

/** What `openGpu` is on Node; Dawn is loaded with the first call. @throws GpuError as {@link openNodeGpu}. */
export async function openGpu(): Promise<Gpu> {
  const { openNodeGpu } = await import('./node.ts');
  return await openNodeGpu();
}
