import type { Shape, Triple } from '../../../core/shape.ts';
import { expectActivation, expectAxes, expectInputs, expectRule, type PerAxis } from '../../tape/check.ts';

/** Settings of a pooling op. */
export interface PoolAttributes {
  /** Extents of a window and steps between windows, 1 to 16 (default 2): a number for all axes, or [z, y, x]. */
  readonly kernel?: PerAxis;
}

const MOST = 16;

/** The kernel as [z, y, x]. @throws ShapeError for anything else. */
export function kernelOf(op: string, { kernel = 2 }: PoolAttributes, inputs: readonly Shape[]): Triple {
  return expectAxes(op, 'kernel', kernel, [1, MOST], inputs);
}

/** [batch, channels, ...windows] of a pooling op's input; incomplete windows at the ends do not count. @throws ShapeError */
export function pooledShape(op: string, inputs: readonly Shape[], attributes: PoolAttributes): Shape {
  const [input] = expectInputs(op, inputs, 1);
  const [batch, channels, ...extents] = expectActivation(op, input, inputs);
  const kernel = kernelOf(op, attributes, inputs);
  expectRule(
    op,
    extents.every((extent, a) => extent >= kernel[a]!),
    `depth, height and width are at least the kernel's ${kernel.join('x')}`,
    inputs,
  );
  return [batch, channels, ...extents.map((extent, a) => Math.floor(extent / kernel[a]!))];
}

/** Values for the `// @spec` lines of shaders/common/window.wgsl. */
export function windowSpec([z, y, x]: Triple): { KERNEL_Z: number; KERNEL_Y: number; KERNEL_X: number } {
  return { KERNEL_Z: z, KERNEL_Y: y, KERNEL_X: x };
}
