import { type Shape, sizeOf } from '../../core/shape.ts';
import type { Capabilities } from '../gpu/capabilities.ts';
import type { Spec } from '../gpu/specialise.ts';
import { type Binding, slice } from './command.ts';
import { storageSpec } from './storage.ts';
import { someHalf, type Tensor } from './tensor.ts';
import { flatChunks, flatGroups } from './workgroups.ts';

/** Invocations of a workgroup, and items of each: what the shaders of elementwise ops declare. */
const LANES = 64;
const ITEMS = 8;

/** One dispatch of an elementwise op: as much of a tensor as the device binds at once. */
export interface FlatPart {
  /** `real` of the shader, vectors of 4 if the elements fill them, and the aliases for what tensors store. */
  readonly spec: Spec;
  /** Of `real`. */
  readonly items: number;
  /** Elements before this part. */
  readonly first: number;
  readonly groups: readonly [number, number, number];
  /** Cuts a binding of a whole tensor to this part. */
  part(binding: Binding): Binding;
}

/**
 * The dispatches that walk a tensor flat, as shaders/add.wgsl does.
 * @param stored tensors by the shader's alias for what they store
 */
export function flatParts(
  shape: Shape,
  capabilities: Capabilities,
  stored: Readonly<Record<string, Tensor>> = {},
): FlatPart[] {
  const size = sizeOf(shape);
  const width = size % 4 === 0 ? 4 : 1;
  const spec = { real: width === 4 ? 'vec4f' : 'f32', ...storageSpec(stored, width) };
  const smallest = someHalf(...Object.values(stored)) ? 2 : 4;
  return flatChunks(size, capabilities, smallest).map(({ first, count }) => ({
    spec,
    items: count / width,
    first,
    groups: flatGroups(count / width, LANES * ITEMS, capabilities),
    part: (binding) => slice(binding, first, count),
  }));
}
