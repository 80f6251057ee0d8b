import { fromHalves } from '../../src/core/half.ts';
import { roundUp, type Shape, sizeOf } from '../../src/core/shape.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import { byteLength, type Tensor, tensor } from '../../src/engine/tape/tensor.ts';
import type { Nd } from './nd.ts';

/** Bits of the nearest 16-bit float, ties to even, of each value. */
export function toHalves(values: ArrayLike<number>): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, (value) => {
    const sign = value < 0 || Object.is(value, -0) ? 0x8000 : 0;
    const x = Math.abs(value);
    if (!Number.isFinite(x)) return Number.isNaN(x) ? 0x7e00 : sign | 0x7c00;
    // Steps of the binade that x lies in; all below 2^-14 have the smallest one's.
    const exponent = Math.max(-14, Math.floor(Math.log2(x)));
    const steps = x / 2 ** (exponent - 10);
    const low = Math.floor(steps);
    const up = steps - low > 0.5 || (steps - low === 0.5 && low % 2 === 1);
    const bits = x === 0 ? 0 : (exponent + 14) * 1024 + low + (up ? 1 : 0);
    return sign | Math.min(bits, 0x7c00);
  });
}

/** The array with each value rounded to 16 bits. */
export function roundedToHalf({ shape, data }: Nd): Nd {
  return { shape, data: Float64Array.from(fromHalves(toHalves(data))) };
}

/** A tensor of 16-bit floats in a buffer of its own. */
export async function halfTensor(
  gpu: Gpu,
  label: string,
  shape: Shape,
  values: ArrayLike<number>,
  options: { readonly requiresGrad?: boolean; readonly grad?: Tensor } = {},
): Promise<{ readonly tensor: Tensor; destroy(): void }> {
  const bytes = byteLength({ ...tensor(label, shape, 'arena'), element: 'f16' });
  const usage = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
  const buffer = await gpu.createBuffer({ label, bytes, usage });
  const padded = new Uint16Array(roundUp(sizeOf(shape), 2));
  padded.set(toHalves(values));
  gpu.device.queue.writeBuffer(buffer, 0, padded);
  return {
    tensor: tensor(label, shape, { buffer, offset: 0 }, { ...options, element: 'f16' }),
    destroy: () => gpu.destroyBuffer(buffer),
  };
}
