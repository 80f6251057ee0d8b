import { CheckpointError } from '../../core/errors.ts';
import { formatShape, roundUp, type Shape, sizeOf } from '../../core/shape.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Region, type Tensor, tensor } from './tensor.ts';

/** A named tensor to be stored. */
export interface TensorSpec {
  readonly name: string;
  readonly shape: Shape;
  /** False where the store has gradients but this tensor gets none. */
  readonly requiresGrad?: boolean;
}

/** Elements that each tensor of a store is aligned to: 256 bytes, which every device accepts as an offset. */
const ALIGNMENT = 64;

/**
 * Named tensors in one buffer that outlives plans: parameters, their gradients, running statistics, optimizer
 * state, inputs. The gaps between tensors hold zeros and stay zero, so an optimizer may treat the buffer as one
 * flat tensor.
 */
export class TensorStore {
  readonly label: string;
  /** The whole buffer as one tensor. */
  readonly flat: Tensor;
  readonly tensors: ReadonlyMap<string, Tensor>;
  readonly #gpu: Gpu;
  readonly #buffer: GPUBuffer;

  private constructor(
    gpu: Gpu,
    label: string,
    buffer: GPUBuffer,
    flat: Tensor,
    tensors: ReadonlyMap<string, Tensor>,
  ) {
    this.#gpu = gpu;
    this.label = label;
    this.#buffer = buffer;
    this.flat = flat;
    this.tensors = tensors;
  }

  /**
   * Allocates zeroed tensors.
   * @param options `grads`: a store of the same names, where each tensor's gradient goes; `requiresGrad`.
   * @throws OutOfMemoryError naming the label.
   */
  static async create(
    gpu: Gpu,
    label: string,
    specs: readonly TensorSpec[],
    options: { readonly grads?: TensorStore; readonly requiresGrad?: boolean } = {},
  ): Promise<TensorStore> {
    let elements = 0;
    const offsets = specs.map((spec) => {
      const offset = elements;
      elements += roundUp(sizeOf(spec.shape), ALIGNMENT);
      return offset;
    });
    const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
    const bytes = Math.max(elements, ALIGNMENT) * 4;
    const buffer = await gpu.createBuffer({ label, bytes, usage });
    const tensors = new Map<string, Tensor>();
    specs.forEach((spec, i) => {
      const grad = options.grads?.tensors.get(spec.name);
      const requiresGrad = spec.requiresGrad !== false && (options.requiresGrad ?? grad !== undefined);
      const place: Region = { buffer, offset: offsets[i]! * 4 };
      tensors.set(
        spec.name,
        tensor(spec.name, spec.shape, place, { requiresGrad, ...(grad ? { grad } : {}) }),
      );
    });
    const flat = tensor(label, [Math.max(elements, ALIGNMENT)], { buffer, offset: 0 });
    return new TensorStore(gpu, label, buffer, flat, tensors);
  }

  /** @throws CheckpointError where there is no such tensor. */
  get(name: string): Tensor {
    const found = this.tensors.get(name);
    if (!found) throw new CheckpointError(`${this.label} holds no tensor "${name}"`);
    return found;
  }

  /** Overwrites a tensor. @throws CheckpointError for an unknown name or another number of elements. */
  write(name: string, data: Float32Array | Uint32Array): void {
    const target = this.get(name);
    if (data.length !== sizeOf(target.shape))
      throw new CheckpointError(
        `${this.label}: ${name} is ${formatShape(target.shape)}, so it takes ${sizeOf(target.shape)} values; got ${data.length}`,
      );
    const region = target.placement as Region;
    this.#gpu.device.queue.writeBuffer(this.#buffer, region.offset, data);
  }

  /** Elements of a tensor. @throws CheckpointError, GpuError, DeviceLostError. */
  async read(name: string): Promise<Float32Array> {
    const target = this.get(name);
    const region = target.placement as Region;
    return new Float32Array(await this.#gpu.read(this.#buffer, region.offset, sizeOf(target.shape) * 4));
  }

  /** Sets elements of a tensor to 0, all or `count` from `first` on. @throws CheckpointError for an unknown name. */
  clear(name: string, first = 0, count?: number): void {
    const target = this.get(name);
    const { offset } = target.placement as Region;
    const encoder = this.#gpu.device.createCommandEncoder({ label: `clear ${this.label}` });
    encoder.clearBuffer(this.#buffer, offset + first * 4, (count ?? sizeOf(target.shape) - first) * 4);
    this.#gpu.device.queue.submit([encoder.finish()]);
  }

  /** All tensors in one readback. @throws GpuError, DeviceLostError. */
  async readAll(): Promise<Map<string, Float32Array>> {
    const all = new Float32Array(await this.#gpu.read(this.#buffer, 0, this.#buffer.size));
    const out = new Map<string, Float32Array>();
    for (const [name, t] of this.tensors) {
      const first = (t.placement as Region).offset / 4;
      out.set(name, all.slice(first, first + sizeOf(t.shape)));
    }
    return out;
  }

  /** Frees the buffer. */
  destroy(): void {
    this.#gpu.destroyBuffer(this.#buffer);
  }
}
