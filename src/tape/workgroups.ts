import { ceilDiv } from '../core/shape.ts';
import type { Capabilities } from '../gpu/capabilities.ts';

/** Workgroups for `size` elements at `perGroup` each, folded into two dimensions where one is not enough. */
export function flatGroups(
  size: number,
  perGroup: number,
  capabilities: Pick<Capabilities, 'maxWorkgroups'>,
): [number, number, number] {
  const total = Math.max(1, ceilDiv(size, perGroup));
  const y = ceilDiv(total, capabilities.maxWorkgroups);
  return [ceilDiv(total, y), y, 1];
}
