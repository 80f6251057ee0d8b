import { z } from 'zod/mini';
import { UsageError } from '../../../core/errors.ts';
import type { Tensor } from '../../tape/tensor.ts';
import type { NetworkKind } from '../kind.ts';
import { applied, sequential } from '../layer.ts';
import { conv3d, globalAveragePool, linear, relu } from '../layers/index.ts';
import type { Head } from '../network.ts';
import type { Scope } from '../scope.ts';
import { channelCount, headName, shapeFields } from './schema-fields.ts';
import { decode, doublingWidths, encode, levelsPair, type UNetShape } from './unet-blocks.ts';

/**
 * One encoder for two kinds of output (Cao 2018; Bui 2019, Fig. 4 of the paper): a decoder that segments, and a path of
 * its own for each value. A value per scan, such as a score, comes from the bottom: the mean of each channel and fully
 * connected layers. A value per voxel, such as a distance, comes from a second decoder.
 */
export interface UNetRegressionConfig extends UNetShape {
  /** Outputs of the segmenting decoder. */
  readonly heads: readonly Head[];
  /** Outputs with a path of their own. */
  readonly regressions: readonly Head[];
  /** Features of the fully connected layers before a score, in order. */
  readonly hidden: readonly number[];
}

const head = z.strictObject({
  name: headName,
  channels: channelCount,
  perScan: z.optional(z.boolean()),
});
const schema: z.ZodMiniType<UNetRegressionConfig> = z
  .strictObject({
    ...shapeFields,
    heads: z.array(head).check(
      z.maxLength(16),
      z.refine((heads) => heads.every(({ perScan }) => !perScan), {
        message: 'a value per scan has a path of its own: it belongs to regressions',
      }),
    ),
    regressions: z.array(head).check(z.minLength(1), z.maxLength(16)),
    hidden: z.array(channelCount).check(z.maxLength(8)),
  })
  .check(
    z.refine(levelsPair, { message: 'the decoder has one level less than the encoder' }),
    z.refine(
      ({ heads, regressions }) => {
        const names = [...heads, ...regressions].map(({ name }) => name);
        return new Set(names).size === names.length;
      },
      { message: 'outputs have different names' },
    ),
  );

/** Fully connected layers with ReLU between them, of the mean of each channel. */
function score(scope: Scope, bottom: Tensor, hidden: readonly number[], outputs: number): Tensor {
  const layers = hidden.flatMap((features) => [linear(features), relu()]);
  const pooled = globalAveragePool().forward(scope, bottom);
  return sequential(...layers, linear(outputs, { stored: 'f32' })).forward(scope, pooled);
}

function forward(scope: Scope, input: Tensor, config: UNetRegressionConfig): Map<string, readonly Tensor[]> {
  const skips = encode(scope, input, config);
  const outputs = new Map<string, readonly Tensor[]>();
  const classify = (inner: Scope, name: string, channels: number, from: Tensor): Tensor =>
    applied(inner, name, conv3d(channels, { kernel: 1, stored: 'f32' }), from);
  if (config.heads.length > 0) {
    const x = decode(scope, skips, config);
    for (const { name, channels } of config.heads)
      outputs.set(name, [classify(scope, `heads.${name}`, channels, x)]);
  }
  for (const { name, channels, perScan } of config.regressions)
    outputs.set(name, [
      scope.in(`regression.${name}`, (inner) =>
        perScan
          ? score(inner, skips.at(-1)!, config.hidden, channels)
          : classify(inner, 'head', channels, decode(inner, skips, config)),
      ),
    ]);
  return outputs;
}

/** The segmentation and regression networks of the paper's related work. */
export const unetRegression: NetworkKind<UNetRegressionConfig> = {
  kind: 'unet-regression',
  title: 'U-Net with a regression path: values per scan or per voxel beside labels (Cao 2018, Bui 2019)',
  schema,
  inChannels: ({ inChannels }) => inChannels,
  heads: ({ heads, regressions }) => [...heads, ...regressions],
  patchMultiple({ encoder }) {
    const multiple = 2 ** (encoder.length - 1);
    return [multiple, multiple, multiple];
  },
  /** Values per scan get a path of their own; of the others those that `regressions` names. */
  design({ inChannels, heads, baseChannels, levels }, given) {
    const named = new Set(given.regressions?.map(({ name }) => name));
    const own = (one: Head): boolean => one.perScan === true || named.has(one.name);
    const regressions = heads.filter(own);
    if (regressions.length === 0)
      throw new UsageError('network unet-regression: no output has a value per scan', {
        hint: 'Name the outputs that are values per voxel as regressions, or choose another network.',
      });
    return {
      inChannels,
      ...doublingWidths(baseChannels, levels),
      heads: heads.filter((one) => !own(one)),
      regressions,
      hidden: [baseChannels * 2 ** (levels - 1)],
    };
  },
  forward,
};
