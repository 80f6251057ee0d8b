import { type Shape, sizeOf, type Triple } from '../../core/shape.ts';
import { averagePool3d } from '../../engine/ops/average-pool3d.ts';
import { maxPool3d } from '../../engine/ops/max-pool3d.ts';
import type { PoolAttributes } from '../../engine/ops/pooling/window.ts';
import type { Op } from '../../engine/tape/op.ts';
import { tensor } from '../../engine/tape/tensor.ts';
import { noiseOf } from '../../engine/tune/isolated.ts';
import type { BenchCase } from './cases.ts';
import { passes, recordPass } from './elementwise-cases.ts';

/** Max pooling by 2, and by 2 in planes. */
export function maxPoolCases(shape: Shape): BenchCase[] {
  const largest = (x: Float32Array, window: readonly number[]): number =>
    window.reduce((a, b) => (x[b]! > x[a]! ? b : a));
  const pool: Pool = {
    op: maxPool3d,
    backwardReads: 2,
    value: (x, window) => x[largest(x, window)]!,
    share: (x, window, i) => (largest(x, window) === i ? 1 : 0),
  };
  return [...poolCases(pool, shape, [2, 2, 2]), ...poolCases(pool, shape, [1, 2, 2])];
}

/** Average pooling by 2. */
export function averagePoolCases(shape: Shape): BenchCase[] {
  const pool: Pool = {
    op: averagePool3d,
    backwardReads: 1,
    value: (x, window) => window.reduce((sum, i) => sum + x[i]!, 0) / window.length,
    share: (_, window) => 1 / window.length,
  };
  return poolCases(pool, shape, [2, 2, 2]);
}

interface Pool {
  readonly op: Op<PoolAttributes, undefined>;
  /** Sizes of the input that backward moves, beside the output's. */
  readonly backwardReads: number;
  /** What comes out of a window. */
  value(x: Float32Array, window: readonly number[]): number;
  /** How much of the window's gradient an input gets. */
  share(x: Float32Array, window: readonly number[], i: number): number;
}

/** Extents are multiples of the kernel's. */
function poolCases(pool: Pool, shape: Shape, kernel: Triple): BenchCase[] {
  const [, , depth, height, width] = shape as [number, number, number, number, number];
  const [kz, ky, kx] = kernel;
  const [outDepth, outHeight, outWidth] = [depth / kz, height / ky, width / kx];
  const taps = sizeOf(kernel);
  /** The inputs of an output. */
  const windowOf = (o: number): number[] => {
    const [ox, oy] = [o % outWidth, Math.floor(o / outWidth) % outHeight];
    const plane = Math.floor(o / (outWidth * outHeight));
    const [row, oz] = [Math.floor(plane / outDepth), plane % outDepth];
    const first = ((row * depth + kz * oz) * height + ky * oy) * width + kx * ox;
    return Array.from({ length: taps }, (_, t) => {
      const [z, y, x] = [Math.floor(t / (ky * kx)), Math.floor(t / kx) % ky, t % kx];
      return first + (z * height + y) * width + x;
    });
  };
  /** The output of an input. */
  const outputOf = (i: number): number => {
    const [ix, iy] = [i % width, Math.floor(i / width) % height];
    const plane = Math.floor(i / (width * height));
    const [row, iz] = [Math.floor(plane / depth), plane % depth];
    const outPlane = row * outDepth + Math.floor(iz / kz);
    return (outPlane * outHeight + Math.floor(iy / ky)) * outWidth + Math.floor(ix / kx);
  };
  const name = taps === 8 ? pool.op.name : `${pool.op.name}-${kernel.join('x')}`;
  const traffic = { forward: 1 + 1 / taps, backward: pool.backwardReads + 1 / taps };
  return passes(name, shape, traffic, (tape, pass) => {
    const input = tensor('input', shape, 'arena', { requiresGrad: true });
    const { section, output, grad, gradInput } = recordPass(tape, pool.op, [input], { kernel }, pass);
    const [x, g] = [noiseOf(input), noiseOf(grad)];
    if (pass === 'forward')
      return { section, check: { tensor: output, expected: (o) => pool.value(x, windowOf(o)) } };
    const expected = (i: number): number => {
      const o = outputOf(i);
      return g[o]! * pool.share(x, windowOf(o), i);
    };
    return { section, check: { tensor: gradInput!, expected } };
  });
}
