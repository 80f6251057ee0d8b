import { batchNorm as batchNormOp } from '../ops/batch-norm.ts';
import { convTranspose3d as convTranspose3dOp } from '../ops/conv-transpose3d.ts';
import { conv3d as conv3dOp } from '../ops/conv3d.ts';
import { maxPool3d as maxPool3dOp } from '../ops/max-pool3d.ts';
import { relu as reluOp } from '../ops/relu.ts';
import { sigmoid as sigmoidOp } from '../ops/sigmoid.ts';
import { softmax as softmaxOp } from '../ops/softmax.ts';
import type { Op } from '../tape/op.ts';
import type { Element, Tensor } from '../tape/tensor.ts';
import { he, ones, zeros } from './init.ts';
import type { Layer } from './layer.ts';
import type { Scope } from './scope.ts';

/** Channels of an activation [batch, channels, ...]. */
function channelsOf(input: Tensor): number {
  return input.shape[1] ?? 0;
}

/** Settings of {@link conv3d}. */
export interface Conv3dOptions {
  /** Edge of the kernel: 1 or 3. */
  readonly kernel: 1 | 3;
  /** Step from one output to the next (default 1). */
  readonly stride?: 1 | 2;
  /** Zeros around the input (default: as many as keep its extents at stride 1). */
  readonly padding?: number;
  /**
   * Whether a bias is added (default true). `frozen`: one that keeps its values, where the norm behind the convolution
   * cancels it, so that its gradient would be exactly zero.
   */
  readonly bias?: boolean | 'frozen';
  /** Slope below zero of the rectifier that follows, which the first weights allow for (default 0: a plain one). */
  readonly slope?: number;
  /** What the output is stored as (default: the scope's). Heads store 32 bits, as a loss wants them. */
  readonly stored?: Element;
}

/** A convolution, which takes two inputs where a skip connection joins. */
export interface Conv3d extends Layer {
  /**
   * @param input [N, C, D, H, W]
   * @param second of the same batch and extents: convolved as if its channels stood behind the input's
   */
  forward(scope: Scope, input: Tensor, second?: Tensor): Tensor;
}

/**
 * 3D convolution, as PyTorch's Conv3d: `weight` [channels, in, k, k, k], `bias` [channels].
 * Weights start as He et al. 2015, biases at 0.
 * @param channels that come out
 */
export function conv3d(channels: number, options: Conv3dOptions): Conv3d {
  const { kernel, stride = 1, padding = (kernel - 1) / 2, bias = true, slope, stored } = options;
  return {
    forward(scope, input, second) {
      const sources = second ? [input, second] : [input];
      const inputs = sources.reduce((sum, source) => sum + channelsOf(source), 0);
      const weight = scope.parameter(
        'weight',
        [channels, inputs, kernel, kernel, kernel],
        he(inputs * kernel ** 3, slope),
      );
      const added =
        bias === false
          ? []
          : [scope.parameter('bias', [channels], zeros, { requiresGrad: bias !== 'frozen' })];
      return scope.apply(
        conv3dOp,
        [...sources, weight, ...added],
        { stride, padding, sources: second ? 2 : 1, bias: bias !== false },
        stored,
      );
    },
  };
}

/**
 * Transposed convolution that doubles the extents: kernel 2, stride 2. `weight` [in, channels, 2, 2, 2].
 * @param channels that come out
 */
export function convTranspose3d(channels: number, options: { readonly bias?: boolean } = {}): Layer {
  const { bias = true } = options;
  return {
    forward(scope, input) {
      const inputs = channelsOf(input);
      // The kernel is as wide as its step, so that each output sums over the input channels only.
      const weight = scope.parameter('weight', [inputs, channels, 2, 2, 2], he(inputs));
      const added = bias ? [scope.parameter('bias', [channels], zeros)] : [];
      const attributes = { stride: 2, padding: 0, outputPadding: 0, bias } as const;
      return scope.apply(convTranspose3dOp, [input, weight, ...added], attributes);
    },
  };
}

/** Settings of {@link batchNorm}; the defaults are PyTorch's. */
export interface BatchNormOptions {
  readonly eps?: number;
  /** Weight of the new value in the running statistics (default 0.1). */
  readonly momentum?: number;
  /** Multiplies what is below zero, in the same kernel: 0 for a ReLU, 0.01 for a leaky one (default: no rectifier). */
  readonly slope?: number;
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

/** The larger of each value and 0. */
export function relu(): Layer {
  return withoutTensors(reluOp, { slope: 0 });
}

/** 1 / (1 + exp(-x)) of each value. */
export function sigmoid(): Layer {
  return withoutTensors(sigmoidOp, {});
}

/** Probabilities over the channels. */
export function softmax(): Layer {
  return withoutTensors(softmaxOp, {});
}

/** The largest value of each 2x2x2 window: halves the extents. */
export function maxPool3d(): Layer {
  return withoutTensors(maxPool3dOp, {});
}

/** An op of one input that keeps nothing, as a layer. */
export function withoutTensors<A, S>(op: Op<A, S>, attributes: A): Layer {
  return { forward: (scope, input) => scope.apply(op, [input], attributes) };
}
