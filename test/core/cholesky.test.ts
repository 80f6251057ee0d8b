import { describe, expect, it } from 'vitest';
import { solvePositive } from '../../src/core/cholesky.ts';
import { Random } from '../../src/core/random.ts';

describe('solvePositive', () => {
  it('solves A x = b for random positive definite A', () => {
    const random = new Random(4);
    for (const n of [1, 2, 5, 19]) {
      const root = Float64Array.from({ length: n * n }, () => random.normal(0, 1));
      const matrix = new Float64Array(n * n);
      for (let i = 0; i < n; i++)
        for (let j = 0; j < n; j++)
          for (let k = 0; k < n; k++)
            matrix[i * n + j]! += root[i * n + k]! * root[j * n + k]! + Number(i === j && k === 0);
      const wanted = Float64Array.from({ length: n }, () => random.normal(0, 1));
      const right = wanted.map((_, i) => wanted.reduce((sum, x, j) => sum + matrix[i * n + j]! * x, 0));
      solvePositive(matrix, right).forEach((x, i) => {
        expect(x).toBeCloseTo(wanted[i]!, 6);
      });
    }
  });
});
