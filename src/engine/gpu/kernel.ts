import { GpuError } from '../../core/errors.ts';
import type { GPUComputePipeline, GPUDevice } from '../../core/globals.ts';
import type { Spec } from './specialise.ts';

/** One entry point of a shader, specialised. */
export interface Kernel {
  /** File below shaders/, such as `conv3d.wgsl`; with `source` only the name that messages use. */
  readonly file: string;
  /** WGSL of the caller's own, compiled instead of a file of this package. The specialiser's marks work in it too. */
  readonly source?: string;
  readonly entry: string;
  /** Values for the file's `// @spec` lines. */
  readonly spec?: Spec;
  /** Values for the file's `override` constants. */
  readonly constants?: Readonly<Record<string, number>>;
}

/** A kernel as messages name it: `conv3d.wgsl:forward{TILE=4}`. */
export function kernelKey(kernel: Kernel): string {
  const values = Object.entries({ ...kernel.spec, ...kernel.constants }).sort(([a], [b]) => (a < b ? -1 : 1));
  const text = values.map(([name, value]) => `${name}=${value}`).join(',');
  return `${kernel.file}:${kernel.entry}${text ? `{${text}}` : ''}`;
}

/** Equal for equal kernels only: two sources may share a name. */
export function kernelIdentity(kernel: Kernel): string {
  return JSON.stringify([kernelKey(kernel), kernel.source ?? null]);
}

/** How a platform waits for a promise of the device. */
export type Wait = <T>(promise: Promise<T>) => Promise<T>;

/** Compiles kernels once a device. */
export class KernelCache {
  readonly #device: GPUDevice;
  readonly #wait: Wait;
  readonly #modules: Map<string, Promise<GPUShaderModule>> = new Map();
  readonly #pipelines: Map<string, Promise<GPUComputePipeline>> = new Map();

  constructor(device: GPUDevice, wait: Wait) {
    this.#device = device;
    this.#wait = wait;
  }

  /** The compiled kernel. @throws GpuError with the shader, line and text of the first compile error. */
  pipeline(kernel: Kernel): Promise<GPUComputePipeline> {
    const identity = kernelIdentity(kernel);
    let pipeline = this.#pipelines.get(identity);
    if (!pipeline) {
      pipeline = this.#compile(kernel, kernelKey(kernel));
      this.#pipelines.set(identity, pipeline);
    }
    return pipeline;
  }

  /** Whether a kernel was asked for on this device before. */
  has(kernel: Kernel): boolean {
    return this.#pipelines.has(kernelIdentity(kernel));
  }

  async #compile(kernel: Kernel, key: string): Promise<GPUComputePipeline> {
    const module = await this.#module(kernel);
    try {
      const compiled = this.#device.createComputePipelineAsync({
        label: key,
        layout: 'auto',
        compute: {
          module,
          entryPoint: kernel.entry,
          ...(kernel.constants ? { constants: kernel.constants } : {}),
        },
      });
      return await this.#wait(compiled);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new GpuError(`kernel ${key}: ${message.split('\n').slice(0, 6).join('\n')}`, { cause });
    }
  }

  #module(kernel: Kernel): Promise<GPUShaderModule> {
    const key = JSON.stringify([kernel.file, kernel.source ?? null, kernel.spec ?? {}]);
    let module = this.#modules.get(key);
    if (!module) {
      module = this.#createModule(kernel);
      this.#modules.set(key, module);
    }
    return module;
  }

  async #createModule(kernel: Kernel): Promise<GPUShaderModule> {
    const { file, source } = kernel;
    // With the text of all shaders, which a page need not load before it computes.
    const { shaderName, specialise } = await import('./specialise.ts');
    const name = shaderName(file, source);
    const code = specialise(file, kernel.spec, source);
    this.#device.pushErrorScope('validation');
    const module = this.#device.createShaderModule({ label: file, code });
    const popped = this.#device.popErrorScope();
    const info = await module.getCompilationInfo();
    const error = info.messages.find((message) => message.type === 'error');
    const scope = await popped;
    if (error) {
      const line = code.split('\n')[error.lineNum - 1]?.trim() ?? '';
      throw new GpuError(
        `${name} (specialised, line ${error.lineNum}): ${error.message}\n  ${line.slice(0, 200)}`,
      );
    }
    if (scope) throw new GpuError(`${name}: ${scope.message}`);
    return module;
  }
}
