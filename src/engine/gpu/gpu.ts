import { formatBytes } from '../../core/bytes.ts';
import { DeviceLostError, GpuError, OutOfMemoryError } from '../../core/errors.ts';
import type { GPUAdapter, GPUBuffer, GPUDevice } from '../../core/globals.ts';
import { setting, worded } from '../../core/wording.ts';
import { type Capabilities, capabilitiesOf, type DriverOrigin } from './capabilities.ts';
import { countingDevice } from './counting-device.ts';
import { KernelCache, type Wait } from './kernel.ts';

export { formatBytes };

/** Limits that are asked for at the adapter's own value; what is not asked for stays at WebGPU's default. */
const LIMITS = [
  'maxStorageBufferBindingSize',
  'maxBufferSize',
  'maxUniformBufferBindingSize',
  'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup',
  'maxComputeWorkgroupSizeX',
  'maxComputeWorkgroupSizeY',
  'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
  'maxStorageBuffersPerShaderStage',
  'minStorageBufferOffsetAlignment',
  'minUniformBufferOffsetAlignment',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/** How long after a failed call a device may take to say that it was lost. */
const LOSS_MS = 20;

const FEATURES: readonly GPUFeatureName[] = ['subgroups', 'shader-f16', 'timestamp-query'];

/** Named by {@link Gpu.createBuffer} in errors, so that an allocation that fails says what it was for. */
export interface BufferRequest {
  readonly label: string;
  readonly bytes: number;
  readonly usage: number;
}

/** Settings of {@link Gpu.open}. */
export interface GpuOptions {
  /** False for an adapter that computes nothing: running a plan or reading back throws. */
  readonly execute?: boolean;
  /** How this platform waits for a promise of the device; by itself where nothing is given. */
  readonly wait?: Wait;
}

/** One opened device with its compiled kernels. Everything of the engine runs on one of these. */
export class Gpu {
  readonly device: GPUDevice;
  readonly capabilities: Capabilities;
  readonly kernels: KernelCache;
  /** False for a device that compiles and validates only. */
  readonly executes: boolean;
  #lost: DeviceLostError | undefined;
  #error: GpuError | undefined;
  /** Those who wait for the device, to be told when it is lost. */
  readonly #waiting: Set<(error: DeviceLostError) => void> = new Set();
  readonly #buffers: Map<GPUBuffer, BufferRequest> = new Map();
  readonly #wait: Wait;

  private constructor(device: GPUDevice, capabilities: Capabilities, options: GpuOptions) {
    this.device = device;
    this.executes = options.execute ?? true;
    this.#wait = options.wait ?? ((promise) => promise);
    this.capabilities = capabilities;
    this.kernels = new KernelCache(device, this.#wait);
    void device.lost.then((info) => {
      const lost = new DeviceLostError(
        `the device "${capabilities.description}" was lost (${info.reason}): ${info.message || 'no reason given'}`,
        { hint: 'Run the command again; a training run resumes from its last checkpoint.' },
      );
      this.#lost = lost;
      for (const tell of this.#waiting) tell(lost);
    });
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault();
      // Only the first is kept: one bad bind group repeats its message at every dispatch.
      this.#error ??= new GpuError(`the device refused a call: ${firstLines(event.error.message)}`);
    });
  }

  /**
   * Opens a device on the adapter with all the limits it offers.
   * @throws GpuError where the adapter refuses.
   */
  static async open(
    adapter: GPUAdapter,
    driver: DriverOrigin = 'system',
    options: GpuOptions = {},
  ): Promise<Gpu> {
    const requiredLimits: Record<string, number> = {};
    for (const name of LIMITS) requiredLimits[name] = adapter.limits[name];
    let device: GPUDevice;
    try {
      device = await adapter.requestDevice({
        requiredLimits,
        requiredFeatures: FEATURES.filter((feature) => adapter.features.has(feature)),
      });
    } catch (cause) {
      throw new GpuError(`the adapter "${adapter.info.description}" gave no device: ${String(cause)}`, {
        hint: 'Close other programs that use the GPU, or choose another adapter.',
        cause,
      });
    }
    return new Gpu(device, capabilitiesOf(device, adapter.info, driver), options);
  }

  /**
   * A stand-in for a device with these capabilities that counts what is allocated on it, in {@link buffers}, and makes
   * nothing. It refuses what the device's limits refuse, and to run or to read anything.
   */
  static counting(capabilities: Capabilities): Gpu {
    return new Gpu(countingDevice(), capabilities, { execute: false });
  }

  /** Bytes in buffers that are alive. */
  get allocatedBytes(): number {
    let sum = 0;
    for (const request of this.#buffers.values()) sum += request.bytes;
    return sum;
  }

  /** Labels and sizes of the buffers that are alive, for leak checks. */
  get buffers(): BufferRequest[] {
    return [...this.#buffers.values()];
  }

  /**
   * Makes a buffer (zeroed, as WebGPU promises).
   * @throws OutOfMemoryError naming the label and size; DeviceLostError.
   */
  async createBuffer(request: BufferRequest): Promise<GPUBuffer> {
    this.check();
    const { label, bytes, usage } = request;
    const tooLarge = (why: string, cause?: unknown): OutOfMemoryError =>
      new OutOfMemoryError(`${label} needs ${formatBytes(bytes)}: ${why}`, {
        hint: worded`Use a smaller ${setting('patch')}, ${setting('batch')} or ${setting('baseChannels')}.`,
        cause,
      });
    if (bytes > this.capabilities.maxBufferBytes)
      throw tooLarge(`this adapter allows ${formatBytes(this.capabilities.maxBufferBytes)} a buffer`);
    this.device.pushErrorScope('validation');
    this.device.pushErrorScope('out-of-memory');
    let buffer: GPUBuffer | undefined;
    let thrown: unknown;
    try {
      buffer = this.device.createBuffer({ label, size: Math.max(16, Math.ceil(bytes / 4) * 4), usage });
    } catch (cause) {
      thrown = cause;
    }
    // Both scopes are popped before the first await: another call's scopes must not come in between.
    const scopes = Promise.all([this.device.popErrorScope(), this.device.popErrorScope()]);
    const [memory, invalid] = await scopes.catch(async (error: unknown) => {
      throw await this.reasonOf(error);
    });
    if (memory || thrown || !buffer) throw tooLarge(memory?.message ?? String(thrown), thrown);
    if (invalid) throw new GpuError(`buffer ${label}: ${firstLines(invalid.message)}`);
    this.#buffers.set(buffer, request);
    return buffer;
  }

  /** Destroys a buffer made by {@link createBuffer}. */
  destroyBuffer(buffer: GPUBuffer): void {
    this.#buffers.delete(buffer);
    buffer.destroy();
  }

  /** @throws the error that the device reported since the last check, or DeviceLostError. */
  check(): void {
    if (this.#lost) throw this.#lost;
    const error = this.#error;
    this.#error = undefined;
    if (error) throw error;
  }

  /** @throws GpuError on a device that computes nothing, so that its zeros are never taken for results. */
  expectExecution(): void {
    if (this.executes) return;
    throw new GpuError(
      `the device "${this.capabilities.description}" compiles shaders and executes nothing`,
      {
        hint: 'Open a GPU with openNodeGpu() to compute.',
      },
    );
  }

  /** Waits for a promise of the device, but no longer than the device lives. @throws DeviceLostError, GpuError. */
  async guard<T>(promise: Promise<T>): Promise<T> {
    try {
      const value = await this.#wait(this.#unlessLost(promise));
      this.check();
      return value;
    } catch (error) {
      throw await this.reasonOf(error);
    }
  }

  /** Not Promise.race with the device's loss: that promise lasts, and would keep every call that was raced with it. */
  async #unlessLost<T>(promise: Promise<T>): Promise<T> {
    if (this.#lost) {
      // Nobody waits for it any more; it fails when its buffer goes.
      promise.catch(() => undefined);
      throw this.#lost;
    }
    return await new Promise<T>((resolve, reject) => {
      this.#waiting.add(reject);
      promise.then(resolve, reject).finally(() => this.#waiting.delete(reject));
    });
  }

  /**
   * Why something failed on this device: a lost device makes calls fail, in many ways, before it says that it is
   * lost. Then the loss is the reason, else the error itself.
   */
  async reasonOf(error: unknown): Promise<unknown> {
    if (error instanceof DeviceLostError) return error;
    await new Promise((resolve) => setTimeout(resolve, LOSS_MS));
    return this.#lost ?? error;
  }

  /** Resolves when all submitted work is done. @throws GpuError, DeviceLostError. */
  async idle(): Promise<void> {
    await this.guard(this.device.queue.onSubmittedWorkDone());
  }

  /** Copies `bytes` of a buffer to the host. @throws GpuError, DeviceLostError. */
  async read(buffer: GPUBuffer, offset: number, bytes: number): Promise<ArrayBuffer> {
    this.expectExecution();
    const size = Math.ceil(bytes / 4) * 4;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = await this.createBuffer({ label: 'readback', bytes: size, usage });
    try {
      const encoder = this.device.createCommandEncoder({ label: 'readback' });
      encoder.copyBufferToBuffer(buffer, offset, staging, 0, size);
      this.device.queue.submit([encoder.finish()]);
      await this.guard(staging.mapAsync(GPUMapMode.READ));
      return staging.getMappedRange().slice(0, bytes);
    } finally {
      this.destroyBuffer(staging);
    }
  }

  /** Ends the device; resolves when it is gone. Buffers that are still alive go with it. */
  async close(): Promise<void> {
    for (const buffer of this.#buffers.keys()) buffer.destroy();
    this.#buffers.clear();
    this.device.destroy();
    await this.device.lost;
  }
}

function firstLines(message: string): string {
  return message.split('\n').slice(0, 6).join('\n');
}
