import type { DeviceLostError } from '../core/errors.ts';
import type { Gpu } from '../engine/gpu/gpu.ts';
import { assignmentWarning, isAssigned } from '../platform/adapters.ts';
import { listAdapters, openNodeGpu } from '../platform/node.ts';
import type { Output } from './output.ts';

/** The machine's GPU, and after a loss the one that takes its place. */
export class LastingGpu {
  /** The device of the moment. */
  gpu: Gpu;
  readonly #output: Output;
  readonly #from: string;

  private constructor(gpu: Gpu, output: Output, from: string) {
    this.gpu = gpu;
    this.#output = output;
    this.#from = from;
  }

  /**
   * @param from where the work goes on after a loss, for the note to the user: `the last checkpoint`
   * @throws GpuError where there is none.
   */
  static async open(output: Output, from: string): Promise<LastingGpu> {
    const warning = isAssigned() ? assignmentWarning(await listAdapters({ quiet: true })) : undefined;
    if (warning) output.note(warning);
    return new LastingGpu(await openNodeGpu({ quiet: true }), output, from);
  }

  /** Opens the next device, and says so. @throws GpuError. */
  readonly reopen = async (lost: DeviceLostError): Promise<Gpu> => {
    this.#output.note(`note: ${lost.message}; a new device resumes from ${this.#from}`);
    this.gpu = await openNodeGpu({ quiet: true });
    return this.gpu;
  };

  async close(): Promise<void> {
    await this.gpu.close();
  }
}
