import type { ParameterDistanceAttributes } from '../../src/engine/ops/parameter-distance.ts';
import type { Reference } from '../support/describe-op.ts';
import type { Nd } from '../support/nd.ts';

/** Smooths the trace norm's kink, as the op documents. */
const K = 1e-3;

/** Gram matrix of a pair. */
function gram(a: Nd, b: Nd): { aa: number; ab: number; bb: number } {
  const dot = (x: Nd, y: Nd): number => x.data.reduce((sum, v, i) => sum + v * y.data[i]!, 0);
  return { aa: dot(a, a), ab: dot(a, b), bb: dot(b, b) };
}

/** The trace norm from the Gram matrix: the sum of the roots of its eigenvalues. */
function traceNorm(a: Nd, b: Nd): { norm: number; q: number } {
  const { aa, ab, bb } = gram(a, b);
  // Of s = a + b and e = a - b: s.s + e.e = 2 (aa + bb), and the determinant is 4 (aa bb - ab²).
  const q = Math.sqrt(4 * (aa * bb - ab * ab) + (K * 2 * (aa + bb)) ** 2);
  return { norm: Math.sqrt(aa + bb + q), q };
}

const pairsOf = (inputs: readonly Nd[]): (readonly [Nd, Nd])[] =>
  inputs.slice(0, inputs.length / 2).map((a, k) => [a, inputs[inputs.length / 2 + k]!]);

export const parameterDistanceReference: Reference<ParameterDistanceAttributes> = {
  forward(inputs, { norm }) {
    const values = pairsOf(inputs).map(([a, b]) =>
      norm === 'trace' ? traceNorm(a, b).norm : a.data.reduce((sum, x, i) => sum + (x - b.data[i]!) ** 2, 0),
    );
    return { shape: [1], data: Float64Array.of(values.reduce((sum, value) => sum + value, 0)) };
  },
  backward(inputs, { norm }, gradOutput) {
    const scale = gradOutput.data[0]!;
    const of = (own: Nd, other: Nd): Nd => {
      if (norm === 'l2')
        return { shape: own.shape, data: own.data.map((x, i) => 2 * scale * (x - other.data[i]!)) };
      const { aa, ab, bb } = gram(own, other);
      const { norm: f, q } = traceNorm(own, other);
      // By own: of aa 2 own, of ab other.
      const byOwn = (1 + (4 * bb + 8 * K * K * (aa + bb)) / (2 * q)) / f;
      const byOther = (-4 * ab) / (2 * q * f);
      return {
        shape: own.shape,
        data: own.data.map((x, i) => scale * (byOwn * x + byOther * other.data[i]!)),
      };
    };
    const pairs = pairsOf(inputs);
    return [...pairs.map(([a, b]) => of(a, b)), ...pairs.map(([a, b]) => of(b, a))];
  },
};
