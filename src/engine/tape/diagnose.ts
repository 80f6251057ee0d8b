import { sizeOf } from '../../core/shape.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Binding } from './command.ts';
import { encodeDispatches, type Plan } from './plan.ts';
import { byteLength, decodeElements, elementBytes, type Tensor } from './tensor.ts';

/** Where a computation left the finite numbers. */
export interface NonFinite {
  readonly tensor: Tensor;
  /** The label of the dispatch that wrote it; null where it was so before anything ran. */
  readonly by: string | null;
  /** The first NaN or infinity in it. */
  readonly value: number;
  /** How many there are, in what was bound. */
  readonly count: number;
}

/**
 * Replays a plan one dispatch at a time and reads back everything that each wrote, and before that what it reads from
 * outside the plan, until a value is NaN or infinite. Slow: for a run that has failed already. The arena is cleared
 * first, so that nothing of the failed run is taken for a result.
 *
 * @param options `before`: label of the dispatch to stop in front of, such as an optimizer's update
 * @returns the first, in the order of the plan; undefined where all is finite.
 * @throws GpuError, DeviceLostError.
 */
export async function firstNonFinite(
  gpu: Gpu,
  plan: Plan,
  options: { readonly before?: string } = {},
): Promise<NonFinite | undefined> {
  clear(gpu, plan);
  /** Tensors of the caller's that have been looked at, or were written by the plan. */
  const seen = new Set<Tensor>();
  for (const dispatch of plan.dispatches) {
    if (dispatch.label === options.before) return undefined;
    const bindings = dispatch.bindings ?? [];
    for (const binding of bindings) {
      const { tensor, access } = binding;
      if (access !== 'read' || typeof tensor.placement !== 'object' || seen.has(tensor)) continue;
      seen.add(tensor);
      const found = await check(gpu, plan, { tensor, access }, null);
      if (found) return found;
    }
    const encoder = gpu.device.createCommandEncoder({ label: 'diagnose' });
    const pass = encoder.beginComputePass({ label: dispatch.label });
    encodeDispatches(pass, [dispatch]);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
    for (const binding of bindings) {
      if (binding.access !== 'write' && binding.access !== 'read-write') continue;
      seen.add(binding.tensor);
      const found = await check(gpu, plan, binding, dispatch.label);
      if (found) return found;
    }
  }
  return undefined;
}

function clear(gpu: Gpu, plan: Plan): void {
  const own = new Set<Tensor>();
  for (const { bindings = [] } of plan.dispatches)
    for (const { tensor } of bindings) if (typeof tensor.placement === 'string') own.add(tensor);
  const encoder = gpu.device.createCommandEncoder({ label: 'clear' });
  for (const tensor of own) {
    const { buffer, offset } = plan.region(tensor);
    encoder.clearBuffer(buffer, offset, byteLength(tensor));
  }
  gpu.device.queue.submit([encoder.finish()]);
}

async function check(
  gpu: Gpu,
  plan: Plan,
  { tensor, first = 0, count = sizeOf(tensor.shape) - first }: Binding,
  by: string | null,
): Promise<NonFinite | undefined> {
  const { buffer, offset } = plan.region(tensor);
  const bytes = elementBytes(tensor);
  const values = decodeElements(tensor, await gpu.read(buffer, offset + first * bytes, count * bytes));
  const bad = values.filter((value) => !Number.isFinite(value));
  return bad.length === 0 ? undefined : { tensor, by, value: bad[0]!, count: bad.length };
}
