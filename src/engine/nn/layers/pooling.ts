import { averagePool3d as averagePool3dOp } from '../../ops/average-pool3d.ts';
import { globalAveragePool as globalAveragePoolOp } from '../../ops/global-average-pool.ts';
import { linear as linearOp } from '../../ops/linear.ts';
import { maxPool3d as maxPool3dOp } from '../../ops/max-pool3d.ts';
import type { PerAxis } from '../../tape/check.ts';
import type { Element } from '../../tape/tensor.ts';
import { he, zeros } from '../init.ts';
import { channelsOf, type Layer, layerOf } from '../layer.ts';

/** Settings of {@link maxPool3d} and {@link averagePool3d}. */
export interface PoolOptions {
  /** Extents of a window, and the step to the next one (default 2): what the extents are divided by. */
  readonly kernel?: PerAxis;
}

/** The largest value of each window. */
export function maxPool3d({ kernel = 2 }: PoolOptions = {}): Layer {
  return layerOf(maxPool3dOp, { kernel });
}

/** The mean of each window. */
export function averagePool3d({ kernel = 2 }: PoolOptions = {}): Layer {
  return layerOf(averagePool3dOp, { kernel });
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
