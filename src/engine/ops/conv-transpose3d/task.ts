import { type Shape, sizeOf } from '../../../core/shape.ts';
import type { Param } from '../../tape/command.ts';
import type { Tensor } from '../../tape/tensor.ts';

/** Sizes that every kernel of the transposed convolution needs. */
export interface Geometry {
  readonly samples: number;
  readonly inChannels: number;
  readonly outChannels: number;
  /** Depth, height, width. */
  readonly inExtents: readonly [number, number, number];
  readonly outExtents: readonly [number, number, number];
  readonly kernel: 2 | 3;
  readonly padding: number;
}

/** Weights addressed by strides: element (in, out, tap) lies at first + in * byIn + out * kernel³ + tap. */
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

export function geometryOf(input: Shape, weight: Shape, output: Shape, padding: number): Geometry {
  return {
    samples: input[0]!,
    inChannels: input[1]!,
    outChannels: output[1]!,
    inExtents: [input[2]!, input[3]!, input[4]!],
    outExtents: [output[2]!, output[3]!, output[4]!],
    kernel: weight[2] === 2 ? 2 : 3,
    padding,
  };
}

/** All of a weight [in, out, kernel, kernel, kernel]. */
export function weightView(tensor: Tensor): WeightView {
  return { tensor, first: 0, byIn: sizeOf(tensor.shape) / tensor.shape[0]! };
}

export function voxelsOf([depth, height, width]: readonly [number, number, number]): number {
  return depth * height * width;
}

/** Whether each output has exactly one tap: then the output falls into 2x2x2 blocks, one an input voxel. */
export function isUpsampling({ kernel, inExtents, outExtents }: Geometry): boolean {
  return kernel === 2 && inExtents.every((extent, i) => outExtents[i] === 2 * extent);
}

/** `conv-transpose3d/forward 32->16@2x32x32x32 k2`, and ` f16` where activations are of 16-bit floats. */
export function slotOf(
  part: string,
  { samples, inChannels, outChannels, inExtents, kernel }: Geometry,
  half: boolean,
): string {
  const shape = `${inChannels}->${outChannels}@${samples}x${inExtents.join('x')} k${kernel}`;
  return `conv-transpose3d/${part} ${shape}${half ? ' f16' : ''}`;
}

/** The params block of shaders/conv-transpose3d.wgsl. */
export function paramsOf(
  { inExtents, outExtents, padding, inChannels, outChannels }: Geometry,
  rest: {
    readonly accumulate?: boolean;
    readonly cells?: readonly [number, number, number];
    readonly blocks?: number;
    readonly bias?: BiasView | null;
    readonly slices?: number;
    readonly elements?: number;
    readonly stride?: number;
    readonly groupsX?: number;
    readonly weight?: Pick<WeightView, 'first' | 'byIn'>;
    readonly inner?: number;
  },
): Param[] {
  return [
    ...inExtents.toReversed(),
    padding,
    ...outExtents.toReversed(),
    rest.accumulate ? 1 : 0,
    ...(rest.cells ?? [1, 1, 1]),
    rest.blocks ?? 1,
    inChannels,
    outChannels,
    rest.bias ? 1 : 0,
    rest.slices ?? 1,
    rest.elements ?? 0,
    rest.stride ?? 0,
    rest.groupsX ?? 1,
    rest.weight?.first ?? 0,
    rest.weight?.byIn ?? 0,
    rest.bias?.first ?? 0,
    rest.inner ?? 1,
  ];
}
