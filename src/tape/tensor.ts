import { formatShape, type Shape, sizeOf } from '../core/shape.ts';

/** A range of a buffer that outlives plans: parameters, optimizer state, inputs. */
export interface Region {
  readonly buffer: GPUBuffer;
  /** Bytes; a multiple of 256, so that any device may bind it. */
  readonly offset: number;
}

/**
 * Where a tensor's elements lie:
 * - `arena`: placed by the plan, alive from its first writer to its last reader;
 * - `panel`: the same in an arena of uniform buffers, for weights that a kernel reads as uniforms;
 * - a {@link Region}: fixed.
 */
export type Placement = 'arena' | 'panel' | Region;

/**
 * A dense array of 32-bit floats on the GPU (or of what an op says it packs into them), outermost extent first.
 * Activations are [batch, channels, depth, height, width]; convolution weights are PyTorch's.
 */
export interface Tensor {
  readonly label: string;
  readonly shape: Shape;
  readonly placement: Placement;
  /** Whether backward computes a gradient for it or for something that it depends on. */
  readonly requiresGrad: boolean;
  /** Where the gradient of a parameter goes; activations get theirs from the tape. */
  readonly grad?: Tensor;
}

/** Makes a tensor record; allocates nothing. */
export function tensor(
  label: string,
  shape: Shape,
  placement: Placement,
  options: { readonly requiresGrad?: boolean; readonly grad?: Tensor } = {},
): Tensor {
  const record = { label, shape, placement, requiresGrad: options.requiresGrad ?? false };
  return options.grad ? { ...record, grad: options.grad } : record;
}

/** Bytes of a tensor's elements. */
export function byteLength(t: Tensor): number {
  return sizeOf(t.shape) * 4;
}

/** `encoder.0.conv1 2x16x32x32x32`: what messages say of a tensor. */
export function describeTensor(t: Tensor): string {
  return `${t.label} ${formatShape(t.shape)}`;
}
