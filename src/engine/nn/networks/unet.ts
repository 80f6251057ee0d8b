import { z } from 'zod/mini';
import { UsageError } from '../../../core/errors.ts';
import { sizeOf } from '../../../core/shape.ts';
import { crossStitch } from '../../ops/cross-stitch.ts';
import type { Tensor } from '../../tape/tensor.ts';
import type { NetworkKind } from '../kind.ts';
import { conv3d } from '../layers/index.ts';
import type { ParameterSpec, Scope } from '../scope.ts';
import { headName, shapeFields } from './schema-fields.ts';
import { decoderLevel, doublingWidths, encoderLevel, levelsPair, type UNetShape } from './unet-blocks.ts';

/** One output: a 1x1x1 convolution to `classes` channels; with a softmax class 0 is the background. */
export interface UNetHead {
  readonly name: string;
  readonly classes: number;
}

/**
 * A 3D U-Net (Çiçek 2016), padded: per level two 3x3x3 convolutions, each with batch norm and ReLU; 2x2x2 max pool
 * down; 2x2x2 stride-2 transposed convolution up; the encoder's output of the level beside it as the block's second
 * source; one 1x1x1 convolution per head.
 */
export interface UNetConfig extends UNetShape {
  readonly heads: readonly UNetHead[];
  /**
   * Soft instead of hard sharing (Misra et al. 2016): each of two heads has a U-Net of its own, and behind every
   * block a cross-stitch unit blends the two, channel by channel.
   */
  readonly crossStitch?: true | undefined;
}

const schema: z.ZodMiniType<UNetConfig> = z
  .object({
    ...shapeFields,
    heads: z
      .array(z.object({ name: headName, classes: z.int().check(z.minimum(1), z.maximum(1024)) }))
      .check(z.minLength(1), z.maxLength(16)),
    crossStitch: z.optional(z.literal(true)),
  })
  .check(
    z.refine(({ heads, crossStitch }) => !crossStitch || heads.length === 2, {
      message: 'cross-stitch units join two heads',
    }),
    z.refine(levelsPair, { message: 'the decoder has one level less than the encoder' }),
  );

/** Settings of {@link unetConfig}. */
export interface UNetWidths {
  readonly inChannels: number;
  /** Channels of the finest level; each further level has twice as many. */
  readonly baseChannels: number;
  readonly levels: number;
  readonly heads: readonly UNetHead[];
  readonly crossStitch?: boolean | undefined;
}

/**
 * The house's widths: level l has baseChannels * 2^l channels, going up halves them.
 * @throws UsageError for counts below 1 (levels: below 2), and for cross-stitch units between other than two heads.
 */
export function unetConfig({
  inChannels,
  baseChannels,
  levels,
  heads,
  crossStitch = false,
}: UNetWidths): UNetConfig {
  for (const [name, value, least] of [
    ['inChannels', inChannels, 1],
    ['baseChannels', baseChannels, 1],
    ['levels', levels, 2],
    ['heads', heads.length, 1],
  ] as const)
    if (!Number.isInteger(value) || value < least)
      throw new UsageError(`a U-Net's ${name} must be a whole number of at least ${least}; got ${value}`);
  if (crossStitch && heads.length !== 2)
    throw new UsageError(`cross-stitch units join two tasks; got ${heads.length} heads`);
  return {
    inChannels,
    ...doublingWidths(baseChannels, levels),
    heads,
    ...(crossStitch ? { crossStitch } : {}),
  };
}

/** The widths of Çiçek et al. 2016, figure 2: 19,069,955 parameters as they count (see {@link countConvolutions}). */
export function cicekConfig(inChannels: number, heads: readonly UNetHead[]): UNetConfig {
  return {
    inChannels,
    encoder: [
      [32, 64],
      [64, 128],
      [128, 256],
      [256, 512],
    ],
    up: [128, 256, 512],
    decoder: [
      [64, 64],
      [128, 128],
      [256, 256],
    ],
    heads,
  };
}

/** Numbers that Çiçek et al. count: convolutions and heads with their biases, transposed convolutions, nothing else. */
export function countConvolutions(specs: readonly ParameterSpec[]): number {
  const counted = specs.filter(({ name }) => !/\.norm\d\.|^stitch\./.test(name));
  return counted.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
}

/** A U-Net of its own within a network: one for all heads, or where they are stitched one per head. */
interface Stream {
  readonly heads: readonly UNetHead[];
  /** Goes into the names of its tensors: `encoder.0` or `head.encoder.0`. */
  in<T>(scope: Scope, place: string, body: (inner: Scope) => T): T;
}

/** The U-Nets that a network is made of. */
function streamsOf({ heads, crossStitch }: UNetConfig): readonly Stream[] {
  if (!crossStitch) return [{ heads, in: (scope, place, body) => scope.in(place, body) }];
  return heads.map((head) => ({
    heads: [head],
    in: (scope, place, body) => scope.in(head.name, (own) => own.in(place, body)),
  }));
}

/** What a cross-stitch unit keeps of its own task, and takes of the other, before it has learned. */
const STITCH_START = [0.9, 0.1];

/** The weights of all cross-stitch units, [2, channels] each, by place and head: `encoder.0.head`. */
function stitchesOf(scope: Scope, config: UNetConfig): ReadonlyMap<string, Tensor> {
  const widths = (half: 'encoder' | 'decoder'): (readonly [string, number])[] =>
    config[half].map(([, last], level) => [`${half}.${level}`, last]);
  const units = [...widths('encoder'), ...widths('decoder')].flatMap(([place, width]) =>
    config.heads.map((head): readonly [string, Tensor] => {
      const init = { kind: 'rows', values: STITCH_START } as const;
      const name = `${place}.${head.name}`;
      return [name, scope.in(`stitch.${name}`, (unit) => unit.parameter('weight', [2, width], init))];
    }),
  );
  return new Map(units);
}

function forward(scope: Scope, input: Tensor, config: UNetConfig): Map<string, readonly Tensor[]> {
  const streams = streamsOf(config);
  let stitches: ReadonlyMap<string, Tensor> | undefined;
  /** What each stream continues with: its own block, or with stitches its blend with the other's. */
  const blend = (place: string, blocks: readonly Tensor[]): readonly Tensor[] => {
    if (!config.crossStitch) return blocks;
    stitches ??= stitchesOf(scope, config);
    return streams.map((stream, s) => {
      const weight = stitches!.get(`${place}.${stream.heads[0]!.name}`)!;
      const pair = [blocks[s]!, blocks[1 - s]!, weight];
      return stream.in(scope, place, (inner) => inner.apply(crossStitch, pair, {}));
    });
  };

  let x: readonly Tensor[] = streams.map(() => input);
  const skips: (readonly Tensor[])[] = [];
  config.encoder.forEach((widths, level) => {
    const place = `encoder.${level}`;
    const blocks = streams.map((stream, s) =>
      stream.in(scope, place, (inner) => encoderLevel(inner, widths, x[s]!, level)),
    );
    x = blend(place, blocks);
    skips.push(x);
  });
  for (let level = config.decoder.length - 1; level >= 0; level--) {
    const place = `decoder.${level}`;
    const blocks = streams.map((stream, s) =>
      stream.in(scope, place, (inner) =>
        decoderLevel(inner, config.decoder[level]!, config.up[level]!, x[s]!, skips[level]![s]!),
      ),
    );
    x = blend(place, blocks);
  }
  const outputs = streams.flatMap(({ heads, in: within }, s) =>
    heads.map(({ name, classes }): readonly [string, readonly Tensor[]] => {
      const head = conv3d(classes, { kernel: 1, stored: 'f32' });
      return [name, [within(scope, `heads.${name}`, (inner) => head.forward(inner, x[s]!))]];
    }),
  );
  return new Map(outputs);
}

/** The paper's U-Nets: one, with several heads, or two that are stitched. */
export const unet: NetworkKind<UNetConfig> = {
  kind: 'unet',
  title: '3D U-Net with batch norm (Çiçek 2016), with several heads or cross-stitch units',
  schema,
  inChannels: ({ inChannels }) => inChannels,
  heads: ({ heads }) => heads.map(({ name, classes }) => ({ name, channels: classes })),
  patchMultiple({ encoder }) {
    const multiple = 2 ** (encoder.length - 1);
    return [multiple, multiple, multiple];
  },
  design: ({ inChannels, heads, baseChannels, levels }, { crossStitch }) =>
    unetConfig({
      inChannels,
      baseChannels,
      levels,
      heads: heads.map(({ name, channels: classes }) => ({ name, classes })),
      crossStitch,
    }),
  forward,
};
