import { GpuError } from '../../core/errors.ts';
import { setting, worded } from '../../core/wording.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Spec } from '../gpu/specialise.ts';
import type { Element, Tensor } from './tensor.ts';

/**
 * Values for the aliases by which a shader names what its bindings store, such as `alias Input = f32; // @spec`.
 * Shaders are stored for 32 bits, so only tensors of 16-bit floats have one.
 *
 * @param tensors by alias
 * @param lanes elements of the alias's type: 1, or 4 for a vector
 */
export function storageSpec(
  tensors: Readonly<Record<string, Pick<Tensor, 'element'>>>,
  lanes: 1 | 4 = 1,
): Spec {
  const halves = Object.entries(tensors).filter(([, { element }]) => element === 'f16');
  return Object.fromEntries(halves.map(([alias]) => [alias, lanes === 4 ? 'vec4h' : 'f16']));
}

/** @throws GpuError where kernels of this device cannot store such elements. */
export function requireElement(element: Element, { f16, description }: Capabilities): void {
  if (element === 'f32' || f16) return;
  throw new GpuError(`"${description}" has no 16-bit floats in shaders (the WebGPU feature shader-f16)`, {
    hint: worded`Use ${setting('precision', 'f32')}, or another adapter.`,
  });
}
