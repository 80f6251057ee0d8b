import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Triple } from '../../src/core/shape.ts';
import { normal, toFloat32 } from './nd.ts';

/** Brainchop's models that goldens are of. */
export const MODELS = ['mindgrab', 'model20chan3cls', 'model30chan18cls', 'model5_gw_ae'] as const;

/** Exported networks of two channels that TensorFlow.js ran: folded norm, batch norm, and Brainchop's norm by name. */
export const SMALL = ['gelu', 'meshnet', 'instance'] as const;
export const SMALL_EXTENTS: Triple = [6, 5, 8];

/** Channels last, as TensorFlow has them. */
export function smallInput(): Float32Array {
  return toFloat32(normal([...SMALL_EXTENTS, 2], 5));
}

/** The part of a conformed head that TensorFlow.js is asked for: within the brain. */
export const CROP: { readonly extents: Triple; readonly start: Triple } = {
  extents: [28, 32, 28],
  start: [104, 108, 92],
};

/** The value that becomes 1: the largest, or about the 95 % quantile, where these models find more in a crop. */
const WHITE: Readonly<Record<string, number>> = { model20chan3cls: 100, model30chan18cls: 100 };

/** The crop of a conformed volume, as a model gets it. */
export function cropOf(data: Uint8Array, model: string, extent = 256): Float32Array {
  const white = WHITE[model] ?? 255;
  const [depth, height, width] = CROP.extents;
  const [z, y, x] = CROP.start;
  const out = new Float32Array(depth * height * width);
  for (let k = 0, at = 0; k < depth; k++)
    for (let j = 0; j < height; j++)
      for (let i = 0; i < width; i++, at++)
        out[at] = data[((z + k) * extent + y + j) * extent + x + i]! / white;
  return out;
}

/** The folder of Brainchop's models: VOXELGRAD_MODELS, or ../shared/models beside the project; undefined where it is absent. */
export function sharedModels(): string | undefined {
  const wanted =
    process.env.VOXELGRAD_MODELS ?? fileURLToPath(new URL('../../../shared/models', import.meta.url));
  return existsSync(`${wanted}/brainchop`) ? `${wanted}/brainchop` : undefined;
}
