import type { OpCase, Reference } from './describe-op.ts';
import { type Nd, normal, relativeError } from './nd.ts';
import type { OpResult } from './run-op.ts';

/** What a case must give. */
export interface Expectation {
  /** What backward starts from. */
  readonly gradOutput: Nd;
  /**
   * Largest relative error of everything that the op computed, by what is compared: `forward`, `gradient of input 0`,
   * a running statistic.
   * @param uses 2 where the op was applied twice, so that gradients are doubled
   */
  errors(result: OpResult, uses?: number): Map<string, number>;
}

/**
 * What a case must give by the reference. Needs no test runner, so that a browser page can judge by it too.
 * @param stored rounds what backward starts from as it will be stored
 */
export function expectation<A>(
  reference: Reference<A>,
  { inputs, attributes }: OpCase<A>,
  stored: (array: Nd) => Nd = (array) => array,
): Expectation {
  const expected = reference.forward(inputs, attributes);
  const gradOutput = stored(normal(expected.shape, 77));
  const grads = reference.backward(inputs, attributes, gradOutput);
  const after = Object.entries(reference.after?.(inputs, attributes) ?? {});
  return {
    gradOutput,
    errors(result, uses = 1) {
      const errors = new Map([['forward', relativeError(result.output, expected.data)]]);
      grads.forEach((grad, i) => {
        if (!grad) return;
        const scaled = grad.data.map((g) => uses * g);
        errors.set(`gradient of input ${i}`, relativeError(result.grads[i] ?? [], scaled));
      });
      // Applied twice, a batch norm has moved its running statistics twice.
      if (uses === 1)
        for (const [key, value] of after)
          errors.set(key, relativeError(result.attributes.get(key) ?? [], value.data));
      return errors;
    },
  };
}
