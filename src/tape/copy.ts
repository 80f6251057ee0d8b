import type { Capabilities } from '../gpu/capabilities.ts';
import type { Access, Binding, Command } from './command.ts';
import type { Tensor } from './tensor.ts';
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
 * Copies a part of one tensor into another; either may start anywhere, and is bound from the last place before it that
 * the device binds.
 *
 * @param access `write` where nothing of what the target held counts
 */
export function copyCommand(
  label: string,
  from: Part,
  to: Part,
  access: Access,
  limits: Pick<Capabilities, 'offsetAlignment' | 'maxWorkgroups'>,
): Command {
  const step = limits.offsetAlignment / 4;
  const bound = ({ tensor, first, count }: Part, own: Access): Binding => ({
    tensor,
    access: own,
    first: first - (first % step),
    count: count + (first % step),
  });
  const groups = flatGroups(from.count, COPY_ELEMENTS, limits);
  return {
    label,
    kernel: { file: 'copy.wgsl', entry: 'copy' },
    bindings: [bound(from, 'read'), bound(to, access)],
    params: [from.count, from.first % step, to.first % step, groups[0]],
    workgroups: groups,
  };
}
