import { sizeOf } from '../../src/core/shape.ts';
import type { Conv3dAttributes } from '../../src/engine/ops/conv3d.ts';
import type { PerAxis } from '../../src/engine/tape/check.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

interface Setting {
  readonly samples?: number;
  /** Channels of each source. */
  readonly from: readonly number[];
  readonly to: number;
  readonly extents: readonly [number, number, number];
  /** Extents of the kernel (default 3). */
  readonly k?: PerAxis;
  readonly stride?: PerAxis;
  /** Default: what keeps the extents. */
  readonly padding?: PerAxis | 'same';
  readonly dilation?: PerAxis;
  readonly bias?: boolean;
}

/** A case with seeded inputs; weights scaled so that outputs are near 1. */
export function conv3dCase(name: string, setting: Setting, seed: number): OpCase<Conv3dAttributes> {
  const { samples = 1, from, to, extents, k = 3, stride = 1, dilation = 1, bias = true } = setting;
  const kernel = typeof k === 'number' ? [k, k, k] : k;
  const { padding = typeof k === 'number' ? (k - 1) / 2 : 'same' } = setting;
  const cin = from.reduce((a, b) => a + b, 0);
  const inputs = from.map((channels, i) => normal([samples, channels, ...extents], seed + i));
  inputs.push(normal([to, cin, ...kernel], seed + 10, 1 / Math.sqrt(cin * sizeOf(kernel))));
  if (bias) inputs.push(normal([to], seed + 11));
  return { name, inputs, attributes: { stride, padding, dilation, sources: from.length, bias } };
}

export const conv3dCases: readonly OpCase<Conv3dAttributes>[] = [
  conv3dCase('one channel, odd extents', { from: [1], to: 1, extents: [3, 5, 7] }, 100),
  conv3dCase('extents of 1 and 2', { from: [2], to: 3, extents: [1, 2, 1], bias: false }, 120),
  conv3dCase('channels no tile divides, batch 2', { samples: 2, from: [3], to: 5, extents: [4, 6, 5] }, 140),
  conv3dCase('9 to 17 channels', { from: [9], to: 17, extents: [5, 9, 11] }, 160),
  conv3dCase('full tiles, batch 2', { samples: 2, from: [8], to: 16, extents: [4, 8, 16] }, 180),
  conv3dCase('8 to 8 channels', { samples: 2, from: [8], to: 8, extents: [8, 8, 8] }, 200),
  conv3dCase('40 input channels, no bias', { from: [40], to: 20, extents: [4, 5, 9], bias: false }, 220),
  conv3dCase('130 input channels', { from: [130], to: 9, extents: [4, 4, 4] }, 230),
  conv3dCase('rows longer than a tile, batch 2', { samples: 2, from: [3], to: 9, extents: [5, 6, 37] }, 235),
  conv3dCase('two sources, batch 2', { samples: 2, from: [6, 5], to: 7, extents: [3, 6, 5] }, 240),
  conv3dCase('two wide sources', { from: [16, 16], to: 16, extents: [4, 8, 8], bias: false }, 260),
  conv3dCase(
    'two sources in rows longer than a tile, batch 3',
    { samples: 3, from: [5, 3], to: 9, extents: [5, 3, 37] },
    270,
  ),
  conv3dCase('two sources too wide for one cache', { from: [130, 20], to: 3, extents: [3, 4, 5] }, 275),
  conv3dCase('blocks of channels in many tiles', { samples: 3, from: [2], to: 34, extents: [5, 9, 9] }, 276),
  conv3dCase('blocks of channels in few tiles', { from: [3], to: 40, extents: [5, 9, 9] }, 278),
  conv3dCase('stride 2, odd extents', { samples: 2, from: [3], to: 6, extents: [5, 7, 9], stride: 2 }, 280),
  conv3dCase('stride 2, even extents', { from: [2], to: 4, extents: [4, 6, 8], stride: 2, bias: false }, 300),
  conv3dCase(
    'stride 2 without padding',
    { from: [5], to: 3, extents: [5, 6, 7], stride: 2, padding: 0 },
    320,
  ),
  conv3dCase('no padding', { samples: 2, from: [4], to: 9, extents: [5, 6, 7], padding: 0 }, 340),
  conv3dCase('no padding, two sources', { from: [1, 2], to: 3, extents: [3, 5, 6], padding: 0 }, 350),
  conv3dCase('kernel 1', { samples: 2, from: [16], to: 2, extents: [5, 6, 7], k: 1 }, 360),
  conv3dCase('kernel 1, many channels', { from: [17], to: 33, extents: [3, 4, 9], k: 1, bias: false }, 380),
  conv3dCase('kernel 1, stride 2', { from: [3], to: 4, extents: [4, 5, 7], k: 1, stride: 2 }, 400),
  conv3dCase('kernel 1, two sources', { samples: 2, from: [2, 3], to: 4, extents: [2, 3, 5], k: 1 }, 420),
  conv3dCase('four sources', { samples: 2, from: [3, 1, 5, 2], to: 6, extents: [3, 4, 9] }, 430),
  conv3dCase('kernel 1x3x3', { samples: 2, from: [3], to: 6, extents: [3, 5, 9], k: [1, 3, 3] }, 1000),
  conv3dCase(
    'kernel 1x3x3, stride 1x2x2',
    { samples: 2, from: [3], to: 5, extents: [3, 6, 9], k: [1, 3, 3], stride: [1, 2, 2], padding: [0, 1, 1] },
    1020,
  ),
  conv3dCase(
    'kernel 3x1x5, stride 2x1x2, two sources',
    { from: [2, 3], to: 4, extents: [5, 4, 11], k: [3, 1, 5], stride: [2, 1, 2], padding: [1, 0, 2] },
    1040,
  ),
  conv3dCase(
    'kernel 2, stride 2',
    { from: [3], to: 4, extents: [5, 4, 6], k: 2, stride: 2, padding: 0 },
    1060,
  ),
  conv3dCase('kernel 2, same', { from: [2], to: 3, extents: [3, 4, 5], k: 2, padding: 'same' }, 1080),
  conv3dCase(
    'kernel 4, stride 2',
    { from: [2], to: 3, extents: [6, 5, 8], k: 4, stride: 2, padding: 1 },
    1100,
  ),
  conv3dCase('kernel 5', { samples: 2, from: [3], to: 5, extents: [5, 6, 9], k: 5 }, 1120),
  conv3dCase('kernel 5, stride 2', { from: [2], to: 3, extents: [9, 7, 12], k: 5, stride: 2 }, 1140),
  conv3dCase('kernel 1x1x5', { from: [9], to: 18, extents: [2, 3, 19], k: [1, 1, 5] }, 1160),
  conv3dCase('kernel 3, padding 2', { from: [3], to: 4, extents: [3, 4, 5], padding: 2 }, 1180),
  conv3dCase('kernel 3, padding 5x1x4', { from: [3], to: 2, extents: [3, 2, 5], padding: [5, 1, 4] }, 1190),
  conv3dCase('kernel 1, padding 1', { from: [3], to: 4, extents: [3, 2, 5], k: 1, padding: 1 }, 1200),
  conv3dCase(
    'dilation 2',
    { samples: 2, from: [5], to: 9, extents: [5, 9, 18], dilation: 2, padding: 'same' },
    1220,
  ),
  conv3dCase(
    'dilation 3 without padding',
    { from: [2], to: 3, extents: [7, 8, 9], dilation: 3, padding: 0 },
    1240,
  ),
  conv3dCase('dilation 4', { from: [8], to: 8, extents: [9, 10, 11], dilation: 4, padding: 4 }, 1260),
  conv3dCase('dilation 16', { from: [5], to: 5, extents: [17, 3, 35], dilation: 16, padding: 'same' }, 1280),
  conv3dCase(
    'dilation 1x2x3, stride 2x1x2',
    { samples: 2, from: [3], to: 4, extents: [5, 7, 13], dilation: [1, 2, 3], stride: [2, 1, 2] },
    1300,
  ),
  conv3dCase(
    'dilation 2, stride 2',
    { from: [3], to: 4, extents: [7, 8, 9], dilation: 2, stride: 2, padding: [2, 1, 3] },
    1320,
  ),
  conv3dCase(
    'dilation 4 along x of kernel 2x1x5, stride 2',
    {
      from: [3],
      to: 4,
      extents: [7, 4, 25],
      k: [2, 1, 5],
      dilation: [1, 3, 4],
      stride: 2,
      padding: [0, 0, 7],
    },
    1340,
  ),
];

const plain: Conv3dAttributes = { stride: 1, padding: 1, sources: 1, bias: false };

const three = [
  [1, 2, 4, 4, 4],
  [3, 2, 3, 3, 3],
];

export const conv3dBadCases: readonly BadCase<Conv3dAttributes>[] = [
  {
    name: 'a missing weight',
    shapes: [[1, 2, 4, 4, 4]],
    attributes: plain,
    message: /conv3d: takes 2 inputs; got 1x2x4x4x4/,
  },
  {
    name: 'a missing bias',
    shapes: [
      [1, 2, 4, 4, 4],
      [3, 2, 3, 3, 3],
    ],
    attributes: { ...plain, bias: true },
    message: /conv3d: takes 3 inputs/,
  },
  {
    name: 'an input of rank 4',
    shapes: [
      [2, 4, 4, 4],
      [3, 2, 3, 3, 3],
    ],
    attributes: plain,
    message: /conv3d: an activation is \[batch, channels, depth, height, width\].*2x4x4x4, 3x2x3x3x3/,
  },
  {
    name: 'sources of different extents',
    shapes: [
      [1, 2, 4, 4, 4],
      [1, 2, 4, 4, 5],
      [3, 4, 3, 3, 3],
    ],
    attributes: { ...plain, sources: 2 },
    message: /conv3d: all sources have the same batch and extents; got 1x2x4x4x4, 1x2x4x4x5/,
  },
  {
    name: 'a weight for other channels',
    shapes: [
      [1, 2, 4, 4, 4],
      [3, 4, 3, 3, 3],
    ],
    attributes: plain,
    message: /conv3d: weight is \[out, in, kz, ky, kx\] with in = 2, the channels of the input; got/,
  },
  {
    name: 'kernel 6',
    shapes: [
      [1, 2, 8, 8, 8],
      [3, 2, 1, 6, 1],
    ],
    attributes: plain,
    message: /conv3d: the weight is \[out, in, kz, ky, kx\] with 1 to 5 taps along each axis; got/,
  },
  {
    name: 'a weight of two dimensions',
    shapes: [
      [1, 2, 4, 4, 4],
      [3, 2],
    ],
    attributes: {},
    message: /conv3d: the weight is \[out, in, kz, ky, kx\]/,
  },
  {
    name: 'stride 3',
    shapes: three,
    attributes: { stride: [1, 2, 3] },
    message: /conv3d: stride is a whole number from 1 to 2, or \[z, y, x\] of such \(here \[1,2,3\]\); got/,
  },
  {
    name: 'dilation 0',
    shapes: three,
    attributes: { dilation: 0 },
    message: /conv3d: dilation is a whole number from 1 to 64, or \[z, y, x\] of such \(here 0\)/,
  },
  {
    name: 'padding below 0',
    shapes: three,
    attributes: { padding: -1 },
    message: /conv3d: padding is a whole number of at least 0, or \[z, y, x\] of such \(here -1\)/,
  },
  {
    name: "padding 'same' with stride 2",
    shapes: three,
    attributes: { padding: 'same', stride: 2 },
    message: /conv3d: padding is 'same' with stride 1 only; give numbers, such as 1 for kernel 3/,
  },
  {
    name: 'no source',
    shapes: three,
    attributes: { sources: 0 },
    message: /conv3d: sources is the number of inputs to convolve, at least 1 \(here 0\)/,
  },
  {
    name: 'fewer inputs than sources',
    shapes: three,
    attributes: { sources: 3, bias: true },
    message: /conv3d: takes 5 inputs; got 1x2x4x4x4, 3x2x3x3x3/,
  },
  {
    name: 'a bias of another size',
    shapes: [[1, 2, 4, 4, 4], [3, 2, 3, 3, 3], [4]],
    attributes: { ...plain, bias: true },
    message: /conv3d: bias is \[3\], one value per output channel/,
  },
  {
    name: 'extents below the dilated kernel',
    shapes: three,
    attributes: { dilation: 2 },
    message: /conv3d: padded extents are at least the kernel's, its dilation counted in/,
  },
  {
    name: 'extents below the kernel',
    shapes: [
      [1, 2, 4, 2, 4],
      [3, 2, 3, 3, 3],
    ],
    attributes: { ...plain, padding: 0 },
    message: /conv3d: padded extents are at least the kernel's/,
  },
];
