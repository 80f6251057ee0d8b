import { ShapeError } from '../../core/errors.ts';
import { formatShape, type Shape, sameShape } from '../../core/shape.ts';
import type { Tape } from '../tape/tape.ts';
import type { Tensor } from '../tape/tensor.ts';
import { downsampleNearest } from './downsample-nearest.ts';
import type { BoundLoss } from './loss.ts';
import { weightedSum } from './weighted-sum.ts';

/** 1, 1/2, 1/4, …, divided by their sum: how much the output of each resolution counts, the finest first. */
export function halvingWeights(outputs: number): readonly number[] {
  const sum = 2 - 0.5 ** (outputs - 1);
  return Array.from({ length: outputs }, (_, i) => 0.5 ** i / sum);
}

/**
 * Records one loss of the outputs of several resolutions, as nnU-Net's deep supervision has it: the weighted sum of the
 * losses of each output against the target at its resolution, as a scalar [1]. One output of weight 1 has just its loss.
 *
 * @param outputs finest first; the extents of each divide those of the target, by strides of its own per axis
 * @param target at the resolution of the finest; coarser ones take every stride-th voxel
 * @param weights default: {@link halvingWeights}
 * @param mask weight of each voxel, [N, 1, D, H, W], for losses that take one
 * @throws ShapeError for extents or weights that do not fit; UsageError for a mask that the loss does not take.
 */
export function recordDeepSupervision(
  tape: Tape,
  loss: Pick<BoundLoss, 'record'>,
  outputs: readonly Tensor[],
  target: Tensor,
  { weights = halvingWeights(outputs.length), mask }: DeepSupervisionOptions = {},
): Tensor {
  if (outputs.length === 0 || weights.length !== outputs.length)
    throw new ShapeError(
      'deep supervision',
      'there is at least one output, and one weight per output',
      `${outputs.length} outputs and ${weights.length} weights`,
    );
  if (outputs.length === 1 && weights[0] === 1) return loss.record(tape, outputs[0]!, target, mask);
  const losses = outputs.map((output, i) =>
    tape.scope(`resolution.${i}`, () => {
      const at = (full: Tensor): Tensor => atResolution(tape, full, output.shape);
      return loss.record(tape, output, at(target), mask && at(mask));
    }),
  );
  return tape.apply(weightedSum, losses, { weights });
}

/** What {@link recordDeepSupervision} may be told. */
export interface DeepSupervisionOptions {
  readonly weights?: readonly number[];
  readonly mask?: Tensor;
}

/** A target (or mask) at the resolution of an output. */
function atResolution(tape: Tape, full: Tensor, output: Shape): Tensor {
  const extents = output.slice(2);
  if (sameShape(extents, full.shape.slice(2))) return full;
  if (extents.length !== 3)
    throw new ShapeError(
      'deep supervision',
      'outputs of several resolutions are [batch, channels, depth, height, width]',
      formatShape(output),
    );
  const [depth, height, width] = extents as [number, number, number];
  return tape.apply(downsampleNearest, [full], { extents: [depth, height, width] });
}
