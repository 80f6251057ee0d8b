import { type Triple, toTriple } from '../../../core/shape.ts';
import { convTranspose3d as convTranspose3dOp } from '../../ops/conv-transpose3d.ts';
import { conv3d as conv3dOp } from '../../ops/conv3d.ts';
import type { PerAxis } from '../../tape/check.ts';
import type { Element, Tensor } from '../../tape/tensor.ts';
import { he, zeros } from '../init.ts';
import { channelsOf, type Layer } from '../layer.ts';
import type { Scope } from '../scope.ts';

/** Settings of {@link conv3d}. Numbers for all axes, or [z, y, x]. */
export interface Conv3dOptions {
  /** Taps of the kernel: 1 to 5. */
  readonly kernel: PerAxis;
  /** Voxels from one output to the next: 1 or 2 (default 1). */
  readonly stride?: PerAxis;
  /** Voxels from one tap to the next (default 1). */
  readonly dilation?: PerAxis;
  /** Zeros around the input (default: of an odd kernel as many as keep the extents at stride 1). */
  readonly padding?: PerAxis;
  /**
   * Whether a bias is added (default true). `frozen`: one that keeps its values, because the norm behind the convolution
   * cancels it, so that its gradient would be exactly zero.
   */
  readonly bias?: boolean | 'frozen';
  /** Slope below zero of the rectifier that follows, which the first weights allow for (default 0: a plain one). */
  readonly slope?: number;
  /** What the output is stored as (default: the scope's). Heads store 32 bits, as a loss wants them. */
  readonly stored?: Element;
}

/** A convolution; it takes further inputs where skip connections join. */
export interface Conv3d extends Layer {
  /**
   * @param input [N, C, D, H, W]
   * @param others of the same batch and extents: convolved as if their channels stood behind the input's
   */
  forward(scope: Scope, input: Tensor, ...others: readonly Tensor[]): Tensor;
}

/**
 * 3D convolution, as PyTorch's Conv3d: `weight` [channels, in, kz, ky, kx], `bias` [channels].
 * Weights start as He et al. 2015, biases at 0.
 * @param channels that come out
 */
export function conv3d(channels: number, options: Conv3dOptions): Conv3d {
  const { stride = 1, dilation = 1, bias = true, slope, stored } = options;
  const kernel = toTriple(options.kernel);
  const padding = options.padding ?? samePadding(kernel, toTriple(dilation));
  return {
    forward(scope, ...inputs) {
      const inChannels = inputs.reduce((sum, input) => sum + channelsOf(input), 0);
      const weight = scope.parameter(
        'weight',
        [channels, inChannels, ...kernel],
        he(inChannels * tapsOf(kernel), slope),
      );
      const added =
        bias === false
          ? []
          : [scope.parameter('bias', [channels], zeros, { requiresGrad: bias !== 'frozen' })];
      const attributes = { stride, dilation, padding, sources: inputs.length, bias: bias !== false };
      return scope.apply(conv3dOp, [...inputs, weight, ...added], attributes, stored);
    },
  };
}

/** Settings of {@link convTranspose3d}. */
export interface ConvTranspose3dOptions {
  /** Factor by which each extent grows, 1 or 2, and the taps of the kernel (default 2). */
  readonly stride?: PerAxis;
  /** Default true. */
  readonly bias?: boolean;
}

/**
 * Transposed convolution whose kernel is as wide as its stride, so that each input voxel becomes a box of its own:
 * `weight` [in, channels, sz, sy, sx], `bias` [channels].
 * @param channels that come out
 */
export function convTranspose3d(channels: number, options: ConvTranspose3dOptions = {}): Layer {
  const { bias = true } = options;
  const stride = toTriple(options.stride ?? 2);
  return {
    forward(scope, input) {
      const inChannels = channelsOf(input);
      // Each output sums over the input channels only.
      const weight = scope.parameter('weight', [inChannels, channels, ...stride], he(inChannels));
      const added = bias ? [scope.parameter('bias', [channels], zeros)] : [];
      return scope.apply(convTranspose3dOp, [input, weight, ...added], { stride, bias });
    },
  };
}

/** Zeros that keep extents at stride 1. */
function samePadding(kernel: Triple, dilation: Triple): Triple {
  const pad = (axis: 0 | 1 | 2): number => Math.floor((dilation[axis] * (kernel[axis] - 1)) / 2);
  return [pad(0), pad(1), pad(2)];
}

function tapsOf([z, y, x]: Triple): number {
  return z * y * x;
}
