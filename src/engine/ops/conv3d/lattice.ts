import { ceilDiv, type Triple } from '../../../core/shape.ts';
import { ONES, type Window } from './task.ts';

/**
 * How one axis falls into phases. Along it the outputs phase + period * t read the inputs
 * start + spacing * (stride * t + j) for the taps first + step * j: a dense patch of a lattice, whatever the strides
 * and dilations are (see shaders/conv3d.wgsl).
 */
export interface Lattice {
  readonly period: number;
  /** Lattice points between neighbouring outputs of a phase. */
  readonly stride: number;
  /** Input voxels between lattice points. */
  readonly spacing: number;
  readonly step: number;
  /** The most taps of a phase. */
  readonly taps: number;
}

/** The lattices of a task along z, y and x. */
export function latticesOf({
  kernel,
  stride,
  dilation,
  outExtents,
  inputDilation = ONES,
}: Window & { readonly outExtents: Triple; readonly inputDilation?: Triple }): Lattice[] {
  return kernel.map((taps, a) => {
    const apart = dilation[a]!;
    const between = inputDilation[a]!;
    // Stride and input dilation are 1 or 2, and at least one of them is 1.
    const shared = (factor: number): number => (apart % factor === 0 ? factor : 1);
    const step = between / shared(between);
    const period = (apart * step) / shared(stride[a]!);
    return {
      // More phases than outputs would be empty.
      period: Math.min(period, outExtents[a]!),
      stride: stride[a]! / shared(stride[a]!),
      spacing: (apart * step) / between,
      step,
      taps: ceilDiv(taps, step),
    };
  });
}

/** Tiles of all phases along z, y and x, where a tile has `tile` outputs of one phase. */
export function tilesOf(lattices: readonly Lattice[], outExtents: Triple, tile: Triple): Triple {
  const along = (a: number): number => {
    const { period } = lattices[a]!;
    return period * ceilDiv(ceilDiv(outExtents[a]!, period), tile[a]!);
  };
  return [along(0), along(1), along(2)];
}
