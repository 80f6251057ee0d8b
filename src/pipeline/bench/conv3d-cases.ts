import { type Shape, sizeOf } from '../../core/shape.ts';
import { conv3d } from '../../engine/ops/conv3d.ts';
import type { Tape } from '../../engine/tape/tape.ts';
import { type Tensor, tensor } from '../../engine/tape/tensor.ts';
import { cutSection, noiseOf } from '../../engine/tune/isolated.ts';
import { type BenchCase, bytesOf, type CaseRecording, describeExtents } from './cases.ts';

/** A convolution with kernel 3, stride 1, padding 1, of one or two sources. */
export interface ConvShape {
  readonly samples: number;
  readonly from: readonly number[];
  readonly to: number;
  readonly extents: readonly [number, number, number];
}

export const CONV_PARTS = ['forward', 'backward_input', 'backward_weight'] as const;
export type ConvPart = (typeof CONV_PARTS)[number];

const TAPS = 27;

/** The cases of one convolution: forward and both gradients. */
export function conv3dCases(shape: ConvShape): BenchCase[] {
  const { samples, from, to, extents } = shape;
  const channels = from.reduce((a, b) => a + b, 0);
  const volume = sizeOf(extents);
  const shapes: Shape[] = [
    [samples, channels, ...extents],
    [to, channels, TAPS],
    [samples, to, ...extents],
  ];
  return CONV_PARTS.map((part) => ({
    kernel: `conv3d/${part}`,
    shape: `${from.join('+')}->${to}@${describeExtents(samples, extents)}`,
    bound: 'arithmetic',
    flops: 2 * TAPS * channels * to * samples * volume,
    bytes: bytesOf(...shapes),
    record: (tape) => recordConv(tape, shape, part),
  }));
}

function recordConv(tape: Tape, { samples, from, to, extents }: ConvShape, part: ConvPart): CaseRecording {
  const channels = from.reduce((a, b) => a + b, 0);
  const gradWeight = tensor('grad weight', [to, channels, 3, 3, 3], 'arena');
  const inputs = from.map((c, i) =>
    tensor(`input ${i}`, [samples, c, ...extents], 'arena', { requiresGrad: part === 'backward_input' }),
  );
  const weight = tensor('weight', gradWeight.shape, 'arena', {
    requiresGrad: part === 'backward_weight',
    ...(part === 'backward_weight' ? { grad: gradWeight } : {}),
  });
  const bias = tensor('bias', [to], 'arena');
  const output = tape.apply(conv3d, [...inputs, weight, bias], {
    stride: 1,
    padding: 1,
    sources: from.length === 2 ? 2 : 1,
    bias: true,
  });
  const grad = tensor('grad output', output.shape, 'arena');
  let first = 0;
  if (part !== 'forward') {
    first = tape.commands.length;
    tape.backward([{ output, grad }]);
  }
  const end = tape.commands.length;
  const gradInputs = inputs.flatMap((input) => tape.gradient(input) ?? []);
  const shared = [...inputs, weight, bias, output, grad, gradWeight, ...gradInputs];
  const section = cutSection(tape.commands, first, end, shared);
  const formula = formulas({ inputs, weight, bias, grad });
  if (part === 'forward') return { section, check: { tensor: output, expected: formula.forward } };
  if (part === 'backward_weight')
    return { section, check: { tensor: gradWeight, expected: formula.backwardWeight } };
  // The last source: its channels do not begin with the weight's.
  return { section, check: { tensor: gradInputs.at(-1)!, expected: formula.backwardLastInput } };
}

/** The plain formulas, element by element. */
function formulas(tensors: {
  readonly inputs: readonly Tensor[];
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly grad: Tensor;
}): Readonly<Record<'forward' | 'backwardLastInput' | 'backwardWeight', (index: number) => number>> {
  const sources = tensors.inputs.map((t) => ({ data: noiseOf(t), channels: t.shape[1]! }));
  const [weight, bias, grad] = [tensors.weight, tensors.bias, tensors.grad].map(noiseOf) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const [to, channels] = tensors.weight.shape as [number, number];
  const [samples, , ...extents] = tensors.grad.shape as [number, number, number, number, number];
  const volume = sizeOf(extents);
  /** Channel c of all sources in a sample. */
  const input = (n: number, c: number): { data: Float32Array; base: number } => {
    let own = c;
    for (const { data, channels: count } of sources) {
      if (own < count) return { data, base: (n * count + own) * volume };
      own -= count;
    }
    throw new RangeError(`no input channel ${c}`);
  };
  return {
    forward(index) {
      const [n, o, at] = split(index, to, volume);
      let sum = bias[o]!;
      for (let c = 0; c < channels; c++) {
        const { data, base } = input(n, c);
        for (let t = 0; t < TAPS; t++) {
          const from = shifted(at, t, 1, extents);
          if (from >= 0) sum += data[base + from]! * weight[(o * channels + c) * TAPS + t]!;
        }
      }
      return sum;
    },
    backwardLastInput(index) {
      const own = sources.at(-1)!.channels;
      const [n, c, at] = split(index, own, volume);
      let sum = 0;
      for (let o = 0; o < to; o++)
        for (let t = 0; t < TAPS; t++) {
          const from = shifted(at, t, -1, extents);
          const tap = (o * channels + channels - own + c) * TAPS + t;
          if (from >= 0) sum += grad[(n * to + o) * volume + from]! * weight[tap]!;
        }
      return sum;
    },
    backwardWeight(index) {
      const t = index % TAPS;
      const c = Math.floor(index / TAPS) % channels;
      const o = Math.floor(index / (TAPS * channels));
      let sum = 0;
      for (let n = 0; n < samples; n++) {
        const { data, base } = input(n, c);
        for (let at = 0; at < volume; at++) {
          const from = shifted(at, t, 1, extents);
          if (from >= 0) sum += grad[(n * to + o) * volume + at]! * data[base + from]!;
        }
      }
      return sum;
    },
  };
}

/** Sample, channel and voxel of a flat index. */
export function split(index: number, channels: number, volume: number): [number, number, number] {
  const row = Math.floor(index / volume);
  return [Math.floor(row / channels), row % channels, index % volume];
}

/** The voxel that tap t reaches from a voxel (`direction` -1: that reaches it), or -1 in the padding. */
function shifted(at: number, t: number, direction: 1 | -1, extents: readonly number[]): number {
  const [depth, height, width] = extents as [number, number, number];
  const x = (at % width) + direction * ((t % 3) - 1);
  const y = (Math.floor(at / width) % height) + direction * ((Math.floor(t / 3) % 3) - 1);
  const z = Math.floor(at / (width * height)) + direction * (Math.floor(t / 9) - 1);
  const inside = x >= 0 && x < width && y >= 0 && y < height && z >= 0 && z < depth;
  return inside ? (z * height + y) * width + x : -1;
}
