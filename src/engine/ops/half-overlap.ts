import { ceilDiv, type Shape, sizeOf } from '../../core/shape.ts';
import { expectInputs, expectRule } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';

/** Dot products of the rows of both halves, [rows / 2, rows / 2]. */
export interface HalfOverlapSaved {
  readonly products: Tensor;
}

const FILE = 'half-overlap.wgsl';
const LANES = 64;

/**
 * How much the two halves of a weight's rows have in common: a scalar [1], the squared Frobenius norm of A Bᵀ, where A holds
 * the first half of the rows, flattened, and B the second. It is zero if the subspaces that they span are orthogonal
 * (Ruder et al. 2019, section 3, the orthogonality constraint; Bousmalis et al. 2016). Input: [rows, ...] with an even
 * number of rows. Sums have a fixed order.
 */
export const halfOverlap: Op<Record<string, never>, HalfOverlapSaved> = {
  name: 'half-overlap',

  shape(inputs: readonly Shape[]): Shape {
    const [weight] = expectInputs('half-overlap', inputs, 1);
    const fits = weight!.length >= 2 && weight!.every((extent) => Number.isInteger(extent) && extent >= 1);
    expectRule('half-overlap', fits, 'takes a weight [rows, ...] of at least two axes', inputs);
    expectRule('half-overlap', weight![0]! % 2 === 0, 'the number of rows is even', inputs);
    return [1];
  },

  forward(emit, [weight], output): HalfOverlapSaved {
    const { half, length } = layoutOf(weight!.shape);
    const products = emit.scratch('half products', [half, half]);
    emit.run({
      label: 'half-overlap/products',
      kernel: { file: FILE, entry: 'products' },
      bindings: [read(weight!), write(products)],
      params: { half, length },
      workgroups: [half, half, 1],
    });
    emit.run({
      label: 'half-overlap/combine',
      kernel: { file: FILE, entry: 'combine' },
      bindings: [read(products), write(output)],
      params: { count: half * half },
      workgroups: [1, 1, 1],
    });
    return { products };
  },

  backward({ inputs: [weight], saved: { products } }, gradOutput) {
    return [
      (emit, gradInput, accumulate) => {
        const { half, length } = layoutOf(weight!.shape);
        emit.run({
          label: 'half-overlap/backward',
          kernel: { file: FILE, entry: 'backward', spec: { ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [
            read(weight!),
            read(products),
            read(gradOutput),
            accumulate ? readWrite(gradInput) : write(gradInput),
          ],
          params: { half, length },
          workgroups: [ceilDiv(length, LANES), 2 * half, 1],
        });
      },
    ];
  },
};

function layoutOf(shape: Shape): { half: number; length: number } {
  const [rows, ...rest] = shape as [number, ...number[]];
  return { half: rows / 2, length: sizeOf(rest) };
}
