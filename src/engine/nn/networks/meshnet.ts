import { z } from 'zod/mini';
import type { Tensor } from '../../tape/tensor.ts';
import type { NetworkKind } from '../kind.ts';
import { applied, type Layer } from '../layer.ts';
import { batchNorm, conv3d, dropout, elu, gelu, groupNorm, instanceNorm, relu } from '../layers/index.ts';
import type { NormOptions } from '../layers/norm.ts';
import type { Head } from '../network.ts';
import type { Scope } from '../scope.ts';
import { channelCount, headName } from './schema-fields.ts';

/**
 * MeshNet (Fedorov et al. 2017), as Brainchop has it: convolutions at full resolution whose taps lie further and further
 * apart, and nearer again; each with a norm, an activation and dropout; a 1x1x1 convolution per head. It has few
 * weights, and any patch will do. Tensors have the names of Brainchop's PyTorch module.
 */
export interface MeshNetConfig {
  readonly inChannels: number;
  /** Channels of each layer but the last. */
  readonly channels: readonly number[];
  /** Voxels between the taps of each of these layers. */
  readonly dilations: readonly number[];
  /** Batch norm behind each convolution; false where it is folded into the weights. */
  readonly batchNorm: boolean;
  /** Groups of a group norm behind each convolution, in place of batch norm; `instance`: each channel its own. */
  readonly groupNorm?: number | 'instance' | undefined;
  /** Added to the variance by the norm (default 1e-5). */
  readonly eps?: number | undefined;
  readonly activation: 'relu' | 'elu' | 'gelu';
  /** Probability of a channel to be left out in training. */
  readonly dropout: number;
  readonly heads: readonly Head[];
}

const KERNEL = 3;

const schema: z.ZodMiniType<MeshNetConfig> = z
  .strictObject({
    inChannels: channelCount,
    channels: z.array(channelCount).check(z.minLength(1), z.maxLength(64)),
    dilations: z.array(z.int().check(z.minimum(1), z.maximum(64))).check(z.minLength(1), z.maxLength(64)),
    batchNorm: z.boolean(),
    groupNorm: z.optional(z.union([channelCount, z.literal('instance')])),
    eps: z.optional(z.number().check(z.minimum(0), z.maximum(1))),
    activation: z.enum(['relu', 'elu', 'gelu']),
    dropout: z.number().check(z.minimum(0), z.lt(1)),
    heads: z
      .array(z.strictObject({ name: headName, channels: channelCount }))
      .check(z.minLength(1), z.maxLength(16)),
  })
  .check(
    z.refine(({ channels, dilations }) => channels.length === dilations.length, {
      message: 'channels and dilations have one entry per layer',
    }),
    z.refine(({ batchNorm, groupNorm }) => !(batchNorm && groupNorm !== undefined), {
      message: 'batchNorm and groupNorm exclude each other',
    }),
    z.refine(
      ({ channels, groupNorm = 1 }) => groupNorm === 'instance' || channels.every((n) => n % groupNorm === 0),
      {
        message: 'groupNorm divides the channels of every layer',
      },
    ),
  );

const ACTIVATIONS: Readonly<Record<MeshNetConfig['activation'], () => Layer>> = { relu, elu, gelu };

/** The norm behind each convolution, if there is one. */
function normOf({
  batchNorm: batch,
  groupNorm: groups,
}: MeshNetConfig): ((options: NormOptions) => Layer) | undefined {
  if (batch) return batchNorm;
  if (groups === undefined) return undefined;
  return groups === 'instance' ? instanceNorm : (options) => groupNorm({ groups, ...options });
}

function forward(scope: Scope, input: Tensor, config: MeshNetConfig): Map<string, readonly Tensor[]> {
  const { channels, dilations, heads } = config;
  const norm = normOf(config);
  const fused = norm !== undefined && config.activation === 'relu';
  let x = input;
  channels.forEach((width, i) => {
    const dilation = dilations[i]!;
    const bias = norm ? 'frozen' : true;
    x = applied(scope, `model.${i}.0`, conv3d(width, { kernel: KERNEL, dilation, bias }), x);
    if (norm)
      x = applied(
        scope,
        `model.${i}.1`,
        norm({ ...(config.eps === undefined ? {} : { eps: config.eps }), ...(fused ? { slope: 0 } : {}) }),
        x,
      );
    if (!fused) x = ACTIVATIONS[config.activation]().forward(scope, x);
    x = dropout({ p: config.dropout, perChannel: true }).forward(scope, x);
  });
  const last = `model.${channels.length}`;
  return new Map(
    heads.map((head): [string, readonly Tensor[]] => {
      const name = heads.length === 1 ? last : `${last}.${head.name}`;
      return [head.name, [applied(scope, name, conv3d(head.channels, { kernel: 1, stored: 'f32' }), x)]];
    }),
  );
}

/** MeshNet. */
export const meshnet: NetworkKind<MeshNetConfig> = {
  kind: 'meshnet',
  title: 'MeshNet: dilated convolutions at full resolution, few weights (Fedorov 2017, Brainchop)',
  schema,
  inChannels: ({ inChannels }) => inChannels,
  heads: ({ heads }) => heads,
  patchMultiple: () => [1, 1, 1],
  /** Taps 1, 2, 4, … voxels apart, up to 2^(levels - 1), and back: with 5 levels Brainchop's. */
  design({ inChannels, heads, baseChannels, levels }, given) {
    const rising = Array.from({ length: levels }, (_, level) => 2 ** level);
    const dilations = given.dilations ?? [...rising, ...rising.slice(0, -1).reverse()];
    return {
      inChannels,
      channels: dilations.map(() => baseChannels),
      dilations,
      batchNorm: given.groupNorm === undefined,
      groupNorm: given.groupNorm,
      eps: given.eps,
      activation: 'relu',
      dropout: 0,
      heads: heads.map(({ name, channels }) => ({ name, channels })),
    };
  },
  forward,
};
