import { DeviceLostError, GpuError, VoxelgradError } from '../../core/errors.ts';
import type { Gpu } from './gpu.ts';

/** Devices that may be lost one after the other without progress in between. */
const MAX_LOSSES = 3;

/** How work outlives a lost device. */
export interface Recovery {
  /** Opens a new device after one was lost. Left out: a lost device ends the work. */
  readonly reopen?: ((lost: DeviceLostError) => Promise<Gpu>) | undefined;
  /** How far the work has come, as a number that grows; devices that are lost without progress end it. */
  progress?(): number;
}

/**
 * Does work on a device, and where that is lost again on a new one. What outlives a device is the work's own to keep:
 * it is called anew and goes on from there.
 *
 * @throws DeviceLostError where no new device is wanted, or too many are lost without progress; what `work` and
 *   `reopen` throw, and in place of what a lost device made of it the loss.
 */
export async function withRecovery<T>(
  gpu: Gpu,
  work: (gpu: Gpu) => Promise<T>,
  { reopen, progress = () => 0 }: Recovery,
): Promise<T> {
  let device = gpu;
  let losses = 0;
  for (;;) {
    const before = progress();
    try {
      return await work(device);
    } catch (error) {
      // What the device itself throws may be anything; our other errors mean what they say.
      const ours = error instanceof VoxelgradError && !(error instanceof GpuError);
      const reason = ours ? error : await device.reasonOf(error);
      if (progress() > before) losses = 0;
      if (!(reason instanceof DeviceLostError) || !reopen || ++losses > MAX_LOSSES) throw reason;
      device = await reopen(reason);
    }
  }
}
