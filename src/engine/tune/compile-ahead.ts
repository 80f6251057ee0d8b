import { DeviceLostError, GpuError, OutOfMemoryError } from '../../core/errors.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { kernelIdentity } from '../gpu/kernel.ts';
import { Isolated, type Section } from './isolated.ts';
import { timeRuns } from './timing.ts';

/** Whether the driver makes machine code when a kernel first runs, and keeps it for other devices. */
export function compilesAtFirstRun({ family }: Capabilities): boolean {
  return family === 'lavapipe';
}

/** Identities of the kernels of a section. */
export function kernelsOf({ commands }: Section): string[] {
  return commands.map(({ kernel }) => kernelIdentity(kernel));
}

/**
 * Runs sections once, side by side on several devices of one adapter, as far as they bring kernels that none before
 * them had: a driver that {@link compilesAtFirstRun} uses one thread a device for it.
 * @param limit milliseconds
 * @returns keys of the kernels of sections whose first run took longer than `limit`
 * @throws DeviceLostError, OutOfMemoryError. A section that a device refuses is left to whoever needs it.
 */
export async function compileAhead(
  gpus: readonly Gpu[],
  sections: readonly Section[],
  limit: number,
): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  const queue = sections.flatMap((section) => {
    const fresh = kernelsOf(section).filter((key) => !seen.has(key));
    for (const key of fresh) seen.add(key);
    return fresh.length > 0 ? [{ section, fresh }] : [];
  });
  const slow = new Set<string>();
  const work = async (gpu: Gpu): Promise<void> => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      const start = performance.now();
      const isolated = await Isolated.create(gpu, next.section).catch(refused);
      if (!isolated) continue;
      try {
        await timeRuns(gpu, isolated.plan, 1);
        if (performance.now() - start > limit) for (const key of next.fresh) slow.add(key);
      } finally {
        isolated.destroy();
      }
    }
  };
  await Promise.all(gpus.map(work));
  return slow;
}

function refused(error: unknown): undefined {
  const fatal = error instanceof DeviceLostError || error instanceof OutOfMemoryError;
  if (fatal || !(error instanceof GpuError)) throw error;
}
