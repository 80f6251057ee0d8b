import type { GPUBuffer } from '../../core/globals.ts';
import { roundUp } from '../../core/shape.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Shifts } from '../augment/augmentation.ts';
import type { BufferRange } from './uniform-slots.ts';

/** The displacements of a batch's items on the GPU. */
export class ShiftTables {
  readonly #gpu: Gpu;
  readonly #buffer: GPUBuffer;
  /** Bytes of an item, and between items. */
  readonly #bytes: number;
  readonly #stride: number;

  private constructor(gpu: Gpu, buffer: GPUBuffer, bytes: number, stride: number) {
    this.#gpu = gpu;
    this.#buffer = buffer;
    this.#bytes = bytes;
    this.#stride = stride;
  }

  /** @param points the most control points along an axis, 0 for none. @throws OutOfMemoryError. */
  static async create(gpu: Gpu, items: number, points: number): Promise<ShiftTables> {
    const bytes = Math.max(16, 12 * points ** 3);
    const stride = roundUp(bytes, 256);
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST;
    const buffer = await gpu.createBuffer({ label: 'displacements', bytes: items * stride, usage });
    return new ShiftTables(gpu, buffer, bytes, stride);
  }

  resource(item: number): BufferRange {
    return { buffer: this.#buffer, offset: item * this.#stride, size: this.#bytes };
  }

  send(item: number, { values }: Shifts): void {
    const data = values as Float32Array<ArrayBuffer>;
    this.#gpu.device.queue.writeBuffer(this.#buffer, item * this.#stride, data);
  }

  destroy(): void {
    this.#gpu.destroyBuffer(this.#buffer);
  }
}
