import type { GPUDevice } from '../../core/globals.ts';
/**
 * A device that allocates, compiles and runs nothing and refuses nothing: what is made on it leaves its sizes and no
 * more. With it, what a computation would allocate is found by the very code that would allocate it.
 */
export function countingDevice(): GPUDevice {
  const pipeline = { getBindGroupLayout: () => ({}) };
  const device = {
    lost: new Promise(() => {}),
    queue: { writeBuffer() {} },
    addEventListener() {},
    pushErrorScope() {},
    popErrorScope: () => Promise.resolve(null),
    createBuffer: ({ size, usage, label }: GPUBufferDescriptor) => ({ size, usage, label, destroy() {} }),
    createShaderModule: () => ({ getCompilationInfo: () => Promise.resolve({ messages: [] }) }),
    createComputePipelineAsync: () => Promise.resolve(pipeline),
    createBindGroup: () => ({}),
    destroy() {},
  };
  // The calls above are all that creation needs; any other one is a defect and fails as such.
  return device as unknown as GPUDevice;
}
