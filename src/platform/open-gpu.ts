import type { Gpu } from '../engine/gpu/gpu.ts';
import { openBrowserGpu } from './browser.ts';

/**
 * Opens the GPU of the machine, in a browser as on Node: there the browser's, here a real GPU or a system driver
 * through Dawn, otherwise the bundled software driver. `openBrowserGpu` and `openNodeGpu` take settings.
 *
 * @example
 * const gpu = await openGpu();
 * console.log(gpu.capabilities.description);
 * await gpu.close();
 *
 * @throws GpuError saying what was tried and what to do.
 */
export async function openGpu(): Promise<Gpu> {
  return await openBrowserGpu();
}
