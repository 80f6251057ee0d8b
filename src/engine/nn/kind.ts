import type { Schema } from '../../core/schema.ts';
import type { Triple } from '../../core/shape.ts';
import type { Tensor } from '../tape/tensor.ts';
import type { Head, Penalty } from './network.ts';
import type { Scope } from './scope.ts';

/** What is known of a task when a network is designed for it. */
export interface DesignRequest {
  readonly inChannels: number;
  readonly heads: readonly Head[];
  /** Channels of the finest level. */
  readonly baseChannels: number;
  /** Resolutions, the bottom one included. */
  readonly levels: number;
  /** Extents of the patch, [z, y, x]. */
  readonly patch: Triple;
  /** Edges of a voxel in mm, [z, y, x], where they are known: a kind may step over thick slices. */
  readonly spacing?: Triple | undefined;
}

/**
 * A family of networks: one entry of the registry. Training, prediction, tuning, benching, checkpoints and the app see
 * a network through this alone.
 */
export interface NetworkKind<Config extends object> {
  /** How settings and checkpoints call it: `meshnet`. */
  readonly kind: string;
  /** One sentence for lists: what it is, and from where. */
  readonly title: string;
  /** Checks a configuration, as it comes from files: bounded, so that a forged one cannot ask for a monster. */
  readonly schema: Schema<Config>;
  inChannels(config: Config): number;
  heads(config: Config): readonly Head[];
  /** What it adds to the losses in training (default: nothing). */
  penalties?(config: Config): readonly Penalty[];
  /** Extents of a patch must be multiples of these, [z, y, x]. */
  patchMultiple(config: Config): Triple;
  /**
   * A configuration for a task.
   * @param given what the user sets: it wins over what is designed
   * @throws UsageError for what no network of this kind does.
   */
  design(request: DesignRequest, given: Partial<Config>): Config;
  /**
   * The forward pass, written with layers.
   * @returns outputs by head: the first at full resolution, further ones (deep supervision) in training only, where
   *   each penalty, a scalar [1], is there by its name
   */
  forward(scope: Scope, input: Tensor, config: Config): ReadonlyMap<string, readonly Tensor[]>;
}
