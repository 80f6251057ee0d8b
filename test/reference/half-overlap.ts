import type { Reference } from '../support/describe-op.ts';
import { type Nd, zeros } from '../support/nd.ts';

/** A Bᵀ of the two halves of a weight's rows. */
function products({ shape, data }: Nd): {
  half: number;
  length: number;
  product: (i: number, j: number) => number;
} {
  const half = shape[0]! / 2;
  const length = data.length / shape[0]!;
  const table = Array.from({ length: half * half }, (_, k) => {
    const [i, j] = [Math.floor(k / half), k % half];
    let sum = 0;
    for (let n = 0; n < length; n++) sum += data[i * length + n]! * data[(half + j) * length + n]!;
    return sum;
  });
  return { half, length, product: (i, j) => table[i * half + j]! };
}

export const halfOverlapReference: Reference<Record<string, never>> = {
  forward([weight]) {
    const { half, product } = products(weight!);
    let sum = 0;
    for (let i = 0; i < half; i++) for (let j = 0; j < half; j++) sum += product(i, j) ** 2;
    return { shape: [1], data: Float64Array.of(sum) };
  },
  backward([weight], _, gradOutput) {
    const { half, length, product } = products(weight!);
    const grad = zeros(weight!.shape);
    const scale = 2 * gradOutput.data[0]!;
    for (let i = 0; i < half; i++)
      for (let j = 0; j < half; j++)
        for (let n = 0; n < length; n++) {
          const [a, b] = [i * length + n, (half + j) * length + n];
          grad.data[a]! += scale * product(i, j) * weight!.data[b]!;
          grad.data[b]! += scale * product(i, j) * weight!.data[a]!;
        }
    return [grad];
  },
};
