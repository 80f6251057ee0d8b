import { batchNorm as batchNormOp } from '../../ops/batch-norm.ts';
import { groupNorm as groupNormOp } from '../../ops/group-norm.ts';
import { ones, zeros } from '../init.ts';
import { channelsOf, type Layer } from '../layer.ts';

/** What the norms share. */
export interface NormOptions {
  /** Added to the variance (default 1e-5). */
  readonly eps?: number;
  /** Multiplies what is below zero, in the same kernel: 0 for a ReLU, 0.01 for a leaky one (default: no rectifier). */
  readonly slope?: number;
}

/** Settings of {@link batchNorm}; the defaults are PyTorch's. */
export interface BatchNormOptions extends NormOptions {
  /** Weight of the new value in the running statistics (default 0.1). */
  readonly momentum?: number;
}

/**
 * Batch normalisation (Ioffe and Szegedy 2015): `weight` and `bias` [channels], `running_mean` and `running_var`.
 * In training it takes the statistics of the batch, else the running ones.
 */
export function batchNorm({ eps = 1e-5, momentum = 0.1, slope }: BatchNormOptions = {}): Layer {
  return {
    forward(scope, input) {
      const shape = [channelsOf(input)];
      const weight = scope.parameter('weight', shape, ones);
      const bias = scope.parameter('bias', shape, zeros);
      return scope.apply(batchNormOp, [input, weight, bias], {
        training: scope.mode === 'train',
        momentum,
        eps,
        slope: slope ?? null,
        runningMean: scope.state('running_mean', shape, zeros),
        runningVar: scope.state('running_var', shape, ones),
      });
    },
  };
}

/** Settings of {@link groupNorm}. */
export interface GroupNormOptions extends NormOptions {
  /** Channels fall into so many groups of consecutive ones. */
  readonly groups: number;
}

/** Group normalisation (Wu and He 2018), as PyTorch's GroupNorm: `weight` and `bias` [channels]. */
export function groupNorm({ groups, ...options }: GroupNormOptions): Layer {
  return normOf(groups, options);
}

/** Instance normalisation (Ulyanov 2016), as PyTorch's InstanceNorm3d with `affine`: each channel of a sample on its own. */
export function instanceNorm(options: NormOptions = {}): Layer {
  return normOf(undefined, options);
}

/** A norm within samples; without `groups` each channel is one of its own. */
function normOf(groups: number | undefined, { eps = 1e-5, slope }: NormOptions): Layer {
  return {
    forward(scope, input) {
      const channels = channelsOf(input);
      const weight = scope.parameter('weight', [channels], ones);
      const bias = scope.parameter('bias', [channels], zeros);
      const attributes = { groups: groups ?? channels, eps, slope: slope ?? null };
      return scope.apply(groupNormOp, [input, weight, bias], attributes);
    },
  };
}
