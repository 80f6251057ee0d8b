import { z } from 'zod/mini';
import { CheckpointError, UsageError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import type { NetworkSpec } from '../nn/network.ts';
import { parseNetworkSpec } from '../nn/networks/index.ts';
import { VARIANTS, type Variant } from '../nn/variants.ts';

/** A voxel size that a network learned at. */
export interface TrainedSpacing {
  /** Edges in mm, along the axes as they are stored. */
  readonly mm: readonly [number, number, number];
  /** The training scans of this size. */
  readonly scans: readonly string[];
}

/** What a trained network is, beside its weights. */
export interface ModelInfo {
  readonly variant: Variant;
  readonly network: NetworkSpec;
  /** Image modalities in the order of the input channels. */
  readonly modalities: readonly string[];
  /** A voxel is lesion where its probability is at or above this; chosen on the training scans. */
  readonly threshold: number;
  /** Edge of the patch that it was trained with, and so of the sliding window. */
  readonly patch: number;
  /** Voxel sizes of the training scans, mostly one; missing in models that were made before it was recorded. */
  readonly spacing?: readonly TrainedSpacing[] | undefined;
  /** Settings of the run, for the record. */
  readonly settings: Json;
}

const edge = z.number().check(z.gt(0), z.maximum(1000));
const spacing = z.object({ mm: z.tuple([edge, edge, edge]), scans: z.array(z.string()) });

const SCHEMA = z.object({
  variant: z.enum(VARIANTS),
  network: z.unknown(),
  modalities: z.array(z.string().check(z.minLength(1))).check(z.minLength(1)),
  threshold: z.number().check(z.minimum(0), z.maximum(1)),
  patch: z.int().check(z.minimum(1)),
  spacing: z.optional(z.array(spacing).check(z.minLength(1))),
  settings: z.json(),
});

/**
 * Checks the description of a network that came with a file.
 * @throws CheckpointError naming the field.
 */
export function parseModelInfo(value: unknown, path: string): ModelInfo {
  const parsed = SCHEMA.safeParse(value);
  const refuse = (message: string, cause?: unknown): never => {
    throw new CheckpointError(`${path}: the description of the network is wrong: ${message}`, {
      hint: 'The file is damaged or was made by another program.',
      cause,
    });
  };
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return refuse(`${issue?.path.map(String).join('.') || 'it'}: ${issue?.message ?? ''}`);
  }
  try {
    return { ...parsed.data, network: parseNetworkSpec(parsed.data.network) };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return refuse([error.message, error.hint].filter(Boolean).join('. '), error);
  }
}
