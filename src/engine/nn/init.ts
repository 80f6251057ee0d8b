import { UsageError } from '../../core/errors.ts';
import type { Random } from '../../core/random.ts';
import { type Shape, sizeOf } from '../../core/shape.ts';

/** How a tensor of a network starts. */
export type Initialisation =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  /** The tensor in as many equal parts as there are values, outermost first; each part has one value. */
  | { readonly kind: 'rows'; readonly values: readonly number[] }
  | { readonly kind: 'normal'; readonly deviation: number }
  /** Evenly between -bound and bound. */
  | { readonly kind: 'uniform'; readonly bound: number }
  /** What another parameter starts as, which is asked for earlier; `of` is its full name. */
  | { readonly kind: 'copy'; readonly of: string };

/** Every element is 0. */
export const zeros: Initialisation = { kind: 'zeros' };
/** Every element is 1. */
export const ones: Initialisation = { kind: 'ones' };

/**
 * Normal with the deviation that keeps the scale of activations through a rectifier (He et al. 2015).
 * @param fanIn products that one output sums
 * @param slope of a leaky rectifier below zero (0: a plain one)
 */
export function he(fanIn: number, slope = 0): Initialisation {
  return { kind: 'normal', deviation: Math.sqrt(2 / ((1 + slope * slope) * fanIn)) };
}

/**
 * The first values of a tensor. Only `normal` and `uniform` draw, in the order of the elements.
 * @param earlier those of the tensors before it, by name
 * @throws UsageError for a copy of what does not come earlier.
 */
export function initialValues(
  shape: Shape,
  init: Initialisation,
  random: Random,
  earlier?: ReadonlyMap<string, Float32Array>,
): Float32Array {
  const values = new Float32Array(sizeOf(shape));
  switch (init.kind) {
    case 'zeros':
      return values;
    case 'ones':
      return values.fill(1);
    case 'rows': {
      const row = values.length / init.values.length;
      return values.map((_, i) => init.values[Math.floor(i / row)]!);
    }
    case 'normal':
      for (let i = 0; i < values.length; i++) values[i] = random.normal(0, init.deviation);
      return values;
    case 'copy': {
      const found = earlier?.get(init.of);
      if (found?.length === values.length) return found;
      throw new UsageError(
        `a parameter starts as a copy of ${init.of}, which ${found ? `has ${found.length} values instead of ${values.length}` : 'does not come before it'}`,
      );
    }
    case 'uniform':
      for (let i = 0; i < values.length; i++) values[i] = random.uniform(-init.bound, init.bound);
      return values;
  }
}
