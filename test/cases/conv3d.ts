import type { Conv3dAttributes } from '../../src/engine/ops/conv3d.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { normal } from '../support/nd.ts';

interface Setting {
  readonly samples?: number;
  /** Channels of each source. */
  readonly from: readonly number[];
  readonly to: number;
  readonly extents: readonly [number, number, number];
  readonly k?: 1 | 3;
  readonly stride?: 1 | 2;
  readonly padding?: number;
  readonly bias?: boolean;
}

/** A case with seeded inputs; weights scaled so that outputs are near 1. */
export function conv3dCase(name: string, setting: Setting, seed: number): OpCase<Conv3dAttributes> {
  const {
    samples = 1,
    from,
    to,
    extents,
    k = 3,
    stride = 1,
    padding = k === 3 ? 1 : 0,
    bias = true,
  } = setting;
  const cin = from.reduce((a, b) => a + b, 0);
  const inputs = from.map((channels, i) => normal([samples, channels, ...extents], seed + i));
  inputs.push(normal([to, cin, k, k, k], seed + 10, 1 / Math.sqrt(cin * k ** 3)));
  if (bias) inputs.push(normal([to], seed + 11));
  return { name, inputs, attributes: { stride, padding, sources: from.length === 2 ? 2 : 1, bias } };
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
];

const plain: Conv3dAttributes = { stride: 1, padding: 1, sources: 1, bias: false };

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
    message: /conv3d: both sources have the same batch and extents; got 1x2x4x4x4, 1x2x4x4x5/,
  },
  {
    name: 'a weight for other channels',
    shapes: [
      [1, 2, 4, 4, 4],
      [3, 4, 3, 3, 3],
    ],
    attributes: plain,
    message: /conv3d: weight is \[out, in, k, k, k\] with in = 2, the channels of the input; got/,
  },
  {
    name: 'kernel 2',
    shapes: [
      [1, 2, 4, 4, 4],
      [3, 2, 2, 2, 2],
    ],
    attributes: plain,
    message: /conv3d: the kernel is 1x1x1 or 3x3x3/,
  },
  {
    name: 'padding 1 with kernel 1',
    shapes: [
      [1, 2, 4, 4, 4],
      [3, 2, 1, 1, 1],
    ],
    attributes: plain,
    message: /conv3d: padding is 0 for kernel 1, and 0 or 1 for kernel 3 \(here 1\)/,
  },
  {
    name: 'a bias of another size',
    shapes: [[1, 2, 4, 4, 4], [3, 2, 3, 3, 3], [4]],
    attributes: { ...plain, bias: true },
    message: /conv3d: bias is \[3\], one value an output channel/,
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
