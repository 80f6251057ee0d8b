import { ceilDiv, type Shape } from '../../../core/shape.ts';
import type { Capabilities } from '../../gpu/capabilities.ts';
import { someHalf, type Tensor } from '../../tape/tensor.ts';

/** Extents of a volume: depth, height, width. */
export type Extents = readonly [number, number, number];

/** Weights addressed by strides: element (out, in, tap) lies at first + out * byOut + in * byIn + tap. */
export interface WeightView {
  readonly tensor: Tensor;
  readonly first: number;
  readonly byOut: number;
  readonly byIn: number;
  /** Taps in reverse order, as the input gradient wants them. */
  readonly flip: boolean;
}

/** One bias an output channel: that of channel `out` lies at first + out. */
export interface BiasView {
  readonly tensor: Tensor;
  readonly first: number;
}

/** One source of a convolution: all channels of a tensor, and the weights that they meet. */
export interface Source {
  readonly tensor: Tensor;
  readonly channels: number;
  readonly weight: WeightView;
}

/**
 * output (+)= bias + sum over sources of the convolution with kernel³ taps. Serves forward, and with flipped and
 * transposed weights the input gradient; there `dilation` 2 undoes stride 2 (a zero between neighbours).
 */
export interface ConvolutionTask {
  /** `conv3d/forward` or `conv3d/backward_input`. */
  readonly label: string;
  readonly samples: number;
  readonly sources: readonly Source[];
  readonly output: Tensor;
  readonly outChannels: number;
  readonly bias: BiasView | null;
  /** Add to what the output holds. */
  readonly accumulate: boolean;
  readonly inExtents: Extents;
  readonly outExtents: Extents;
  readonly kernel: 1 | 3;
  readonly stride: 1 | 2;
  readonly dilation: 1 | 2;
  readonly padding: number;
}

/** grad_weight (+)= sum over positions of grad_output x the shifted input, for each source. */
export interface WeightGradientTask {
  readonly samples: number;
  /** Sources in order of their channels in the weight. */
  readonly sources: readonly { readonly tensor: Tensor; readonly channels: number; readonly first: number }[];
  readonly gradOutput: Tensor;
  readonly gradWeight: Tensor;
  readonly accumulate: boolean;
  /** Channels of `gradOutput`, and the channel of the weight that the first of them is. */
  readonly outChannels: number;
  readonly outFirst: number;
  readonly inChannels: number;
  readonly inExtents: Extents;
  readonly outExtents: Extents;
  readonly kernel: 1 | 3;
  readonly stride: 1 | 2;
  readonly padding: number;
}

/** Depth, height and width of an activation. */
export function extentsOf(shape: Shape): Extents {
  return [shape[2]!, shape[3]!, shape[4]!];
}

/** Voxels of a volume. */
export function voxelsOf(extents: Extents): number {
  return extents[0] * extents[1] * extents[2];
}

/** Channels of all sources. */
export function inChannelsOf(task: ConvolutionTask): number {
  return task.sources.reduce((sum, source) => sum + source.channels, 0);
}

/** Whether some of a task's activations or their gradients are stored in 16 bits. */
export function isHalf(task: ConvolutionTask | WeightGradientTask): boolean {
  const other = 'output' in task ? task.output : task.gradOutput;
  return someHalf(other, ...task.sources.map(({ tensor }) => tensor));
}

/** `conv3d/forward 16+16->16@2x64x64x64 k3 s1 p1`: what the choice of a variant is recorded under. */
export function slotOf(task: ConvolutionTask): string {
  const from = task.sources.map((source) => source.channels).join('+');
  const { label, outChannels, samples, outExtents, kernel, stride, dilation, padding } = task;
  const step = dilation === 1 ? `s${stride}` : `d${dilation}`;
  const shape = `${from}->${outChannels}@${samples}x${outExtents.join('x')} k${kernel} ${step} p${padding}`;
  return `${label} ${shape}${isHalf(task) ? ' f16' : ''}`;
}

/** How many slices to cut `work` into so that about `wanted` workgroups run, each with at least `least` of it. */
export function sliceCount(
  work: number,
  groups: number,
  wanted: number,
  least: number,
  most: number = Number.POSITIVE_INFINITY,
): number {
  return Math.max(1, Math.min(ceilDiv(wanted, groups), Math.floor(work / least), most));
}

/** The most partial sums a sample of a source's weight gradient that the device binds together. */
export function mostPartials(
  { samples, outChannels, kernel }: WeightGradientTask,
  { channels }: WeightGradientTask['sources'][number],
  { maxBindingBytes }: Capabilities,
): number {
  return Math.floor(maxBindingBytes / (4 * samples * outChannels * channels * kernel ** 3));
}

/** The same for a weight gradient. */
export function weightSlotOf(task: WeightGradientTask): string {
  const from = task.sources.map((source) => source.channels).join('+');
  const { outChannels, samples, outExtents, kernel, stride, padding } = task;
  const shape = `${from}->${outChannels}@${samples}x${outExtents.join('x')} k${kernel} s${stride} p${padding}`;
  return `conv3d/backward_weight ${shape}${isHalf(task) ? ' f16' : ''}`;
}
