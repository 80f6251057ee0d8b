import { GpuError } from '../core/errors.ts';
import { Gpu } from '../engine/gpu/gpu.ts';

/** Settings of {@link openBrowserGpu}. */
export interface BrowserGpuOptions {
  /** Where a machine has two GPUs (default `high-performance`). */
  readonly powerPreference?: 'low-power' | 'high-performance';
}

/**
 * Opens the browser's GPU, in a page or in a worker, with all the limits that its adapter offers.
 * @throws GpuError saying what to do where the browser has no WebGPU, or no adapter for it.
 */
export async function openBrowserGpu(options: BrowserGpuOptions = {}): Promise<Gpu> {
  const gpu = typeof navigator === 'undefined' ? undefined : (navigator.gpu as GPU | undefined);
  if (!gpu) {
    const insecure = typeof isSecureContext === 'boolean' && !isSecureContext;
    throw new GpuError(
      insecure ? 'WebGPU is switched off on pages without https' : 'this browser has no WebGPU',
      {
        hint: insecure
          ? 'Open the page by https, or from localhost.'
          : 'Use Chrome or Edge 113 or later, Safari 26, or Firefox 141 on Windows; in Chrome on Linux, switch on chrome://flags/#enable-unsafe-webgpu and chrome://flags/#enable-vulkan.',
      },
    );
  }
  const adapter = await gpu.requestAdapter({
    powerPreference: options.powerPreference ?? 'high-performance',
  });
  if (!adapter)
    throw new GpuError('this browser has WebGPU, but found no adapter for it', {
      hint: 'Update the graphics driver, switch on hardware acceleration in the settings of the browser, and see chrome://gpu for the reason.',
    });
  return await Gpu.open(adapter, 'system');
}
