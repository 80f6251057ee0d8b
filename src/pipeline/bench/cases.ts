import { formatShape, type Shape, sizeOf } from '../../core/shape.ts';
import type { Tape } from '../../engine/tape/tape.ts';
import type { Tensor } from '../../engine/tape/tensor.ts';
import type { Section } from '../../engine/tune/isolated.ts';

/** What a result is held against: the plain formula in doubles, for single elements. */
export interface SpotCheck {
  readonly tensor: Tensor;
  /** The right value of an element of the flat tensor. */
  expected(index: number): number;
  /** Elements to look at are taken from the first so many (default: all). */
  readonly among?: number;
}

/** A kernel, or the few that make up one operation, recorded and ready to be timed. */
export interface CaseRecording {
  readonly section: Section;
  /** Contents of shared tensors for which noise will not do. */
  readonly data?: ReadonlyMap<Tensor, Float32Array>;
  readonly check: SpotCheck;
}

/** One row of the bench. */
export interface BenchCase {
  /** `conv3d/forward`. */
  readonly kernel: string;
  /** `16+16->16@64x64x64`. */
  readonly shape: string;
  /** What bounds it on every machine that is known: which share of the peak is quoted. */
  readonly bound: 'arithmetic' | 'bandwidth';
  /** Operations of the plain formula; a multiply-add counts as two. */
  readonly flops: number;
  /** Bytes that the operation must read or write. */
  readonly bytes: number;
  record(tape: Tape): Promise<CaseRecording> | CaseRecording;
}

/** [samples, channels, depth, height, width] as `16@64x64x64`, with the samples in front where there are several. */
export function describeActivation([samples, channels, ...extents]: Shape): string {
  return `${channels}@${describeExtents(samples!, extents)}`;
}

/** `64x64x64`, or `2x64x64x64` for two samples. */
export function describeExtents(samples: number, extents: readonly number[]): string {
  return formatShape(samples === 1 ? extents : [samples, ...extents]);
}

/** Bytes of tensors of these shapes. */
export function bytesOf(...shapes: readonly Shape[]): number {
  return 4 * shapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
}
