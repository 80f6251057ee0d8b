import { sizeOf, type Triple } from '../../../core/shape.ts';
import type { Params } from '../../tape/command.ts';
import type { Tensor } from '../../tape/tensor.ts';

/** Sizes that every kernel of the transposed convolution needs. */
export interface Geometry {
  readonly samples: number;
  readonly inChannels: number;
  readonly outChannels: number;
  readonly inExtents: Triple;
  readonly outExtents: Triple;
  readonly kernel: Triple;
  /** 1 or 2 along each axis. */
  readonly stride: Triple;
  readonly padding: Triple;
}

/** Weights addressed by strides: element (in, out, tap) lies at first + in * byIn + out * taps + tap. */
export interface WeightView {
  readonly tensor: Tensor;
  readonly first: number;
  readonly byIn: number;
}

/** One bias an output channel: that of channel `out` lies at first + out. */
export interface BiasView {
  readonly tensor: Tensor;
  readonly first: number;
}

/** One of the two passes that go through the weights: forward (`to` is the output) or the input gradient. */
export interface Pass {
  readonly geometry: Geometry;
  readonly from: Tensor;
  readonly weight: WeightView;
  readonly bias: BiasView | null;
  readonly to: Tensor;
  readonly accumulate: boolean;
}

/** grad_weight (+)= sum over samples and voxels of input times grad_output at each tap. */
export interface WeightPass {
  readonly geometry: Geometry;
  readonly input: Tensor;
  readonly gradOutput: Tensor;
  readonly gradWeight: WeightView;
  readonly accumulate: boolean;
}

/** All of a weight [in, out, kz, ky, kx]. */
export function weightView(tensor: Tensor): WeightView {
  return { tensor, first: 0, byIn: sizeOf(tensor.shape) / tensor.shape[0]! };
}

/** Voxels of a volume, or taps of a kernel. */
export function voxelsOf([depth, height, width]: Triple): number {
  return depth * height * width;
}

/** Whether each output has exactly one tap: then the output falls into 2x2x2 blocks, one an input voxel. */
export function isUpsampling({ kernel, stride, padding, inExtents, outExtents }: Geometry): boolean {
  return [0, 1, 2].every(
    (a) => kernel[a] === 2 && stride[a] === 2 && padding[a] === 0 && outExtents[a] === 2 * inExtents[a]!,
  );
}

/** `2`, or `1x2x2` where the axes differ. */
function describeAxes(axes: Triple): string {
  return new Set(axes).size === 1 ? `${axes[0]}` : axes.join('x');
}

/** `conv-transpose3d/forward 32->16@2x32x32x32 k2`, and ` s1x2x2` for such strides, ` f16` for 16-bit activations. */
export function slotOf(
  part: string,
  { samples, inChannels, outChannels, inExtents, kernel, stride }: Geometry,
  half: boolean,
): string {
  const steps = stride.every((step) => step === 2) ? '' : ` s${describeAxes(stride)}`;
  const shape = `${inChannels}->${outChannels}@${samples}x${inExtents.join('x')} k${describeAxes(kernel)}${steps}`;
  return `conv-transpose3d/${part} ${shape}${half ? ' f16' : ''}`;
}

/** The params block of shaders/conv-transpose3d.wgsl. */
export function paramsOf(
  { inExtents, outExtents, padding, inChannels, outChannels }: Geometry,
  rest: {
    readonly accumulate?: boolean;
    readonly cells?: Triple;
    readonly blocks?: number;
    readonly bias?: BiasView | null;
    readonly slices?: number;
    readonly elements?: number;
    readonly stride?: number;
    readonly groupsX?: number;
    readonly weight?: Pick<WeightView, 'first' | 'byIn'>;
    readonly inner?: number;
  },
): Params {
  return {
    in_extent: inExtents.toReversed(),
    accumulate: rest.accumulate ? 1 : 0,
    out_extent: outExtents.toReversed(),
    blocks: rest.blocks ?? 1,
    cells: rest.cells?.toReversed() ?? [1, 1, 1],
    in_channels: inChannels,
    padding: padding.toReversed(),
    out_channels: outChannels,
    bias: rest.bias ? 1 : 0,
    slices: rest.slices ?? 1,
    elements: rest.elements ?? 0,
    stride: rest.stride ?? 0,
    groups_x: rest.groupsX ?? 1,
    weight_first: rest.weight?.first ?? 0,
    weight_by_in: rest.weight?.byIn ?? 0,
    bias_first: rest.bias?.first ?? 0,
    inner: rest.inner ?? 1,
  };
}
