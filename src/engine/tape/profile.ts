import { GpuError } from '../../core/errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { encodeDispatches, type Plan } from './plan.ts';

/** GPU time of one dispatch of a plan. */
export interface DispatchTime {
  readonly label: string;
  readonly ms: number;
}

/** Most timestamps that one query set may hold (WebGPU's limit). */
const MAX_QUERIES = 4096;

/**
 * Replays a plan once with a timestamp before and after each dispatch. Browsers round timestamps to
 * 0.1 ms; on Node, `openNodeGpu({ exactTimestamps: true })` gives those of the device.
 *
 * @throws GpuError where the device has no timestamps.
 */
export async function profilePlan(gpu: Gpu, plan: Plan): Promise<DispatchTime[]> {
  if (!gpu.capabilities.timestamps)
    throw new GpuError(`${gpu.capabilities.description} has no timestamp queries`, {
      hint: 'Time whole replays instead.',
    });
  const { device } = gpu;
  const times: DispatchTime[] = [];
  for (let first = 0; first < plan.dispatches.length; first += MAX_QUERIES / 2) {
    const part = plan.dispatches.slice(first, first + MAX_QUERIES / 2);
    const querySet = device.createQuerySet({ type: 'timestamp', count: part.length * 2 });
    const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
    const resolved = await gpu.createBuffer({ label: 'timestamps', bytes: part.length * 16, usage });
    const encoder = device.createCommandEncoder({ label: 'profile' });
    part.forEach((dispatch, i) => {
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
      const pass = encoder.beginComputePass({ label: dispatch.label, timestampWrites });
      encodeDispatches(pass, [dispatch]);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, part.length * 2, resolved, 0);
    device.queue.submit([encoder.finish()]);
    const ticks = new BigUint64Array(await gpu.read(resolved, 0, part.length * 16));
    part.forEach(({ label }, i) => {
      times.push({ label, ms: Number(ticks[2 * i + 1]! - ticks[2 * i]!) / 1e6 });
    });
    gpu.destroyBuffer(resolved);
    querySet.destroy();
  }
  return times;
}
