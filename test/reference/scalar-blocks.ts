import type { ScalarBlocksAttributes } from '../../src/engine/ops/scalar-blocks.ts';
import type { Reference } from '../support/describe-op.ts';
import { zeros } from '../support/nd.ts';

export const scalarBlocksReference: Reference<ScalarBlocksAttributes> = {
  forward([matrix], { size = 1 }) {
    const [rows, columns] = matrix!.shape as [number, number];
    const weight = zeros([rows * size, columns * size, 1, 1, 1]);
    for (let r = 0; r < rows; r++)
      for (let q = 0; q < columns; q++)
        for (let i = 0; i < size; i++)
          weight.data[(r * size + i) * columns * size + q * size + i] = matrix!.data[r * columns + q]!;
    return weight;
  },
  backward([matrix], { size = 1 }, gradOutput) {
    const [rows, columns] = matrix!.shape as [number, number];
    const grad = zeros(matrix!.shape);
    for (let r = 0; r < rows; r++)
      for (let q = 0; q < columns; q++)
        for (let i = 0; i < size; i++)
          grad.data[r * columns + q]! += gradOutput.data[(r * size + i) * columns * size + q * size + i]!;
    return [grad];
  },
};
