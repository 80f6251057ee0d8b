import { expect } from 'vitest';
import { DeviceLostError } from '../../src/core/errors.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { openNodeGpu } from '../../src/platform/node.ts';

/** A device that is lost at chosen moments, each once, and those that take its place. */
export class MortalGpu {
  readonly #opened: Gpu[];
  readonly #left: Set<number>;

  private constructor(first: Gpu, lossesAt: readonly number[]) {
    this.#opened = [first];
    this.#left = new Set(lossesAt);
  }

  static async open(lossesAt: readonly number[]): Promise<MortalGpu> {
    return new MortalGpu(await openNodeGpu(), lossesAt);
  }

  get first(): Gpu {
    return this.#opened[0]!;
  }

  /** Devices so far. */
  get count(): number {
    return this.#opened.length;
  }

  /** Tells that a moment has come. */
  reach(moment: number): void {
    if (this.#left.delete(moment)) this.#opened.at(-1)!.device.destroy();
  }

  readonly reopen = async (lost: unknown): Promise<Gpu> => {
    expect(lost).toBeInstanceOf(DeviceLostError);
    this.#opened.push(await openNodeGpu());
    return this.#opened.at(-1)!;
  };

  async close(): Promise<void> {
    for (const gpu of this.#opened) await gpu.close();
  }
}

/** Checks that work which is given none but dead devices ends after three of them. */
export async function endsOnDeadDevices(
  work: (reopen: () => Promise<Gpu>) => Promise<unknown>,
): Promise<void> {
  let opened = 0;
  const failing = work(async () => {
    opened++;
    const gpu = await openNodeGpu();
    gpu.device.destroy();
    await gpu.device.lost;
    return gpu;
  });
  await expect(failing).rejects.toThrow(DeviceLostError);
  expect(opened).toBe(3);
}
