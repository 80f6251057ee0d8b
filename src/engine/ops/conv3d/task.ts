import { ceilDiv, roundUp, type Shape, type Triple } from '../../../core/shape.ts';
import type { Capabilities } from '../../gpu/capabilities.ts';
import type { Emitter, Variant } from '../../tape/op.ts';
import { someHalf, type Tensor } from '../../tape/tensor.ts';

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

/** Taps of a kernel, and where the output voxel o finds tap k: at input voxel o * stride + k * dilation - padding. */
export interface Window {
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly dilation: Triple;
  readonly padding: Triple;
}

/** Channels of an output behind those of the first tensor; their weights follow, too. */
export interface FurtherOutput {
  readonly output: Tensor;
  readonly channels: number;
  readonly accumulate: boolean;
}

/**
 * output (+)= bias + sum over sources of the convolution with the window. Serves forward, and with flipped and
 * transposed weights the input gradient; there `inputDilation` 2 undoes stride 2 (a zero between neighbours).
 */
export interface ConvolutionTask extends Window {
  /** `conv3d/forward` or `conv3d/backward_input`. */
  readonly label: string;
  readonly samples: number;
  readonly sources: readonly Source[];
  readonly output: Tensor;
  readonly outChannels: number;
  /** Further channels of the output, which lie in a tensor of their own: the gradient of a second source. */
  readonly also?: FurtherOutput;
  readonly bias: BiasView | null;
  /** Add to what the output holds. */
  readonly accumulate: boolean;
  readonly inExtents: Triple;
  readonly outExtents: Triple;
  /** 1 or 2 along each axis. */
  readonly inputDilation: Triple;
}

/** grad_weight (+)= sum over positions of grad_output x the shifted input, for each source. */
export interface WeightGradientTask extends Window {
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
  readonly inExtents: Triple;
  readonly outExtents: Triple;
}

/** One of the kernels, or sequences of kernels, that convolve. */
export interface ConvolutionVariant extends Variant {
  run(emit: Emitter, task: ConvolutionTask): void;
}

/** The same for the weight gradient. */
export interface WeightGradientVariant extends Variant {
  run(emit: Emitter, task: WeightGradientTask): void;
}

/** One along each axis: no stride, or no dilation. */
export const ONES: Triple = [1, 1, 1];

/** Whether a window has kernel `k` along each axis, stride 1, no dilation and the same padding, of at most k - 1. */
export function isPlain({ kernel, stride, dilation, padding }: Window, k: 1 | 3): boolean {
  const only = (axes: Triple, value: number): boolean => axes.every((each) => each === value);
  const [pad] = padding;
  return only(kernel, k) && only(stride, 1) && only(dilation, 1) && pad >= 0 && pad < k && only(padding, pad);
}

/** Taps of a kernel. */
export function tapsOf({ kernel }: Pick<Window, 'kernel'>): number {
  return voxelsOf(kernel);
}

/** Depth, height and width of an activation. */
export function extentsOf(shape: Shape): Triple {
  return [shape[2]!, shape[3]!, shape[4]!];
}

/** Voxels of a volume. */
export function voxelsOf(extents: Triple): number {
  return extents[0] * extents[1] * extents[2];
}

/** Share of tiles of extent `tile` that `n` fills. */
export function filled(n: number, tile: number): number {
  return n / roundUp(n, tile);
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

/** `k3 s1 p1`, or `k1x3x3 s1x2x2 d1x2x2 p0x2x2`: one number where the axes have the same, no dilation of 1. */
function describeWindow({ kernel, stride, dilation, padding }: Window, inputDilation: Triple = ONES): string {
  const settings = { k: kernel, s: stride, d: dilation, i: inputDilation, p: padding };
  return Object.entries(settings)
    .map(([name, axes]) => [name, new Set(axes).size === 1 ? `${axes[0]}` : axes.join('x')] as const)
    .filter(([name, text]) => text !== '1' || !['d', 'i'].includes(name))
    .map(([name, text]) => name + text)
    .join(' ');
}

/** `conv3d/forward 16+16->16@2x64x64x64 k3 s1 p1`: what the choice of a variant is recorded under. */
export function slotOf(task: ConvolutionTask): string {
  const from = task.sources.map((source) => source.channels).join('+');
  const { label, outChannels, also, samples, outExtents, inputDilation } = task;
  const shape = `${from}->${outChannels}${also ? `+${also.channels}` : ''}@${samples}x${outExtents.join('x')}`;
  return `${label} ${shape} ${describeWindow(task, inputDilation)}${isHalf(task) ? ' f16' : ''}`;
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
  task: WeightGradientTask,
  { channels }: WeightGradientTask['sources'][number],
  { maxBindingBytes }: Capabilities,
): number {
  return Math.floor(maxBindingBytes / (4 * task.samples * task.outChannels * channels * tapsOf(task)));
}

/** The same for a weight gradient. */
export function weightSlotOf(task: WeightGradientTask): string {
  const from = task.sources.map((source) => source.channels).join('+');
  const { outChannels, samples, outExtents } = task;
  const shape = `${from}->${outChannels}@${samples}x${outExtents.join('x')} ${describeWindow(task)}`;
  return `conv3d/backward_weight ${shape}${isHalf(task) ? ' f16' : ''}`;
}
