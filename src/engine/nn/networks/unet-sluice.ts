import { z } from 'zod/mini';
import { UsageError } from '../../../core/errors.ts';
import { weightedSum } from '../../loss/weighted-sum.ts';
import { conv3d as conv3dOp } from '../../ops/conv3d.ts';
import { halfOverlap } from '../../ops/half-overlap.ts';
import { scalarBlocks } from '../../ops/scalar-blocks.ts';
import { upsampleTrilinear } from '../../ops/upsample-trilinear.ts';
import type { Element, Tensor } from '../../tape/tensor.ts';
import type { NetworkKind } from '../kind.ts';
import { applied, channelsOf } from '../layer.ts';
import { conv3d } from '../layers/index.ts';
import type { Head, Penalty } from '../network.ts';
import type { Scope } from '../scope.ts';
import { watch } from '../watch.ts';
import { channelCount, headName, shapeFields } from './schema-fields.ts';
import { decoderLevel, doublingWidths, encoderLevel, levelsPair, type UNetShape } from './unet-blocks.ts';

/**
 * A sluice network (Ruder et al. 2019, "Latent multi-task architecture learning") of U-Nets, one per task:
 * - Behind every block a task's channels fall into two subspaces, the first half and the second. Each subspace continues as
 *   a learned mixture of all the subspaces of all tasks (their α, eq. 3), one number per pair of subspaces.
 * - A penalty keeps what makes a task's two subspaces orthogonal: the squared Frobenius norm of the product of the two halves
 *   of the weight that makes them (their eq. 4), summed over blocks and tasks.
 * - An output is a learned mixture of what each level of the decoder says (their β, eq. 5). Levels differ in channels and
 *   extents here, so each has a 1x1x1 convolution of its own, and its logits are upsampled.
 *
 * Cross-stitch units are the special case of one mixture per channel, of whole activations, without subspaces and β.
 */
export interface UNetSluiceConfig extends UNetShape {
  /** One U-Net each. */
  readonly heads: readonly Head[];
  /** Of the orthogonality penalty beside the losses. */
  readonly weight: number;
}

/** The penalty's name in logs; heads' names have no dash. */
const PENALTY = 'subspace-overlap';

/** Ours: Ruder et al. choose it on a validation set. */
const DEFAULT_WEIGHT = 1e-3;

/** What a subspace keeps of itself before it has learned; what else there is shares the rest ("biased towards one source"). */
const KEEP = 0.9;

/** Upsampling does no larger factor: coarser levels of the decoder have no part in an output's mixture. */
const COARSEST = 16;

const schema: z.ZodMiniType<UNetSluiceConfig> = z
  .strictObject({
    ...shapeFields,
    heads: z
      .array(z.strictObject({ name: headName, channels: channelCount }))
      .check(z.minLength(2, 'a sluice network needs at least two heads'), z.maxLength(8)),
    weight: z.number().check(z.minimum(0), z.maximum(1e6)),
  })
  .check(
    z.refine(levelsPair, { message: 'the decoder has one level less than the encoder' }),
    z.refine(({ encoder, decoder }) => [...encoder, ...decoder].every(([, last]) => last % 2 === 0), {
      message: 'every block has an even number of channels, which fall into two subspaces',
    }),
    z.refine(({ heads }) => new Set(heads.map(({ name }) => name)).size === heads.length, {
      message: 'heads have different names',
    }),
  );

/** Numbers of a mixture as it starts: `first` at one place, the others share what is missing to 1. */
function rest(count: number, at: number, first: number): number[] {
  return Array.from({ length: count }, (_, i) => (i === at ? first : (1 - first) / (count - 1)));
}

/**
 * Mixes groups of channels: output group r is the sum over q of matrix[r, q] times group q of the sources.
 * @param size channels of a group
 */
function mix(
  scope: Scope,
  matrix: Tensor,
  size: number,
  sources: readonly Tensor[],
  element?: Element,
): Tensor {
  const weight = scope.apply(scalarBlocks, [matrix], { size }, 'f32');
  return scope.apply(conv3dOp, [...sources, weight], { sources: sources.length, bias: false }, element);
}

/** The tasks' activations behind a block, each as the mixture that continues. */
function sluices(
  scope: Scope,
  place: string,
  heads: readonly Head[],
  blocks: readonly Tensor[],
): readonly Tensor[] {
  return heads.map(({ name }, own) => {
    // A task's own subspaces come first, whichever task it is.
    const sources = [blocks[own]!, ...blocks.filter((_, i) => i !== own)];
    const columns = 2 * heads.length;
    const start = [0, 1].flatMap((row) => rest(columns, row, KEEP));
    return scope.in(`sluice.${place}.${name}`, (unit) => {
      const alpha = unit.parameter('alpha', [2, columns], { kind: 'rows', values: start });
      return mix(unit, alpha, channelsOf(blocks[own]!) / 2, sources);
    });
  });
}

/** What a task's network says: the mixture of the logits of its decoder's levels, finest first. */
function output(scope: Scope, { channels }: Head, levels: readonly Tensor[]): Tensor {
  const used = levels.filter((_, level) => 2 ** level <= COARSEST);
  const logits = used.map((features, level) => {
    const own = applied(scope, String(level), conv3d(channels, { kernel: 1, stored: 'f32' }), features);
    return level === 0 ? own : scope.apply(upsampleTrilinear, [own], { scale: 2 ** level }, 'f32');
  });
  if (logits.length === 1) return logits[0]!;
  const start = rest(logits.length, 0, KEEP);
  const beta = scope.parameter('beta', [1, logits.length], { kind: 'rows', values: start });
  return mix(scope, beta, channels, logits, 'f32');
}

function forward(scope: Scope, input: Tensor, config: UNetSluiceConfig): Map<string, readonly Tensor[]> {
  const { heads, encoder, decoder, up } = config;
  /** Weights that make subspaces: of the last convolution of each block. */
  const makers: Tensor[] = [];
  const block = (place: string, name: string, body: (inner: Scope) => Tensor): Tensor =>
    scope.in(name, (own) =>
      own.in(place, (inner) => {
        const seen = (path: string, parameter: Tensor): void => {
          if (path === 'conv2.weight') makers.push(parameter);
        };
        return body(watch(inner, { seen }));
      }),
    );

  let x: readonly Tensor[] = heads.map(() => input);
  const skips: (readonly Tensor[])[] = [];
  encoder.forEach((widths, level) => {
    const place = `encoder.${level}`;
    const blocks = heads.map(({ name }, t) =>
      block(place, name, (inner) => encoderLevel(inner, widths, x[t]!, level)),
    );
    x = sluices(scope, place, heads, blocks);
    skips.push(x);
  });
  /** By task the decoder's levels, finest first. */
  const levels: Tensor[][] = heads.map(() => []);
  for (let level = decoder.length - 1; level >= 0; level--) {
    const place = `decoder.${level}`;
    const blocks = heads.map(({ name }, t) =>
      block(place, name, (inner) =>
        decoderLevel(inner, decoder[level]!, up[level]!, x[t]!, skips[level]![t]!),
      ),
    );
    x = sluices(scope, place, heads, blocks);
    x.forEach((features, t) => {
      levels[t]!.unshift(features);
    });
  }
  const outputs = new Map<string, readonly Tensor[]>(
    heads.map((head, t) => [
      head.name,
      [scope.in(`heads.${head.name}`, (inner) => output(inner, head, levels[t]!))],
    ]),
  );
  if (scope.mode === 'train') {
    const overlaps = makers.map((weight) => scope.apply(halfOverlap, [weight], {}, 'f32'));
    outputs.set(PENALTY, [scope.apply(weightedSum, overlaps, {}, 'f32')]);
  }
  return outputs;
}

/** Sluice networks. */
export const unetSluice: NetworkKind<UNetSluiceConfig> = {
  kind: 'unet-sluice',
  title: 'a U-Net per task with learned mixtures of their subspaces and levels (sluice network, Ruder 2019)',
  schema,
  inChannels: ({ inChannels }) => inChannels,
  heads: ({ heads }) => heads,
  penalties: ({ weight }): readonly Penalty[] => [{ name: PENALTY, weight }],
  patchMultiple({ encoder }) {
    const multiple = 2 ** (encoder.length - 1);
    return [multiple, multiple, multiple];
  },
  /** @throws UsageError for one task only: there is nothing to mix. */
  design({ inChannels, heads, baseChannels, levels }) {
    if (heads.length < 2)
      throw new UsageError('network unet-sluice: there is one task only, so nothing is mixed', {
        hint: 'Give the task a second head, or choose the network kind unet.',
      });
    return {
      inChannels,
      ...doublingWidths(baseChannels, levels),
      heads: heads.map(({ name, channels }) => ({ name, channels })),
      weight: DEFAULT_WEIGHT,
    };
  },
  forward,
};
