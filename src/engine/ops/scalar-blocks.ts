import { ShapeError } from '../../core/errors.ts';
import { ceilDiv, type Shape } from '../../core/shape.ts';
import { expectInputs, expectRule } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import type { Op } from '../tape/op.ts';

/** Settings of {@link scalarBlocks}. */
export interface ScalarBlocksAttributes {
  /** Channels of a block, 1 to 4096 (default 1). */
  readonly size?: number;
}

const FILE = 'scalar-blocks.wgsl';
const LANES = 64;
const MOST = 4096;

/**
 * A matrix of numbers as the weight of a convolution with kernel 1 that blends groups of channels: each number stands for
 * itself times the identity of `size` channels (a Kronecker product with the identity). Input: [rows, columns]. Output:
 * [rows * size, columns * size, 1, 1, 1]. Behind it `conv3d` computes group r of the output as the sum over q of
 * input[r, q] times group q of its sources.
 */
export const scalarBlocks: Op<ScalarBlocksAttributes, undefined> = {
  name: 'scalar-blocks',

  shape(inputs: readonly Shape[], { size = 1 }): Shape {
    const [matrix] = expectInputs('scalar-blocks', inputs, 1);
    const fits = matrix!.length === 2 && matrix!.every((extent) => Number.isInteger(extent) && extent >= 1);
    expectRule('scalar-blocks', fits, 'takes a matrix [rows, columns], each at least 1', inputs);
    if (!Number.isInteger(size) || size < 1 || size > MOST)
      throw new ShapeError('scalar-blocks', `size is a whole number from 1 to ${MOST}`, String(size));
    const [rows, columns] = matrix as [number, number];
    return [rows * size, columns * size, 1, 1, 1];
  },

  forward(emit, [matrix], output, { size = 1 }): undefined {
    const [rows, columns] = matrix!.shape as [number, number];
    const elements = rows * size * columns * size;
    emit.run({
      label: 'scalar-blocks/forward',
      kernel: { file: FILE, entry: 'forward' },
      bindings: [read(matrix!), write(output)],
      params: { elements, columns, size },
      workgroups: [ceilDiv(elements, LANES), 1, 1],
    });
  },

  backward({ inputs: [matrix], attributes: { size = 1 } }, gradOutput) {
    const [rows, columns] = matrix!.shape as [number, number];
    return [
      (emit, gradInput, accumulate) => {
        emit.run({
          label: 'scalar-blocks/backward',
          kernel: { file: FILE, entry: 'backward', spec: { ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [read(gradOutput), accumulate ? readWrite(gradInput) : write(gradInput)],
          params: { numbers: rows * columns, columns, size },
          workgroups: [ceilDiv(rows * columns, LANES), 1, 1],
        });
      },
    ];
  },
};
