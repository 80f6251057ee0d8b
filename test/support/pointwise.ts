import type { Reference } from './describe-op.ts';

/** The reference of an op that maps each element by itself, from the map and its derivative by the input. */
export function pointwiseReference<A>(
  f: (x: number, attributes: A) => number,
  derivative: (x: number, attributes: A) => number,
): Reference<A> {
  return {
    forward: ([input], attributes) => ({
      shape: input!.shape,
      data: input!.data.map((x) => f(x, attributes)),
    }),
    backward: ([input], attributes, gradOutput) => [
      {
        shape: input!.shape,
        data: gradOutput.data.map((g, i) => g * derivative(input!.data[i]!, attributes)),
      },
    ],
  };
}
