import { type Shape, sizeOf } from '../../core/shape.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import { type Binding, slice } from './command.ts';
import { flatChunks, flatGroups } from './workgroups.ts';

/** Invocations of a workgroup, and items of each: what the shaders of elementwise ops declare. */
const LANES = 64;
const ITEMS = 8;

/** One dispatch of an elementwise op: as much of a tensor as the device binds at once. */
export interface FlatPart {
  /** `real` of the shader: vectors of 4 where the elements fill them. */
  readonly spec: { readonly real: 'f32' | 'vec4f' };
  /** Of `real`. */
  readonly items: number;
  readonly groups: readonly [number, number, number];
  /** Cuts a binding of a whole tensor to this part. */
  part(binding: Binding): Binding;
}

/** The dispatches that walk a tensor flat, as shaders/relu.wgsl and shaders/sigmoid.wgsl do. */
export function flatParts(shape: Shape, capabilities: Capabilities): FlatPart[] {
  const size = sizeOf(shape);
  const width = size % 4 === 0 ? 4 : 1;
  return flatChunks(size, capabilities).map(({ first, count }) => ({
    spec: { real: width === 4 ? 'vec4f' : 'f32' },
    items: count / width,
    groups: flatGroups(count / width, LANES * ITEMS, capabilities),
    part: (binding) => slice(binding, first, count),
  }));
}
