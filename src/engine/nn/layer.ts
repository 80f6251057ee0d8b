import type { Op } from '../tape/op.ts';
import type { Tensor } from '../tape/tensor.ts';
import type { Scope } from './scope.ts';

/**
 * A step of a network. A layer is a small value without tensors: it asks the scope for those, and finds out from its
 * input how many channels come in. So one layer may stand in many networks, and be applied many times.
 */
export interface Layer {
  forward(scope: Scope, input: Tensor): Tensor;
}

/**
 * Layers one after the other, named 0, 1, … as PyTorch's `Sequential` names them: the weight of the third is `2.weight`.
 *
 * @example
 * const net = sequential(conv3d(8, { kernel: 3 }), relu(), conv3d(2, { kernel: 1 }));
 */
export function sequential(...layers: readonly Layer[]): Layer {
  return {
    forward: (scope, input) =>
      layers.reduce((x, layer, i) => scope.in(String(i), (inner) => layer.forward(inner, x)), input),
  };
}

/** An op of one input that keeps no tensors, as a layer. */
export function layerOf<A, S>(op: Op<A, S>, attributes: A): Layer {
  return { forward: (scope, input) => scope.apply(op, [input], attributes) };
}

/** Applies a layer in a scope of its own: its tensors are called `name.weight` and so on. */
export function applied(scope: Scope, name: string, layer: Layer, input: Tensor): Tensor {
  return scope.in(name, (inner) => layer.forward(inner, input));
}

/** Channels of an activation [batch, channels, ...]. */
export function channelsOf(input: Tensor): number {
  return input.shape[1] ?? 0;
}
