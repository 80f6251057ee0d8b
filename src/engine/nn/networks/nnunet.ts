import { z } from 'zod/mini';
import { UsageError } from '../../../core/errors.ts';
import type { Triple } from '../../../core/shape.ts';
import { add } from '../../ops/add.ts';
import { relu as reluOp } from '../../ops/relu.ts';
import type { Tensor } from '../../tape/tensor.ts';
import { he, zeros } from '../init.ts';
import type { DesignRequest, NetworkKind } from '../kind.ts';
import { applied } from '../layer.ts';
import { averagePool3d, conv3d, convTranspose3d, instanceNorm } from '../layers/index.ts';
import type { Head } from '../network.ts';
import type { Scope } from '../scope.ts';

/**
 * nnU-Net's 3D networks (Isensee 2021), as the library dynamic-network-architectures builds them for nnU-Net v2:
 * convolutions with bias, instance norm and leaky ReLU; a strided convolution goes down, a transposed one whose kernel is
 * its stride goes up; kernels and strides differ per axis where slices are thick. The encoder is plain (PlainConvUNet)
 * or of residual blocks (ResidualEncoderUNet, Isensee 2024). Tensors have the library's names.
 */
export interface NnUNetConfig {
  readonly inChannels: number;
  readonly encoder: 'plain' | 'residual';
  /** Channels of each stage, finest first: `features_per_stage`. */
  readonly features: readonly number[];
  /** Taps of a stage's convolutions, [z, y, x], 1 to 5, odd: `kernel_sizes`. */
  readonly kernels: readonly Triple[];
  /** Steps into a stage, 1 or 2 per axis, the first mostly 1: `strides`. */
  readonly strides: readonly Triple[];
  /** Convolutions (residual: blocks) of each stage: `n_conv_per_stage`, `n_blocks_per_stage`. */
  readonly blocks: readonly number[];
  /** Convolutions of each stage of the decoder, coarsest first: `n_conv_per_stage_decoder`. */
  readonly decoderBlocks: readonly number[];
  readonly heads: readonly Head[];
  /** Give outputs at lower resolutions, too, in training. */
  readonly deepSupervision: boolean;
}

/** PyTorch's LeakyReLU. */
const SLOPE = 0.01;
/** Edges of the coarsest stage at the least, and the most channels of 3D networks: nnU-Net's. */
const LEAST_EDGE = 4;
const MOST_FEATURES = 320;
/** nnU-Net's blocks per stage of its residual encoders; the last counts for all further stages. */
const RESIDUAL_BLOCKS = [1, 3, 4, 6, 6, 6] as const;

const features = z.int().check(z.minimum(1), z.maximum(65536));
const blocks = z.int().check(z.minimum(1), z.maximum(64));
const taps = z.int().check(
  z.minimum(1),
  z.maximum(5),
  z.refine((count) => count % 2 === 1, { message: 'a kernel has 1, 3 or 5 taps' }),
);
const step = z.int().check(z.minimum(1), z.maximum(2));
/** One entry per stage. */
const stages = [z.minLength(2), z.maxLength(12)] as const;

const schema: z.ZodMiniType<NnUNetConfig> = z
  .strictObject({
    inChannels: features,
    encoder: z.enum(['plain', 'residual']),
    features: z.array(features).check(...stages),
    kernels: z.array(z.tuple([taps, taps, taps])).check(...stages),
    strides: z.array(z.tuple([step, step, step])).check(...stages),
    blocks: z.array(blocks).check(...stages),
    decoderBlocks: z.array(blocks).check(z.minLength(1), z.maxLength(11)),
    heads: z
      .array(z.strictObject({ name: z.string().check(z.regex(/^\w+$/)), channels: features }))
      .check(z.minLength(1), z.maxLength(16)),
    deepSupervision: z.boolean(),
  })
  .check(
    z.refine(
      ({ features: each, kernels, strides, blocks: counts, decoderBlocks }) =>
        [kernels, strides, counts].every(({ length }) => length === each.length) &&
        decoderBlocks.length === each.length - 1,
      { message: 'features, kernels, strides and blocks have one entry per stage, decoderBlocks one fewer' },
    ),
  );

/** Convolution, instance norm and leaky ReLU: the library's ConvDropoutNormReLU. */
function convBlock(
  scope: Scope,
  inputs: readonly [Tensor, ...Tensor[]],
  width: number,
  how: {
    readonly kernel: Triple;
    readonly stride?: Triple;
    readonly bias?: boolean;
    readonly slope?: number;
  },
): Tensor {
  const { slope, bias = true, ...options } = how;
  // The norm takes away what a bias adds.
  const convolution = conv3d(width, { ...options, slope: SLOPE, bias: bias ? 'frozen' : false });
  const convolved = scope.in('conv', (inner) => convolution.forward(inner, ...inputs));
  return applied(scope, 'norm', instanceNorm(slope === undefined ? {} : { slope }), convolved);
}

/** Convolutions one after the other, the first with the stride: the library's StackedConvBlocks. */
function stacked(
  scope: Scope,
  inputs: readonly [Tensor, ...Tensor[]],
  count: number,
  width: number,
  kernel: Triple,
  stride: Triple = [1, 1, 1],
): Tensor {
  let x = inputs;
  for (let i = 0; i < count; i++) {
    const how = { kernel, slope: SLOPE, ...(i === 0 ? { stride } : {}) };
    x = [scope.in(`convs.${i}`, (inner) => convBlock(inner, x, width, how))];
  }
  return x[0];
}

/**
 * Two convolutions beside a shortcut, added before the last rectifier: the library's BasicBlockD (He et al. 2019). The
 * shortcut pools where the block strides, and projects where it changes the channels.
 */
function residualBlock(scope: Scope, input: Tensor, width: number, kernel: Triple, stride: Triple): Tensor {
  const first = scope.in('conv1', (at) => convBlock(at, [input], width, { kernel, stride, slope: SLOPE }));
  const second = scope.in('conv2', (at) => convBlock(at, [first], width, { kernel }));
  let shortcut = input;
  const strides = stride.some((step) => step > 1);
  if (strides) shortcut = averagePool3d({ kernel: stride }).forward(scope, shortcut);
  if (input.shape[1] !== width)
    // The pooling has no tensors, but takes the first place in the library's list.
    shortcut = scope.in(`skip.${strides ? 1 : 0}`, (at) =>
      convBlock(at, [shortcut], width, { kernel: [1, 1, 1], bias: false }),
    );
  return scope.apply(reluOp, [scope.apply(add, [second, shortcut], {})], { slope: SLOPE });
}

/** The outputs of all stages, finest first. */
function encode(scope: Scope, input: Tensor, config: NnUNetConfig): readonly Tensor[] {
  const { features: widths, kernels, strides, blocks: counts } = config;
  if (config.encoder === 'plain') {
    let x = input;
    return widths.map((width, s) => {
      // A stage is a Sequential of one.
      x = scope.in(`stages.${s}.0`, (at) => stacked(at, [x], counts[s]!, width, kernels[s]!, strides[s]!));
      return x;
    });
  }
  let x = scope.in('stem', (at) => stacked(at, [input], 1, widths[0]!, kernels[0]!));
  return widths.map((width, s) => {
    for (let b = 0; b < counts[s]!; b++) {
      const stride: Triple = b === 0 ? strides[s]! : [1, 1, 1];
      x = scope.in(`stages.${s}.blocks.${b}`, (at) => residualBlock(at, x, width, kernels[s]!, stride));
    }
    return x;
  });
}

/** Names of a head's output layers: the library's where there is one head. */
function segLayers(heads: readonly Head[], head: Head): string {
  return heads.length === 1 ? 'seg_layers' : `seg_layers.${head.name}`;
}

/** The library has output layers at every stage, whether they are used or not; so have its checkpoints. */
function unusedHead(scope: Scope, channels: number, inputs: number): void {
  scope.parameter('weight', [channels, inputs, 1, 1, 1], he(inputs));
  scope.parameter('bias', [channels], zeros);
}

function forward(scope: Scope, input: Tensor, config: NnUNetConfig): Map<string, readonly Tensor[]> {
  const { features: widths, kernels, strides, decoderBlocks, heads, deepSupervision } = config;
  const skips = scope.in('encoder', (at) => encode(at, input, config));
  const outputs = new Map<string, Tensor[]>(heads.map(({ name }) => [name, []]));
  let x = skips.at(-1)!;
  scope.in('decoder', (decoder) => {
    for (let s = 0; s < decoderBlocks.length; s++) {
      const to = widths.length - 2 - s;
      const up = convTranspose3d(widths[to]!, { stride: strides[to + 1]! });
      const wide = applied(decoder, `transpconvs.${s}`, up, x);
      x = decoder.in(`stages.${s}`, (at) =>
        stacked(at, [wide, skips[to]!], decoderBlocks[s]!, widths[to]!, kernels[to]!),
      );
      const last = to === 0;
      for (const head of heads) {
        const name = `${segLayers(heads, head)}.${s}`;
        if (last || (deepSupervision && scope.mode === 'train')) {
          const layer = conv3d(head.channels, { kernel: 1, stored: 'f32' });
          outputs.get(head.name)!.unshift(applied(decoder, name, layer, x));
        } else decoder.in(name, (at) => unusedHead(at, head.channels, widths[to]!));
      }
    }
  });
  return outputs;
}

/**
 * nnU-Net's rules for the steps into each stage and its kernels (`get_pool_and_conv_props`). An axis is halved while its
 * edge is at least twice 4 voxels (where it is the only one: thrice) and its voxels are less than twice as long as the
 * shortest of such axes. A kernel has one tap along an axis until its voxels are less than twice as long as the shortest;
 * the coarsest stage has 3 along each. nnU-Net pads patches so that they divide; here an odd edge is not halved.
 */
function designStages({ levels, patch, spacing = [1, 1, 1] }: DesignRequest): {
  readonly kernels: Triple[];
  readonly strides: Triple[];
} {
  const size = [...patch];
  const mm = [...spacing];
  const kernel: [number, number, number] = [1, 1, 1];
  const kernels: Triple[] = [];
  const strides: Triple[] = [[1, 1, 1]];
  while (strides.length < levels) {
    const large = [0, 1, 2].filter((axis) => size[axis]! >= 2 * LEAST_EDGE && size[axis]! % 2 === 0);
    const shortest = Math.min(...large.map((axis) => mm[axis]!));
    const halved = large.filter((axis) => mm[axis]! / shortest < 2);
    if (halved.length === 0 || (halved.length === 1 && size[halved[0]!]! < 3 * LEAST_EDGE)) break;
    const thinnest = Math.min(...mm);
    for (const axis of [0, 1, 2] as const) if (mm[axis]! / thinnest < 2) kernel[axis] = 3;
    kernels.push([...kernel]);
    const stride: [number, number, number] = [1, 1, 1];
    for (const axis of halved) {
      stride[axis as 0 | 1 | 2] = 2;
      size[axis]! /= 2;
      mm[axis]! *= 2;
    }
    strides.push(stride);
  }
  kernels.push([3, 3, 3]);
  return { kernels, strides };
}

/** nnU-Net's networks, plain and residual. */
export const nnunet: NetworkKind<NnUNetConfig> = {
  kind: 'nnunet',
  title: 'nnU-Net v2: instance norm, leaky ReLU, kernels and strides per axis, plain or residual encoder',
  schema,
  inChannels: ({ inChannels }) => inChannels,
  heads: ({ heads }) => heads,
  patchMultiple({ strides }) {
    const along = (axis: 0 | 1 | 2): number => strides.reduce((product, stride) => product * stride[axis], 1);
    return [along(0), along(1), along(2)];
  },
  design(request, { encoder = 'plain', features: given }) {
    const { inChannels, heads, baseChannels } = request;
    const { kernels, strides } = designStages(request);
    if (strides.length < 2)
      throw new UsageError(`network nnunet: a patch of ${request.patch.join('x')} cannot be halved`, {
        hint: `An edge is halved while it is even and at least ${2 * LEAST_EDGE} voxels.`,
      });
    const widths = given ?? strides.map((_, s) => Math.min(MOST_FEATURES, baseChannels * 2 ** s));
    const residual = encoder === 'residual';
    return {
      inChannels,
      encoder,
      features: widths,
      kernels,
      strides,
      blocks: strides.map((_, s) => (residual ? (RESIDUAL_BLOCKS[s] ?? RESIDUAL_BLOCKS.at(-1)!) : 2)),
      decoderBlocks: strides.slice(1).map(() => (residual ? 1 : 2)),
      heads,
      deepSupervision: true,
    };
  },
  forward,
};
