import type { GPUBuffer } from '../../core/globals.ts';
import { fromHalves } from '../../core/half.ts';
import { formatShape, roundUp, type Shape, sizeOf } from '../../core/shape.ts';

/** A range of a buffer that outlives plans: parameters, optimizer state, inputs. */
export interface Region {
  readonly buffer: GPUBuffer;
  /** Bytes; a multiple of 256, so that any device may bind it. */
  readonly offset: number;
}

/** Some of the channels of another activation. Those of one sample lie together; the plan binds each sample by itself. */
export interface View {
  readonly of: Tensor;
  readonly firstChannel: number;
}

/**
 * Where a tensor's elements lie:
 * - `arena`: placed by the plan, alive from its first writer to its last reader;
 * - `panel`: the same in an arena of uniform buffers, for weights that a kernel reads as uniforms;
 * - a {@link Region}: fixed;
 * - a {@link View}: in another tensor.
 */
export type Placement = 'arena' | 'panel' | Region | View;

/** What an element is stored as: a float of 32 bits, or of 16. Kernels compute in 32 bits whatever is stored. */
export type Element = 'f32' | 'f16';

/**
 * A dense array of floats on the GPU (or of what an op says it packs into 32 bits), outermost extent first.
 * Activations are [batch, channels, depth, height, width]; convolution weights are PyTorch's.
 */
export interface Tensor {
  readonly label: string;
  readonly shape: Shape;
  readonly placement: Placement;
  readonly element: Element;
  /** Whether backward computes a gradient for it or for something that it depends on. */
  readonly requiresGrad: boolean;
  /** Where the gradient of a parameter goes; activations get theirs from the tape. */
  readonly grad?: Tensor;
}

/** Makes a tensor record, of 32-bit floats unless said otherwise; allocates nothing. */
export function tensor(
  label: string,
  shape: Shape,
  placement: Placement,
  options: { readonly requiresGrad?: boolean; readonly grad?: Tensor; readonly element?: Element } = {},
): Tensor {
  const { element = 'f32', requiresGrad = false } = options;
  const record = { label, shape, placement, element, requiresGrad };
  return options.grad ? { ...record, grad: options.grad } : record;
}

/** What a view is of, undefined for a tensor with elements of its own. */
export function viewOf({ placement }: Tensor): View | undefined {
  return typeof placement === 'object' && 'of' in placement ? placement : undefined;
}

/** The fixed place of a tensor, undefined where the plan places it. */
export function regionOf({ placement }: Tensor): Region | undefined {
  return typeof placement === 'object' && 'buffer' in placement ? placement : undefined;
}

/** Whether one of these is of 16-bit floats. */
export function someHalf(...tensors: readonly Pick<Tensor, 'element'>[]): boolean {
  return tensors.some(({ element }) => element === 'f16');
}

/** Bytes of one element. */
export function elementBytes({ element }: Pick<Tensor, 'element'>): 2 | 4 {
  return element === 'f16' ? 2 : 4;
}

/** Bytes that a tensor takes: those of its elements, rounded up to the 4 that WebGPU binds and copies. */
export function byteLength(t: Tensor): number {
  return roundUp(sizeOf(t.shape) * elementBytes(t), 4);
}

/** The numbers that a tensor's bytes stand for. */
export function decodeElements({ element }: Pick<Tensor, 'element'>, bytes: ArrayBuffer): Float32Array {
  return element === 'f16' ? fromHalves(new Uint16Array(bytes)) : new Float32Array(bytes);
}

/** `encoder.0.conv1 2x16x32x32x32`: what messages say of a tensor. */
export function describeTensor(t: Tensor): string {
  return `${t.label} ${formatShape(t.shape)}`;
}
