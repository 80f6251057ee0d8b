import { GpuError } from '../../core/errors.ts';
import type { GPUBuffer } from '../../core/globals.ts';
import { roundUp } from '../../core/shape.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { Kernel } from '../../engine/gpu/kernel.ts';
import { encodeParams, type Params } from '../../engine/tape/command.ts';
import type { Dispatch } from '../../engine/tape/plan.ts';
import type { Region } from '../../engine/tape/tensor.ts';

/** Bytes that every device accepts as a binding's offset. */
const ALIGNMENT = 256;

/** Bytes of a buffer, as a bind group takes them. */
export interface BufferRange {
  readonly buffer: GPUBuffer;
  readonly offset: number;
  readonly size: number;
}

/** Part of a region that starts at any element: bound from the last aligned offset before it. */
export interface Slice {
  readonly resource: BufferRange;
  /** Elements between the binding's start and the slice's. */
  readonly first: number;
}

/** Elements [first, first + count) of a region. */
export function sliceOf(region: Region, first: number, count: number): Slice {
  const start = region.offset + first * 4;
  const offset = Math.floor(start / ALIGNMENT) * ALIGNMENT;
  return {
    resource: { buffer: region.buffer, offset, size: start - offset + count * 4 },
    first: (start - offset) / 4,
  };
}

/**
 * Params blocks that change from run to run, for dispatches outside a plan: `set` each, `upload` once, then encode.
 * The queue keeps the order of uploads and submits, so blocks may be set again while earlier runs are still in flight.
 */
export class UniformSlots {
  readonly #gpu: Gpu;
  readonly #buffer: GPUBuffer;
  readonly #bytes: Uint8Array<ArrayBuffer>;

  private constructor(gpu: Gpu, buffer: GPUBuffer, bytes: Uint8Array<ArrayBuffer>) {
    this.#gpu = gpu;
    this.#buffer = buffer;
    this.#bytes = bytes;
  }

  /** @param count blocks, of at most 256 bytes each. @throws OutOfMemoryError, DeviceLostError. */
  static async create(gpu: Gpu, label: string, count: number): Promise<UniformSlots> {
    const bytes = Math.max(1, count) * ALIGNMENT;
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    return new UniformSlots(gpu, await gpu.createBuffer({ label, bytes, usage }), new Uint8Array(bytes));
  }

  set(slot: number, params: Params): void {
    this.#bytes.set(new Uint8Array(encodeParams(params)), slot * ALIGNMENT);
  }

  upload(): void {
    this.#gpu.device.queue.writeBuffer(this.#buffer, 0, this.#bytes);
  }

  /** The binding of a block of `fields` 4-byte fields. */
  resource(slot: number, fields: number): BufferRange {
    return { buffer: this.#buffer, offset: slot * ALIGNMENT, size: roundUp(fields * 4, 16) };
  }

  destroy(): void {
    this.#gpu.destroyBuffer(this.#buffer);
  }
}

/** A dispatch to be bound: resources in the order of their `@binding` numbers. */
export interface Unbound {
  readonly label: string;
  readonly resources: readonly BufferRange[];
  readonly workgroups: readonly [number, number, number];
}

/** Binds many dispatches of one kernel. @throws GpuError with the device's message. */
export async function bindKernel(
  gpu: Gpu,
  kernel: Kernel,
  dispatches: readonly Unbound[],
): Promise<Dispatch[]> {
  const pipeline = await gpu.kernels.pipeline(kernel);
  const layout = pipeline.getBindGroupLayout(0);
  gpu.device.pushErrorScope('validation');
  const bound = dispatches.map(({ label, resources, workgroups }): Dispatch => {
    const entries = resources.map((resource, binding) => ({ binding, resource }));
    return { label, pipeline, bindGroup: gpu.device.createBindGroup({ label, layout, entries }), workgroups };
  });
  const invalid = await gpu.guard(gpu.device.popErrorScope());
  if (invalid)
    throw new GpuError(
      `binding ${kernel.file}:${kernel.entry} failed: ${invalid.message.split('\n').slice(0, 6).join('\n')}`,
    );
  return bound;
}
