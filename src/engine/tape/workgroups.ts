import { ceilDiv } from '../../core/shape.ts';
import type { Capabilities } from '../gpu/capabilities.ts';

/** Workgroups for `size` elements at `perGroup` each, folded into two dimensions if one is not enough. */
export function flatGroups(
  size: number,
  perGroup: number,
  capabilities: Pick<Capabilities, 'maxWorkgroups'>,
): [number, number, number] {
  const total = Math.max(1, ceilDiv(size, perGroup));
  const y = ceilDiv(total, capabilities.maxWorkgroups);
  return [ceilDiv(total, y), y, 1];
}

/**
 * Ranges of `size` elements that the device binds each, at starts that any device accepts (multiples of 256 bytes).
 * @param smallest bytes of the smallest element among the tensors that are cut; the largest is assumed to be 4
 */
export function flatChunks(
  size: number,
  capabilities: Pick<Capabilities, 'maxBindingBytes'>,
  smallest: 2 | 4 = 4,
): { readonly first: number; readonly count: number }[] {
  const step = 256 / smallest;
  const most = Math.max(1, Math.floor(capabilities.maxBindingBytes / (4 * step))) * step;
  return Array.from({ length: ceilDiv(size, most) }, (_, i) => ({
    first: i * most,
    count: Math.min(most, size - i * most),
  }));
}
