import type { Shape } from '../../src/core/shape.ts';
import type { ConvTranspose3dAttributes } from '../../src/engine/ops/conv-transpose3d.ts';
import type { PerAxis } from '../../src/engine/tape/check.ts';
import type { BadCase, OpCase } from '../support/describe-op.ts';
import { type Nd, normal } from '../support/nd.ts';

/** `k` 2 with padding 0 and `k` 3 with padding 1 and output padding 1 double the extents. */
function doubling(k: 2 | 3, bias = false): ConvTranspose3dAttributes {
  return { stride: 2, padding: k - 2, outputPadding: k - 2, bias };
}

function inputsOf(input: Shape, outChannels: number, k: PerAxis, seed: number, bias = false): Nd[] {
  const kernel = typeof k === 'number' ? [k, k, k] : k;
  const weight = normal([input[1]!, outChannels, ...kernel], seed + 50, 0.5);
  return [normal(input, seed), weight, ...(bias ? [normal([outChannels], seed + 99)] : [])];
}

export const convTranspose3dCases: readonly OpCase<ConvTranspose3dAttributes>[] = [
  {
    name: 'k 2, one channel, odd extents',
    inputs: inputsOf([1, 1, 3, 5, 7], 1, 2, 1),
    attributes: doubling(2),
  },
  {
    name: 'k 2, bias, batch 2',
    inputs: inputsOf([2, 3, 2, 3, 2], 5, 2, 2, true),
    attributes: doubling(2, true),
  },
  { name: 'k 2, rows of tiles', inputs: inputsOf([1, 2, 2, 1, 16], 3, 2, 3), attributes: doubling(2) },
  { name: 'k 2, no tile divides', inputs: inputsOf([2, 11, 3, 4, 9], 13, 2, 4), attributes: doubling(2) },
  { name: 'k 2, 16 to 8', inputs: inputsOf([2, 16, 4, 4, 8], 8, 2, 5), attributes: doubling(2) },
  {
    name: 'k 2, 40 to 20',
    inputs: inputsOf([1, 40, 3, 2, 5], 20, 2, 6, true),
    attributes: doubling(2, true),
  },
  { name: 'k 2, 264 to 9', inputs: inputsOf([1, 264, 2, 2, 3], 9, 2, 7), attributes: doubling(2) },
  { name: 'k 2, 9 to 264', inputs: inputsOf([2, 9, 2, 2, 3], 264, 2, 8), attributes: doubling(2) },
  {
    name: 'k 2, several partial sums',
    inputs: inputsOf([2, 2, 17, 18, 19], 2, 2, 9),
    attributes: doubling(2),
  },
  {
    name: 'k 2, tiles over the ends of even rows, 40 to 20',
    inputs: inputsOf([2, 40, 2, 7, 6], 20, 2, 18),
    attributes: doubling(2),
  },
  {
    name: 'k 2, partial sums that end within even rows',
    inputs: inputsOf([1, 18, 9, 13, 10], 9, 2, 19, true),
    attributes: doubling(2, true),
  },
  {
    name: 'k 2, panels of an odd number of channels',
    inputs: inputsOf([1, 515, 1, 2, 2], 3, 2, 20, true),
    attributes: doubling(2, true),
  },
  {
    name: 'k 2, padding and output padding',
    inputs: inputsOf([1, 3, 2, 3, 4], 2, 2, 10),
    attributes: { stride: 2, padding: 1, outputPadding: 1, bias: false },
  },
  {
    name: 'k 2, output padding',
    inputs: inputsOf([1, 2, 1, 2, 3], 3, 2, 11, true),
    attributes: { stride: 2, padding: 0, outputPadding: 1, bias: true },
  },
  { name: 'k 3, one channel', inputs: inputsOf([1, 1, 2, 3, 4], 1, 3, 12), attributes: doubling(3) },
  {
    name: 'k 3, bias, batch 2',
    inputs: inputsOf([2, 3, 3, 2, 5], 5, 3, 13, true),
    attributes: doubling(3, true),
  },
  {
    name: 'k 3, several partial sums',
    inputs: inputsOf([1, 3, 15, 17, 19], 2, 3, 14),
    attributes: doubling(3),
  },
  {
    name: 'k 3, no padding',
    inputs: inputsOf([1, 2, 3, 1, 4], 3, 3, 15),
    attributes: { stride: 2, padding: 0, outputPadding: 0, bias: false },
  },
  {
    name: 'k 3, padding without output padding',
    inputs: inputsOf([1, 2, 1, 2, 4], 3, 3, 16),
    attributes: { stride: 2, padding: 1, outputPadding: 0, bias: false },
  },
  {
    name: 'k 3, output padding without padding',
    inputs: inputsOf([2, 1, 2, 2, 3], 2, 3, 17),
    attributes: { stride: 2, padding: 0, outputPadding: 1, bias: false },
  },
  {
    name: 'k 1x2x2',
    inputs: inputsOf([2, 5, 3, 4, 9], 6, [1, 2, 2], 21),
    attributes: { stride: [1, 2, 2] },
  },
  {
    name: 'k 1x2x2, bias, 18 to 9',
    inputs: inputsOf([2, 18, 5, 7, 6], 9, [1, 2, 2], 22, true),
    attributes: { stride: [1, 2, 2], bias: true },
  },
  {
    name: 'k 2x1x1, several partial sums',
    inputs: inputsOf([1, 3, 16, 17, 18], 2, [2, 1, 1], 23, true),
    attributes: { stride: [2, 1, 1] },
  },
  {
    name: 'k 2x2x1, output padding',
    inputs: inputsOf([1, 4, 3, 2, 5], 3, [2, 2, 1], 24),
    attributes: { stride: [2, 2, 1], outputPadding: [1, 0, 0] },
  },
  { name: 'k 1', inputs: inputsOf([2, 3, 2, 3, 4], 5, 1, 25), attributes: {} },
  {
    name: 'k 1x3x3, padding',
    inputs: inputsOf([2, 3, 2, 3, 4], 5, [1, 3, 3], 26, true),
    attributes: { stride: [1, 2, 2], padding: [0, 1, 1], outputPadding: [0, 1, 1] },
  },
  {
    name: 'k 3x2x1, padding 1x0x0',
    inputs: inputsOf([2, 3, 2, 3, 4], 5, [3, 2, 1], 27),
    attributes: { stride: [1, 2, 1], padding: [1, 0, 0] },
  },
];

const INPUT: Shape = [1, 4, 3, 3, 3];

export const convTranspose3dBadCases: readonly BadCase<ConvTranspose3dAttributes>[] = [
  {
    name: 'a missing weight',
    shapes: [INPUT],
    attributes: doubling(2),
    message: /conv-transpose3d: takes 2 inputs; got 1x4x3x3x3/,
  },
  {
    name: 'an input of rank 4',
    shapes: [
      [4, 3, 3, 3],
      [4, 2, 2, 2, 2],
    ],
    attributes: doubling(2),
    message: /conv-transpose3d: an activation is .*; got 4x3x3x3, 4x2x2x2x2/,
  },
  {
    name: 'a kernel of 4',
    shapes: [INPUT, [4, 2, 4, 4, 4]],
    attributes: doubling(2),
    message:
      /conv-transpose3d: the kernel has as many taps as the stride, or 3, along each axis \(here stride 2x2x2\); got 1x4x3x3x3, 4x2x4x4x4/,
  },
  {
    name: 'a flat kernel with stride 2',
    shapes: [INPUT, [4, 2, 2, 2, 1]],
    attributes: doubling(2),
    message: /conv-transpose3d: the kernel has as many taps as the stride/,
  },
  {
    name: 'a weight with output channels first',
    shapes: [INPUT, [2, 4, 2, 2, 2]],
    attributes: doubling(2),
    message: /conv-transpose3d: weight is \[in, out, kz, ky, kx\] with in = 4.*; got 1x4x3x3x3, 2x4x2x2x2/,
  },
  {
    name: 'a bias of input channels',
    shapes: [INPUT, [4, 2, 2, 2, 2], [4]],
    attributes: doubling(2, true),
    message: /conv-transpose3d: bias is \[2\]/,
  },
  {
    name: 'padding 2',
    shapes: [INPUT, [4, 2, 3, 3, 3]],
    attributes: { stride: 2, padding: 2, outputPadding: 0, bias: false },
    message: /conv-transpose3d: padding is a whole number from 0 to 1, or \[z, y, x\] of such \(here 2\)/,
  },
  {
    name: 'output padding 2',
    shapes: [INPUT, [4, 2, 3, 3, 3]],
    attributes: { stride: 2, padding: 0, outputPadding: 2, bias: false },
    message: /conv-transpose3d: outputPadding is a whole number from 0 to 1, .* \(here 2\)/,
  },
  {
    name: 'padding that leaves nothing',
    shapes: [
      [1, 4, 1, 3, 3],
      [4, 2, 2, 2, 2],
    ],
    attributes: { stride: 2, padding: 1, outputPadding: 0, bias: false },
    message: /conv-transpose3d: the padding leaves at least one output/,
  },
  {
    name: 'a kernel of 2 without a stride',
    shapes: [INPUT, [4, 2, 2, 2, 2]],
    attributes: {},
    message: /conv-transpose3d: the kernel has as many taps as the stride, .* \(here stride 1x1x1\)/,
  },
  {
    name: 'output padding along an axis of stride 1',
    shapes: [INPUT, [4, 2, 1, 2, 2]],
    attributes: { stride: [1, 2, 2], outputPadding: 1 },
    message: /conv-transpose3d: outputPadding is less than the stride/,
  },
];
