import { sizeOf } from '../../core/shape.ts';
import { copyCommand } from './copy.ts';
import type { Emitter } from './op.ts';
import type { Tensor } from './tensor.ts';
import { flatChunks } from './workgroups.ts';

/**
 * Lets several passes add up in a tensor. Where it stores 16-bit floats they add up in scratch of 32 bits, and only
 * their total is rounded.
 *
 * @param accumulate whether what the tensor holds belongs to the sum
 * @param passes those that `run` emits; each but the first adds to what the one before left
 * @param run emits them, into the tensor that it is given
 */
export function inWideSums(
  emit: Emitter,
  label: string,
  tensor: Tensor,
  accumulate: boolean,
  passes: number,
  run: (target: Tensor, accumulate: boolean) => void,
): void {
  if (tensor.element === 'f32' || passes < 2) {
    run(tensor, accumulate);
    return;
  }
  const sums = emit.scratch(`${label} sums`, tensor.shape);
  run(sums, false);
  const access = accumulate ? 'read-write' : 'write';
  for (const range of flatChunks(sizeOf(tensor.shape), emit.capabilities)) {
    const [from, to] = [sums, tensor].map((each) => ({ tensor: each, ...range }));
    emit.run(copyCommand(`${label}/narrow`, from!, to!, access, emit.capabilities, accumulate));
  }
}
