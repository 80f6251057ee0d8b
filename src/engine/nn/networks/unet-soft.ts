import { z } from 'zod/mini';
import { UsageError } from '../../../core/errors.ts';
import { weightedSum } from '../../loss/weighted-sum.ts';
import { parameterDistance } from '../../ops/parameter-distance.ts';
import type { Tensor } from '../../tape/tensor.ts';
import type { NetworkKind } from '../kind.ts';
import { applied } from '../layer.ts';
import { conv3d } from '../layers/index.ts';
import type { Head, Penalty } from '../network.ts';
import type { Scope } from '../scope.ts';
import { watch } from '../watch.ts';
import { channelCount, headName, shapeFields } from './schema-fields.ts';
import { decode, doublingWidths, encode, levelsPair, type UNetShape } from './unet-blocks.ts';

/**
 * Soft sharing of parameters (the paper's section II.B and Fig. 3; Duong et al. 2015; Yang and Hospedales 2017): a U-Net
 * per task, all of the same shape, and a penalty on the distance of their parameters. It covers what the networks have
 * in common, convolutions and norms, not the last convolution of each, which belongs to its task alone.
 *
 * All start from the same numbers. Networks that start apart have no reason to agree on which channel does what, so
 * that a small distance would say little. Duong et al. start from a network trained on the first task instead.
 */
export interface UNetSoftConfig extends UNetShape {
  /** One U-Net each. */
  readonly heads: readonly Head[];
  /**
   * `l2`: squared distances, summed over parameters and over pairs of networks (Duong et al. 2015). `trace`: the trace norm
   * of each layer's two rows of parameters (Yang and Hospedales 2017); for two tasks.
   */
  readonly norm: 'l2' | 'trace';
  /** Of the penalty beside the losses. `infinite` is hard sharing: one U-Net with several heads, the limit itself. */
  readonly weight: number | 'infinite';
}

/** The penalty's name in logs; heads' names have no dash. */
const PENALTY = 'parameter-distance';

/** Ours: the references tune it per data set. */
const DEFAULT_WEIGHT = 0.01;

const schema: z.ZodMiniType<UNetSoftConfig> = z
  .strictObject({
    ...shapeFields,
    heads: z
      .array(z.strictObject({ name: headName, channels: channelCount }))
      .check(z.minLength(2, 'soft sharing needs at least two heads'), z.maxLength(8)),
    norm: z.enum(['l2', 'trace']),
    weight: z.union([z.number().check(z.minimum(0), z.maximum(1e6)), z.literal('infinite')]),
  })
  .check(
    z.refine(levelsPair, { message: 'the decoder has one level less than the encoder' }),
    z.refine(({ heads, norm }) => norm === 'l2' || heads.length === 2, {
      message: 'the trace norm compares two tasks; for more choose l2',
    }),
    z.refine(({ heads }) => new Set(heads.map(({ name }) => name)).size === heads.length, {
      message: 'heads have different names',
    }),
  );

const classify = (scope: Scope, { name, channels }: Head, features: Tensor): readonly Tensor[] => [
  applied(scope, `heads.${name}`, conv3d(channels, { kernel: 1, stored: 'f32' }), features),
];

/** The distance of all pairs of networks, whose parameters are in one order: a scalar [1]. */
function penalty(
  scope: Scope,
  networks: readonly ReadonlyMap<string, Tensor>[],
  norm: UNetSoftConfig['norm'],
): Tensor {
  const pairs = networks.flatMap((one, i) =>
    networks
      .slice(i + 1)
      .map((other) => scope.apply(parameterDistance, [...one.values(), ...other.values()], { norm }, 'f32')),
  );
  return pairs.length === 1 ? pairs[0]! : scope.apply(weightedSum, pairs, {}, 'f32');
}

function forward(scope: Scope, input: Tensor, config: UNetSoftConfig): Map<string, readonly Tensor[]> {
  const { heads, norm, weight } = config;
  if (weight === 'infinite') {
    const features = decode(scope, encode(scope, input, config), config);
    return new Map(heads.map((head) => [head.name, classify(scope, head, features)]));
  }
  const outputs = new Map<string, readonly Tensor[]>();
  const networks: Map<string, Tensor>[] = [];
  for (const head of heads) {
    const [first] = networks;
    const own = new Map<string, Tensor>();
    networks.push(own);
    const features = scope.in(head.name, (inner) => {
      const watched = watch(inner, {
        seen: (name, parameter) => own.set(name, parameter),
        start: (name, init) => {
          const same = first?.get(name);
          return same ? { kind: 'copy', of: same.label } : init;
        },
      });
      return decode(watched, encode(watched, input, config), config);
    });
    outputs.set(head.name, classify(scope, head, features));
  }
  if (scope.mode === 'train') outputs.set(PENALTY, [penalty(scope, networks, norm)]);
  return outputs;
}

/** U-Nets that are kept alike. */
export const unetSoft: NetworkKind<UNetSoftConfig> = {
  kind: 'unet-soft',
  title: 'a U-Net per task, with a penalty on the distance of their parameters (soft sharing, Duong 2015)',
  schema,
  inChannels: ({ inChannels }) => inChannels,
  heads: ({ heads }) => heads,
  penalties: ({ weight }): readonly Penalty[] => (weight === 'infinite' ? [] : [{ name: PENALTY, weight }]),
  patchMultiple({ encoder }) {
    const multiple = 2 ** (encoder.length - 1);
    return [multiple, multiple, multiple];
  },
  /** @throws UsageError for one task only: there is nothing to share. */
  design({ inChannels, heads, baseChannels, levels }) {
    if (heads.length < 2)
      throw new UsageError('network unet-soft: there is one task only, so nothing is shared', {
        hint: 'Give the task a second head, or choose the network kind unet.',
      });
    return {
      inChannels,
      ...doublingWidths(baseChannels, levels),
      heads: heads.map(({ name, channels }) => ({ name, channels })),
      norm: 'l2',
      weight: DEFAULT_WEIGHT,
    };
  },
  forward,
};
