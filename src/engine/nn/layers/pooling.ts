import { avgPool3d as avgPool3dOp } from '../../ops/avg-pool3d.ts';
import { globalAveragePool as globalAveragePoolOp } from '../../ops/global-average-pool.ts';
import { linear as linearOp } from '../../ops/linear.ts';
import { maxPool3d as maxPool3dOp } from '../../ops/max-pool3d.ts';
import type { PerAxis } from '../../tape/check.ts';
import type { Element } from '../../tape/tensor.ts';
import { he, zeros } from '../init.ts';
import { channelsOf, type Layer, layerOf } from '../layer.ts';

/** The largest value of each 2x2x2 window: halves the extents. */
export function maxPool3d(): Layer {
  return layerOf(maxPool3dOp, {});
}

/** The mean of each window of the stride's extents: divides the extents by the stride (default 2). */
export function avgPool3d({ stride = 2 }: { readonly stride?: PerAxis } = {}): Layer {
  return layerOf(avgPool3dOp, { stride });
}

/** The mean of each channel: [N, C, D, H, W] to [N, C]. */
export function globalAveragePool(): Layer {
  return layerOf(globalAveragePoolOp, {});
}

/**
 * A fully connected layer, as PyTorch's Linear: [N, in] to [N, features] with `weight` [features, in] and `bias`.
 * @param options `slope` of the rectifier that follows, which the first weights allow for; `stored` as for a convolution
 */
export function linear(
  features: number,
  { slope, stored }: { readonly slope?: number; readonly stored?: Element } = {},
): Layer {
  return {
    forward(scope, input) {
      const inputs = channelsOf(input);
      const weight = scope.parameter('weight', [features, inputs], he(inputs, slope));
      const bias = scope.parameter('bias', [features], zeros);
      return scope.apply(linearOp, [input, weight, bias], {}, stored);
    },
  };
}
