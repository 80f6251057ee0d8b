import { type Triple, toTriple } from '../../src/core/shape.ts';
import type { PoolAttributes } from '../../src/engine/ops/pooling/window.ts';
import { type Nd, zeros } from './nd.ts';

/** Calls `visit` with each output index of a pooling op and its window's input indices, in memory order. */
export function eachWindow(
  { shape }: Nd,
  { kernel = 2 }: PoolAttributes,
  visit: (output: number, window: readonly number[]) => void,
): void {
  const [batch, channels, depth, height, width] = shape as [number, number, number, number, number];
  const [kz, ky, kx]: Triple = toTriple(kernel);
  let output = 0;
  for (let plane = 0; plane < batch * channels; plane++)
    for (let z = 0; z + kz <= depth; z += kz)
      for (let y = 0; y + ky <= height; y += ky)
        for (let x = 0; x + kx <= width; x += kx)
          visit(
            output++,
            Array.from({ length: kz * ky * kx }, (_, k) => {
              const [dz, dy, dx] = [Math.floor(k / (ky * kx)), Math.floor(k / kx) % ky, k % kx];
              return ((plane * depth + z + dz) * height + y + dy) * width + x + dx;
            }),
          );
}

/** Zeros of the output's shape. */
export function pooledZeros({ shape }: Nd, { kernel = 2 }: PoolAttributes): Nd {
  const [batch, channels, ...extents] = shape as [number, number, ...number[]];
  const edges = toTriple(kernel);
  return zeros([batch, channels, ...extents.map((extent, a) => Math.floor(extent / edges[a]!))]);
}
