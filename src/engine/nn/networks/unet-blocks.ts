import type { Tensor } from '../../tape/tensor.ts';
import { applied } from '../layer.ts';
import { batchNorm, conv3d, convTranspose3d, maxPool3d } from '../layers/index.ts';
import type { Scope } from '../scope.ts';

/** Output channels of a block's two convolutions. */
export type BlockWidths = readonly [number, number];

/** The widths of an encoder and a decoder. */
export interface UNetShape {
  readonly inChannels: number;
  /** Finest level first; the last one is the bottom. */
  readonly encoder: readonly BlockWidths[];
  /** Output channels of the transposed convolution into each level but the bottom, finest first. */
  readonly up: readonly number[];
  readonly decoder: readonly BlockWidths[];
}

/** Whether there is a decoder's level for each of the encoder's but the bottom. */
export function levelsPair({ encoder, up, decoder }: Omit<UNetShape, 'inChannels'>): boolean {
  return up.length === encoder.length - 1 && decoder.length === up.length;
}

/** The house's widths: level l has baseChannels * 2^l channels, going up halves them. */
export function doublingWidths(baseChannels: number, levels: number): Omit<UNetShape, 'inChannels'> {
  const width = (level: number): number => baseChannels * 2 ** level;
  const widths = (count: number): BlockWidths[] =>
    Array.from({ length: count }, (_, level) => [width(level), width(level)]);
  return {
    encoder: widths(levels),
    up: Array.from({ length: levels - 1 }, (_, level) => width(level)),
    decoder: widths(levels - 1),
  };
}

/**
 * Two convolutions of kernel 3, each with batch norm and ReLU in one kernel. The norm takes away what a bias adds, so
 * the biases, which are there for other programs' sake, stay as they are.
 * @param second the other source of the first convolution, where the block joins two
 */
function convBlock(scope: Scope, widths: BlockWidths, input: Tensor, second?: Tensor): Tensor {
  return widths.reduce((x, width, i) => {
    const convolution = conv3d(width, { kernel: 3, bias: 'frozen' });
    const convolved = scope.in(`conv${i + 1}`, (inner) =>
      convolution.forward(inner, x, ...(i === 0 && second ? [second] : [])),
    );
    return applied(scope, `norm${i + 1}`, batchNorm({ slope: 0 }), convolved);
  }, input);
}

/** A level of the encoder: max pooling into all but the finest, and a block. */
export function encoderLevel(scope: Scope, widths: BlockWidths, input: Tensor, level: number): Tensor {
  return convBlock(scope, widths, level === 0 ? input : maxPool3d().forward(scope, input));
}

/**
 * A level of the decoder: a transposed convolution, and a block that reads the encoder's output of the level, too.
 * @param width channels of the transposed convolution
 * @param below what comes from the level below
 */
export function decoderLevel(
  scope: Scope,
  widths: BlockWidths,
  width: number,
  below: Tensor,
  skip: Tensor,
): Tensor {
  const up = applied(scope, 'up', convTranspose3d(width, { bias: false }), below);
  return convBlock(scope, widths, skip, up);
}

/** Goes down. @returns the output of each level, finest first. */
export function encode(
  scope: Scope,
  input: Tensor,
  { encoder }: Pick<UNetShape, 'encoder'>,
): readonly Tensor[] {
  const skips: Tensor[] = [];
  encoder.forEach((widths, level) => {
    const source = skips.at(-1) ?? input;
    skips.push(scope.in(`encoder.${level}`, (inner) => encoderLevel(inner, widths, source, level)));
  });
  return skips;
}

/** Goes up from the bottom, level by level. @returns features at full resolution. */
export function decode(
  scope: Scope,
  skips: readonly Tensor[],
  { up, decoder }: Pick<UNetShape, 'up' | 'decoder'>,
): Tensor {
  let x = skips.at(-1)!;
  for (let level = decoder.length - 1; level >= 0; level--)
    x = scope.in(`decoder.${level}`, (inner) =>
      decoderLevel(inner, decoder[level]!, up[level]!, x, skips[level]!),
    );
  return x;
}
