import { Random } from '../../src/core/random.ts';
import { formatShape, type Shape, sizeOf } from '../../src/core/shape.ts';

/** A dense array of doubles, outermost extent first: what references compute on. */
export interface Nd {
  readonly shape: Shape;
  readonly data: Float64Array;
}

export function zeros(shape: Shape): Nd {
  return { shape, data: new Float64Array(sizeOf(shape)) };
}

export function fromArray(shape: Shape, values: ArrayLike<number>): Nd {
  if (values.length !== sizeOf(shape))
    throw new Error(`${formatShape(shape)} does not hold ${values.length} values`);
  return { shape, data: Float64Array.from(values) };
}

/** Normal deviates that are exact in 32 bits, so that GPU and reference start from the same numbers. */
export function normal(shape: Shape, seed: number, deviation = 1): Nd {
  const random = new Random(seed);
  return fromArray(
    shape,
    Float32Array.from({ length: sizeOf(shape) }, () => random.normal(0, deviation)),
  );
}

/** 32-bit copy for upload. */
export function toFloat32(array: Nd): Float32Array {
  return Float32Array.from(array.data);
}

/** Largest absolute difference, relative to the largest absolute reference value (at least 1e-6); NaN counts as infinite. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let largest = 1e-6;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]!));
    const d = Math.abs(actual[i]! - expected[i]!);
    difference = Number.isNaN(d) ? Number.POSITIVE_INFINITY : Math.max(difference, d);
  }
  return difference / largest;
}
