import { UsageError } from '../../core/errors.ts';
import { type Shape, sizeOf } from '../../core/shape.ts';

/** One output of a network: a 1x1x1 convolution to `classes` logits, class 0 being background. */
export interface HeadConfig {
  readonly name: string;
  readonly classes: number;
}

/** Output channels of a block's two convolutions. */
export type BlockWidths = readonly [number, number];

/**
 * A 3D U-Net (Çiçek 2016), padded: per level two 3x3x3 convolutions, each with batch norm and ReLU; 2x2x2 max
 * pool down; 2x2x2 stride-2 transposed convolution up; the encoder's output of the level beside it as the block's
 * second source; one 1x1x1 head a task.
 */
export interface UNetConfig {
  readonly inChannels: number;
  /** Finest level first; the last one is the bottom. */
  readonly encoder: readonly BlockWidths[];
  /** Output channels of the transposed convolution into each level but the bottom, finest first. */
  readonly up: readonly number[];
  readonly decoder: readonly BlockWidths[];
  readonly heads: readonly HeadConfig[];
  /**
   * Soft instead of hard sharing (Misra et al. 2016): each of two heads has a U-Net of its own, and behind every
   * block a cross-stitch unit blends the two, channel by channel.
   */
  readonly crossStitch?: true | undefined;
}

/** A U-Net of its own within a network: one for all heads, or one a head where they are stitched. */
export interface Stream {
  /** In front of the names of its parameters: '' or `lesion.`. */
  readonly prefix: string;
  readonly heads: readonly HeadConfig[];
}

/** The U-Nets that a network is made of. */
export function streamsOf({ heads, crossStitch }: UNetConfig): readonly Stream[] {
  return crossStitch
    ? heads.map((head) => ({ prefix: `${head.name}.`, heads: [head] }))
    : [{ prefix: '', heads }];
}

/** What a cross-stitch unit keeps of its own task, and takes of the other, before it has learned. */
const STITCH_START = [0.9, 0.1];

/** How a parameter starts. */
export type Initialisation =
  | { readonly kind: 'zeros' }
  | { readonly kind: 'ones' }
  /** Each row of the outermost extent has one value. */
  | { readonly kind: 'rows'; readonly values: readonly number[] }
  /** Normal with deviation sqrt(2 / fanIn): He et al. 2015, for ReLU. */
  | { readonly kind: 'he'; readonly fanIn: number };

/** A parameter of a network under its PyTorch-like name. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  readonly init: Initialisation;
  /** False for a bias that batch norm cancels: its gradient is exactly zero. */
  readonly requiresGrad: boolean;
}

/** Settings of {@link unetConfig}. */
export interface UNetWidths {
  readonly inChannels: number;
  /** Channels of the finest level; each further level has twice as many. */
  readonly baseChannels: number;
  readonly levels: number;
  readonly heads: readonly HeadConfig[];
  readonly crossStitch?: boolean;
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
  const width = (level: number): number => baseChannels * 2 ** level;
  const widths = (count: number): BlockWidths[] =>
    Array.from({ length: count }, (_, level) => [width(level), width(level)]);
  return {
    inChannels,
    encoder: widths(levels),
    up: Array.from({ length: levels - 1 }, (_, level) => width(level)),
    decoder: widths(levels - 1),
    heads,
    ...(crossStitch ? { crossStitch } : {}),
  };
}

/** The widths of Çiçek et al. 2016, figure 2: 19,069,955 parameters as they count (see {@link countParameters}). */
export function cicekConfig(inChannels: number, heads: readonly HeadConfig[]): UNetConfig {
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

/** Extents of a patch must be multiples of this, so that every pooling halves evenly. */
export function patchMultiple(config: UNetConfig): number {
  return 2 ** (config.encoder.length - 1);
}

/** Every parameter: stream by stream, encoder first, in the order in which forward meets them; then the stitches. */
export function parameterSpecs(config: UNetConfig): ParameterSpec[] {
  const streams = streamsOf(config);
  return [...streams.flatMap((stream) => streamSpecs(config, stream)), ...stitchSpecs(config, streams)];
}

function streamSpecs(config: UNetConfig, { prefix, heads }: Stream): ParameterSpec[] {
  const specs: ParameterSpec[] = [];
  let channels = config.inChannels;
  config.encoder.forEach((widths, level) => {
    specs.push(...blockSpecs(`${prefix}encoder.${level}`, channels, widths));
    channels = widths[1];
  });
  for (let level = config.decoder.length - 1; level >= 0; level--) {
    const name = `${prefix}decoder.${level}`;
    const up = config.up[level]!;
    const skip = config.encoder[level]![1];
    // Each output voxel of a 2x2x2 stride-2 transposed convolution sums over the input channels only.
    specs.push({
      name: `${name}.up.weight`,
      shape: [channels, up, 2, 2, 2],
      init: { kind: 'he', fanIn: channels },
      requiresGrad: true,
    });
    specs.push(...blockSpecs(name, skip + up, config.decoder[level]!));
    channels = config.decoder[level]![1];
  }
  for (const head of heads)
    specs.push(...convSpecs(`${prefix}heads.${head.name}`, channels, head.classes, 1, true));
  return specs;
}

/** Name of the weights by which a head's stream blends the block at a place such as `encoder.0`. */
export function stitchName(place: string, { heads }: Stream): string {
  return `stitch.${place}.${heads[0]!.name}.weight`;
}

function stitchSpecs(config: UNetConfig, streams: readonly Stream[]): ParameterSpec[] {
  if (!config.crossStitch) return [];
  const places = [
    ...config.encoder.map((widths, level) => [`encoder.${level}`, widths[1]] as const),
    ...config.decoder.map((widths, level) => [`decoder.${level}`, widths[1]] as const),
  ];
  return places.flatMap(([place, channels]) =>
    streams.map((stream) => ({
      name: stitchName(place, stream),
      shape: [2, channels],
      init: { kind: 'rows', values: STITCH_START },
      requiresGrad: true,
    })),
  );
}

/** Running statistics of the batch norms: state, not parameters. */
export function stateSpecs(config: UNetConfig): ParameterSpec[] {
  return parameterSpecs(config)
    .filter((spec) => /\.norm\d\.weight$/.test(spec.name))
    .flatMap(({ name, shape }) => {
      const norm = name.replace(/weight$/, '');
      return [
        { name: `${norm}running_mean`, shape, init: { kind: 'zeros' }, requiresGrad: false },
        { name: `${norm}running_var`, shape, init: { kind: 'ones' }, requiresGrad: false },
      ] satisfies ParameterSpec[];
    });
}

function blockSpecs(name: string, inChannels: number, [first, second]: BlockWidths): ParameterSpec[] {
  return [
    ...convSpecs(`${name}.conv1`, inChannels, first, 3, false),
    ...normSpecs(`${name}.norm1`, first),
    ...convSpecs(`${name}.conv2`, first, second, 3, false),
    ...normSpecs(`${name}.norm2`, second),
  ];
}

function convSpecs(
  name: string,
  input: number,
  output: number,
  kernel: number,
  trainBias: boolean,
): ParameterSpec[] {
  return [
    {
      name: `${name}.weight`,
      shape: [output, input, kernel, kernel, kernel],
      init: { kind: 'he', fanIn: input * kernel ** 3 },
      requiresGrad: true,
    },
    { name: `${name}.bias`, shape: [output], init: { kind: 'zeros' }, requiresGrad: trainBias },
  ];
}

function normSpecs(name: string, channels: number): ParameterSpec[] {
  return [
    { name: `${name}.weight`, shape: [channels], init: { kind: 'ones' }, requiresGrad: true },
    { name: `${name}.bias`, shape: [channels], init: { kind: 'zeros' }, requiresGrad: true },
  ];
}

/** How many numbers a network learns. */
export interface ParameterCount {
  /** Everything the optimizer holds: convolutions with their biases, batch norm's scales and shifts, stitches. */
  readonly total: number;
  /** As Çiçek et al. count: convolutions and heads with their biases, transposed convolutions, nothing else. */
  readonly convolutions: number;
}

/** Counts the parameters of a network. */
export function countParameters(config: UNetConfig): ParameterCount {
  let total = 0;
  let convolutions = 0;
  for (const { name, shape } of parameterSpecs(config)) {
    total += sizeOf(shape);
    if (!/\.norm\d\.|^stitch\./.test(name)) convolutions += sizeOf(shape);
  }
  return { total, convolutions };
}
