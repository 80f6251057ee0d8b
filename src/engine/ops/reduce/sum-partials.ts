import { ceilDiv } from '../../../core/shape.ts';
import { jobCommand } from '../../tape/jobs.ts';
import type { Emitter } from '../../tape/op.ts';
import type { Tensor } from '../../tape/tensor.ts';

/** Elements of a workgroup of shaders/sum-partials.wgsl. */
const ELEMENTS = 32;

/** Sums of partial results: to[first + e / inner * byRow + e % inner] (+)= sum over p of from[p * stride + e]. */
export interface PartialSums {
  readonly from: Tensor;
  readonly partials: number;
  readonly stride: number;
  /** Elements of the result, and how many of them lie together. */
  readonly elements: number;
  readonly inner: number;
  readonly to: Tensor;
  readonly first: number;
  readonly byRow: number;
  readonly accumulate: boolean;
}

/** Adds up partial results on a GPU, in one dispatch with others where the plan can. */
export function sumPartials(emit: Emitter, label: string, sums: PartialSums): void {
  const { from, partials, stride, elements, inner, to, first, byRow, accumulate } = sums;
  emit.run(
    jobCommand(
      label,
      { file: 'sum-partials.wgsl', entry: 'sum_partials' },
      {
        when: 'late',
        from,
        to,
        first: [0, first],
        accumulate,
        workgroups: ceilDiv(elements, ELEMENTS),
        words: [elements, partials, stride, inner, byRow, accumulate ? 1 : 0],
      },
      emit.capabilities,
    ),
  );
}
