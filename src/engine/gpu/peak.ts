import { OutOfMemoryError } from '../../core/errors.ts';
import type { GPUBuffer } from '../../core/globals.ts';
import type { Gpu } from './gpu.ts';

/** What an adapter can do at most, as measured. */
export interface Peak {
  /** 1e9 operations a second; a multiply-add counts as two. Defined in shaders/peak.wgsl. */
  readonly gflops: number;
  /** 1e9 bytes a second, read plus written, of a copy from buffer to buffer. */
  readonly gbps: number;
}

// Mirrors of shaders/peak.wgsl.
const CHAINS = 10;
const LINKS = 8;
const LANES = 64;

const WORKGROUPS = 1024;
/** Of a copy on software drivers, and on GPUs, where it has to be larger than any cache (256 MiB on some). */
const COPY_BYTES = { software: 64 * 2 ** 20, gpu: 512 * 2 ** 20 } as const;
const LEAST_COPY_BYTES = 2 ** 20;
/** The first round count; raised until one submission takes long enough to be timed. */
const FIRST_ROUNDS = 16;
const LONG_ENOUGH_MS = 40;
const REPEATS = 6;

/**
 * Measures the adapter's peak arithmetic and copy rate; takes about a second on a software adapter. Other work on
 * the machine lowers the figures.
 * @throws GpuError, OutOfMemoryError, DeviceLostError.
 */
export async function measurePeak(gpu: Gpu): Promise<Peak> {
  return { gflops: await measureArithmetic(gpu), gbps: await measureCopies(gpu) };
}

async function measureArithmetic(gpu: Gpu): Promise<number> {
  const { device } = gpu;
  const output = await gpu.createBuffer({
    label: 'peak/output',
    bytes: WORKGROUPS * LANES * 4,
    usage: GPUBufferUsage.STORAGE,
  });
  const params = await gpu.createBuffer({
    label: 'peak/params',
    bytes: 16,
    usage: GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST,
  });
  try {
    const pipeline = await gpu.kernels.pipeline({ file: 'peak.wgsl', entry: 'multiply_add' });
    const bindGroup = device.createBindGroup({
      label: 'peak',
      layout: pipeline.getBindGroupLayout(0),
      entries: [
        { binding: 0, resource: { buffer: output } },
        { binding: 1, resource: { buffer: params } },
      ],
    });
    const run = async (rounds: number): Promise<number> => {
      const block = new DataView(new ArrayBuffer(16));
      block.setFloat32(0, 0.999, true);
      block.setFloat32(4, 0.001, true);
      block.setUint32(8, rounds, true);
      device.queue.writeBuffer(params, 0, block.buffer);
      return await time(gpu, (encoder) => {
        const pass = encoder.beginComputePass({ label: 'peak' });
        pass.setPipeline(pipeline);
        pass.setBindGroup(0, bindGroup);
        pass.dispatchWorkgroups(WORKGROUPS);
        pass.end();
      });
    };
    let rounds = FIRST_ROUNDS;
    // The first submission compiles on some drivers, so it is not taken as a measure of length.
    await run(1);
    while ((await run(rounds)) < LONG_ENOUGH_MS && rounds < 2 ** 20) rounds *= 2;
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < REPEATS; i++) best = Math.min(best, await run(rounds));
    return (2 * WORKGROUPS * LANES * rounds * LINKS * CHAINS) / (best * 1e6);
  } finally {
    gpu.destroyBuffer(output);
    gpu.destroyBuffer(params);
  }
}

/** The copy rate; of half as many bytes if the device has no room for both buffers. */
async function measureCopies(
  gpu: Gpu,
  wanted: number = COPY_BYTES[gpu.capabilities.software ? 'software' : 'gpu'],
): Promise<number> {
  const bytes = Math.min(wanted, gpu.capabilities.maxBufferBytes);
  try {
    return await copyRate(gpu, bytes);
  } catch (error) {
    if (!(error instanceof OutOfMemoryError) || bytes <= LEAST_COPY_BYTES) throw error;
    return await measureCopies(gpu, bytes / 2);
  }
}

async function copyRate(gpu: Gpu, bytes: number): Promise<number> {
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffers: GPUBuffer[] = [];
  try {
    for (const label of ['peak/source', 'peak/target'])
      buffers.push(await gpu.createBuffer({ label, bytes, usage }));
    const [source, target] = buffers as [GPUBuffer, GPUBuffer];
    let best = Number.POSITIVE_INFINITY;
    // Once more than measured: the first copy touches the pages.
    for (let i = 0; i <= REPEATS; i++) {
      const ms = await time(gpu, (encoder) => encoder.copyBufferToBuffer(source, 0, target, 0, bytes));
      if (i > 0) best = Math.min(best, ms);
    }
    return (2 * bytes) / (best * 1e6);
  } finally {
    for (const buffer of buffers) gpu.destroyBuffer(buffer);
  }
}

/** Milliseconds from submission until the device is done. */
async function time(gpu: Gpu, encode: (encoder: GPUCommandEncoder) => void): Promise<number> {
  await gpu.idle();
  const encoder = gpu.device.createCommandEncoder({ label: 'peak' });
  encode(encoder);
  const commands = encoder.finish();
  const start = performance.now();
  gpu.device.queue.submit([commands]);
  await gpu.idle();
  return performance.now() - start;
}
