import type { Gpu } from '../engine/gpu/gpu.ts';
import { withRecovery } from '../engine/gpu/recovery.ts';

/** The page's device: opened when it is first needed, and another one after it was lost. */
export class Devices {
  readonly #open: () => Promise<Gpu>;
  #gpu: Gpu | undefined;
  #lost = 0;

  /** @param open how a device is had */
  constructor(open: () => Promise<Gpu>) {
    this.#open = open;
  }

  /** How many were lost and replaced. */
  get lost(): number {
    return this.#lost;
  }

  /** The adapter that was used last, as its driver describes it; empty before. */
  get adapter(): string {
    return this.#gpu?.capabilities.description ?? '';
  }

  /** @throws GpuError where there is none. */
  async get(): Promise<Gpu> {
    this.#gpu ??= await this.#open();
    return this.#gpu;
  }

  /** Another device in place of one that was lost. @throws GpuError where there is none. */
  async replace(): Promise<Gpu> {
    this.#lost++;
    this.#gpu = undefined;
    return await this.get();
  }

  /** Does work on the device; where the device is lost, again on a new one. @throws what `work` throws. */
  async use<T>(work: (gpu: Gpu) => Promise<T>): Promise<T> {
    return await withRecovery(await this.get(), work, { reopen: () => this.replace() });
  }
}
