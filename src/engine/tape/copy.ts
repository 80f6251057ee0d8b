import type { Capabilities } from '../gpu/capabilities.ts';
import type { Access, Binding, Command } from './command.ts';
import { storageSpec } from './storage.ts';
import { elementBytes, type Tensor } from './tensor.ts';
import { flatGroups } from './workgroups.ts';

/** Consecutive elements of a tensor. */
export interface Part {
  readonly tensor: Tensor;
  readonly first: number;
  readonly count: number;
}

/** Elements that a workgroup of shaders/copy.wgsl copies. */
const COPY_ELEMENTS = 64 * 16;

/**
 * Copies a part of one tensor into another, which may store another element; either may start anywhere, and is bound
 * from the last place before it that the device binds.
 *
 * @param access `write` where nothing of what the target held counts
 * @param add to what the target holds
 */
export function copyCommand(
  label: string,
  from: Part,
  to: Part,
  access: Access,
  limits: Pick<Capabilities, 'offsetAlignment' | 'maxWorkgroups'>,
  add = false,
): Command {
  const before = ({ tensor, first }: Part): number => first % (limits.offsetAlignment / elementBytes(tensor));
  const bound = (part: Part, own: Access): Binding => ({
    tensor: part.tensor,
    access: own,
    first: part.first - before(part),
    count: part.count + before(part),
  });
  const groups = flatGroups(from.count, COPY_ELEMENTS, limits);
  return {
    label,
    kernel: {
      file: 'copy.wgsl',
      entry: 'copy',
      spec: { ...storageSpec({ Source: from.tensor, Target: to.tensor }), ...(add ? { ACCUMULATE: 1 } : {}) },
    },
    bindings: [bound(from, 'read'), bound(to, access)],
    params: { size: from.count, source_first: before(from), target_first: before(to), groups_x: groups[0] },
    workgroups: groups,
  };
}
