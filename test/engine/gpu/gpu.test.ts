import { describe, expect, it, vi } from 'vitest';
import { GpuError, OutOfMemoryError } from '../../../src/core/errors.ts';
import { familyOf } from '../../../src/engine/gpu/capabilities.ts';
import { formatBytes } from '../../../src/engine/gpu/gpu.ts';
import { type Kernel, kernelKey } from '../../../src/engine/gpu/kernel.ts';
import { shaders } from '../../../src/engine/gpu/shaders.generated.ts';
import { specialise } from '../../../src/engine/gpu/specialise.ts';
import { encodeDispatches } from '../../../src/engine/tape/plan.ts';
import { useGpu } from '../../support/gpu.ts';

const STORAGE = 0x80 | 0x04 | 0x08;

describe('Gpu', () => {
  const context = useGpu();

  it('asks for the limits that the adapter offers', () => {
    const { capabilities, device } = context.gpu;
    expect(capabilities.maxBindingBytes).toBe(device.limits.maxStorageBufferBindingSize);
    expect(capabilities.maxBindingBytes).toBeGreaterThanOrEqual(128 * 2 ** 20);
    expect(capabilities.maxInvocations).toBeGreaterThanOrEqual(256);
    expect(capabilities.maxStorageBuffers).toBeGreaterThanOrEqual(8);
    expect(256 % capabilities.offsetAlignment, 'stores align tensors to 256 bytes').toBe(0);
  });

  it('reads what was written, at any offset and of any length', async () => {
    const { gpu } = context;
    const buffer = await gpu.createBuffer({ label: 'bytes', bytes: 64, usage: STORAGE });
    const data = Float32Array.from({ length: 16 }, (_, i) => i);
    gpu.device.queue.writeBuffer(buffer, 0, data);
    expect(new Float32Array(await gpu.read(buffer, 8, 12))).toEqual(data.slice(2, 5));
    expect((await gpu.read(buffer, 0, 7)).byteLength).toBe(7);
    expect(gpu.allocatedBytes).toBe(64);
    gpu.destroyBuffer(buffer);
    expect(gpu.buffers).toEqual([]);
  });

  it('says which buffer was too large, and how large it was', async () => {
    const { gpu } = context;
    const bytes = gpu.capabilities.maxBufferBytes + 4;
    const failure = gpu.createBuffer({ label: 'training/arena0', bytes, usage: STORAGE });
    await expect(failure).rejects.toThrow(OutOfMemoryError);
    await expect(failure).rejects.toMatchObject({
      code: 'out-of-memory',
      message: expect.stringMatching(/^training\/arena0 needs .* GB: this adapter allows .* GB a buffer$/),
      hint: expect.stringMatching(/smaller patch/),
    });
    expect(gpu.buffers).toEqual([]);
  });

  it('names the buffer where the driver has no memory left, however it says so', async () => {
    const { gpu } = context;
    const { device } = gpu;
    const request = { label: 'parameters', bytes: 4096, usage: STORAGE };
    const pop = device.popErrorScope.bind(device);
    const scopes = vi.spyOn(device, 'popErrorScope').mockImplementationOnce(async () => {
      await pop();
      return new GPUOutOfMemoryError('the heap is full');
    });
    const reported = gpu.createBuffer(request);
    await expect(reported).rejects.toThrow(OutOfMemoryError);
    await expect(reported).rejects.toThrow('parameters needs 4.1 kB: the heap is full');
    scopes.mockRestore();
    const creation = vi.spyOn(device, 'createBuffer').mockImplementationOnce(() => {
      throw new RangeError('size is too large');
    });
    await expect(gpu.createBuffer(request)).rejects.toThrow(OutOfMemoryError);
    creation.mockRestore();
    expect(gpu.buffers).toEqual([]);
  });

  it('refuses impossible usages as validation errors, not as exhausted memory', async () => {
    const { gpu } = context;
    const failure = gpu.createBuffer({ label: 'odd', bytes: 16, usage: 0x01 | 0x80 });
    await expect(failure).rejects.toThrow(GpuError);
    await expect(failure).rejects.not.toThrow(OutOfMemoryError);
    gpu.check();
  });

  it('keeps the first error that nobody caught and throws it once', async () => {
    const { gpu } = context;
    const encoder = gpu.device.createCommandEncoder();
    gpu.device.queue.submit([encoder.finish()]);
    gpu.device.createBuffer({ size: 16, usage: 0x01 | 0x80, label: 'uncaught' });
    await gpu.device.queue.onSubmittedWorkDone();
    expect(() => gpu.check()).toThrow(/the device refused a call/);
    gpu.check();
  });

  it('gives the file, the line and its text where a shader does not compile', async () => {
    const files = shaders as Record<string, string>;
    files['broken.wgsl'] =
      'const A = 1u;\n\n@compute @workgroup_size(1)\nfn main() {\n  let x = nothing(A);\n}\n';
    try {
      const failure = context.gpu.kernels.pipeline({ file: 'broken.wgsl', entry: 'main' });
      await expect(failure).rejects.toThrow(GpuError);
      await expect(failure).rejects.toThrow(
        /shaders\/broken\.wgsl \(specialised, line 5\): [\s\S]*let x = nothing\(A\);/,
      );
    } finally {
      delete files['broken.wgsl'];
    }
  });

  it('compiles a kernel once', () => {
    const { kernels } = context.gpu;
    const kernel = { file: 'relu.wgsl', entry: 'forward' };
    expect(kernels.pipeline(kernel)).toBe(kernels.pipeline({ ...kernel }));
    expect(kernels.pipeline(kernel)).not.toBe(kernels.pipeline({ ...kernel, spec: { ACCUMULATE: 1 } }));
  });
});

describe('a kernel with its own source', () => {
  const context = useGpu();
  const shader = (value: number): string => `
    const VALUE = ${value}u; // @spec
    @group(0) @binding(0) var<storage, read_write> output: array<u32>;
    @compute @workgroup_size(1)
    fn main() { output[0] = VALUE; }`;

  async function result(kernel: Kernel): Promise<number> {
    const { gpu } = context;
    const buffer = await gpu.createBuffer({ label: 'result', bytes: 16, usage: STORAGE });
    const pipeline = await gpu.kernels.pipeline(kernel);
    const entries = [{ binding: 0, resource: { buffer } }];
    const bindGroup = gpu.device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries });
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encodeDispatches(pass, [{ label: 'own', pipeline, bindGroup, workgroups: [1, 1, 1] }]);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    const [value] = new Uint32Array(await gpu.read(buffer, 0, 4));
    gpu.destroyBuffer(buffer);
    return value!;
  }

  it('runs, whatever other source has the same name', async () => {
    // `relu.wgsl` is a file of this package too.
    for (const file of ['own.wgsl', 'relu.wgsl']) {
      expect(await result({ file, source: shader(3), entry: 'main' })).toBe(3);
      expect(await result({ file, source: shader(4), entry: 'main' })).toBe(4);
      expect(await result({ file, source: shader(4), entry: 'main', spec: { VALUE: 5 } })).toBe(5);
    }
    expect(context.gpu.kernels.has({ file: 'own.wgsl', source: shader(3), entry: 'main' })).toBe(true);
    expect(context.gpu.kernels.has({ file: 'own.wgsl', source: shader(6), entry: 'main' })).toBe(false);
  });

  it('may include files of this package', () => {
    const text = specialise('own.wgsl', {}, '//!include relu.wgsl\nconst OWN = 1u;\n');
    expect(text).toContain('ReLU');
    expect(text).toContain('const OWN = 1u;');
  });

  it('is named in every message', async () => {
    const { kernels } = context.gpu;
    const compile = (kernel: Omit<Kernel, 'file'>): Promise<unknown> =>
      kernels.pipeline({ file: 'mine', ...kernel });
    const source = '@compute @workgroup_size(1)\nfn main() { let x = nothing(); }';
    await expect(compile({ source, entry: 'main' })).rejects.toThrow(
      /^mine \(specialised, line 2\): [\s\S]*let x = nothing\(\)/,
    );
    await expect(compile({ source: shader(1), entry: 'absent' })).rejects.toThrow(/^kernel mine:absent: /);
    await expect(compile({ source: shader(1), entry: 'main', spec: { WIDTH: 2 } })).rejects.toThrow(
      'mine: no "// @spec" line declares WIDTH',
    );
  });
});

describe('names', () => {
  it('of kernels are independent of the order of their values', () => {
    const key = kernelKey({ file: 'a.wgsl', entry: 'f', spec: { B: 2, A: 1 }, constants: { C: 3 } });
    expect(key).toBe('a.wgsl:f{A=1,B=2,C=3}');
    expect(kernelKey({ file: 'a.wgsl', entry: 'f' })).toBe('a.wgsl:f');
  });

  it('of sizes are short', () => {
    expect([12, 4_100, 67_100_000, 4_294_967_296].map(formatBytes)).toEqual([
      '12 B',
      '4.1 kB',
      '67.1 MB',
      '4.29 GB',
    ]);
  });

  it('of adapters give the family', () => {
    const family = (description: string, vendor = '', architecture = ''): string =>
      familyOf({ description, vendor, architecture });
    expect(family('llvmpipe (LLVM 19.1.4, 256 bits)')).toBe('lavapipe');
    expect(family('SwiftShader Device (LLVM 10.0.0)')).toBe('swiftshader');
    expect(family('', 'google', 'swiftshader')).toBe('swiftshader');
    expect(family('NVIDIA H100', 'nvidia', 'hopper')).toBe('gpu');
  });
});
