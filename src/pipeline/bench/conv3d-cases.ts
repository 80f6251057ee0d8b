import { ceilDiv, type Shape, sizeOf, type Triple, toTriple } from '../../core/shape.ts';
import { conv3d } from '../../engine/ops/conv3d.ts';
import type { Tape } from '../../engine/tape/tape.ts';
import { type Tensor, tensor } from '../../engine/tape/tensor.ts';
import { cutSection, noiseOf } from '../../engine/tune/isolated.ts';
import { type BenchCase, bytesOf, type CaseRecording, describeExtents } from './cases.ts';

/** A convolution of one or two sources whose padding keeps the extents, up to the stride. */
export interface ConvShape {
  readonly samples: number;
  readonly from: readonly number[];
  readonly to: number;
  /** Of the input. */
  readonly extents: Triple;
  /** Odd along each axis (default 3). */
  readonly kernel?: Triple;
  /** Default 1. */
  readonly stride?: Triple;
  /** Default 1. */
  readonly dilation?: Triple;
}

export const CONV_PARTS = ['forward', 'backward_input', 'backward_weight'] as const;
export type ConvPart = (typeof CONV_PARTS)[number];

/** Kernel, stride, dilation and padding. */
interface Settings {
  readonly kernel: Triple;
  readonly stride: Triple;
  readonly dilation: Triple;
  readonly padding: Triple;
  /** Of the output. */
  readonly outExtents: Triple;
}

function settingsOf({ extents, ...shape }: ConvShape): Settings {
  const { kernel = toTriple(3), stride = toTriple(1), dilation = toTriple(1) } = shape;
  const axes = (of: (a: number) => number): Triple => [of(0), of(1), of(2)];
  return {
    kernel,
    stride,
    dilation,
    padding: axes((a) => (dilation[a]! * (kernel[a]! - 1)) / 2),
    outExtents: axes((a) => ceilDiv(extents[a]!, stride[a]!)),
  };
}

/** `16+16->16@64x64x64`, and ` k1x3x3 s1x2x2 d2` where kernel, stride or dilation are not the default. */
export function describeConv({ samples, from, to, extents, kernel, stride, dilation }: ConvShape): string {
  const settings = Object.entries({ k: kernel, s: stride, d: dilation }).flatMap(([letter, axes]) =>
    axes ? [` ${letter}${new Set(axes).size === 1 ? axes[0] : axes.join('x')}`] : [],
  );
  return `${from.join('+')}->${to}@${describeExtents(samples, extents)}${settings.join('')}`;
}

/** The cases of one convolution: forward and both gradients. */
export function conv3dCases(shape: ConvShape): BenchCase[] {
  const { samples, from, to, extents } = shape;
  const { kernel, outExtents } = settingsOf(shape);
  const channels = from.reduce((a, b) => a + b, 0);
  const taps = sizeOf(kernel);
  const shapes: Shape[] = [
    [samples, channels, ...extents],
    [to, channels, taps],
    [samples, to, ...outExtents],
  ];
  return CONV_PARTS.map((part) => ({
    kernel: `conv3d/${part}`,
    shape: describeConv(shape),
    bound: 'arithmetic',
    flops: 2 * taps * channels * to * samples * sizeOf(outExtents),
    bytes: bytesOf(...shapes),
    record: (tape) => recordConv(tape, shape, part),
  }));
}

function recordConv(tape: Tape, shape: ConvShape, part: ConvPart): CaseRecording {
  const { samples, from, to, extents } = shape;
  const settings = settingsOf(shape);
  const { kernel, stride, dilation, padding } = settings;
  const channels = from.reduce((a, b) => a + b, 0);
  const gradWeight = tensor('grad weight', [to, channels, ...kernel], 'arena');
  const inputs = from.map((c, i) =>
    tensor(`input ${i}`, [samples, c, ...extents], 'arena', { requiresGrad: part === 'backward_input' }),
  );
  const weight = tensor('weight', gradWeight.shape, 'arena', {
    requiresGrad: part === 'backward_weight',
    ...(part === 'backward_weight' ? { grad: gradWeight } : {}),
  });
  const bias = tensor('bias', [to], 'arena');
  const output = tape.apply(conv3d, [...inputs, weight, bias], {
    stride,
    padding,
    dilation,
    sources: from.length,
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
  const formula = formulas({ inputs, weight, bias, grad }, settings);
  if (part === 'forward') return { section, check: { tensor: output, expected: formula.forward } };
  if (part === 'backward_weight')
    return { section, check: { tensor: gradWeight, expected: formula.backwardWeight } };
  // The last source: its channels do not begin with the weight's.
  return { section, check: { tensor: gradInputs.at(-1)!, expected: formula.backwardLastInput } };
}

/** The plain formulas, element by element. */
function formulas(
  tensors: {
    readonly inputs: readonly Tensor[];
    readonly weight: Tensor;
    readonly bias: Tensor;
    readonly grad: Tensor;
  },
  settings: Settings,
): Readonly<Record<'forward' | 'backwardLastInput' | 'backwardWeight', (index: number) => number>> {
  const sources = tensors.inputs.map((t) => ({ data: noiseOf(t), channels: t.shape[1]! }));
  const [weight, bias, grad] = [tensors.weight, tensors.bias, tensors.grad].map(noiseOf) as [
    Float32Array,
    Float32Array,
    Float32Array,
  ];
  const [to, channels] = tensors.weight.shape as [number, number];
  const samples = tensors.grad.shape[0]!;
  const [, , ...extents] = tensors.inputs[0]!.shape as [number, number, number, number, number];
  const [volume, outVolume, taps] = [extents, settings.outExtents, settings.kernel].map(sizeOf) as [
    number,
    number,
    number,
  ];
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
      const [n, o, at] = split(index, to, outVolume);
      let sum = bias[o]!;
      for (let c = 0; c < channels; c++) {
        const { data, base } = input(n, c);
        for (let t = 0; t < taps; t++) {
          const from = readBy(at, t, settings, extents);
          if (from >= 0) sum += data[base + from]! * weight[(o * channels + c) * taps + t]!;
        }
      }
      return sum;
    },
    backwardLastInput(index) {
      const own = sources.at(-1)!.channels;
      const [n, c, at] = split(index, own, volume);
      let sum = 0;
      for (let o = 0; o < to; o++)
        for (let t = 0; t < taps; t++) {
          const by = readerOf(at, t, settings, extents);
          const tap = (o * channels + channels - own + c) * taps + t;
          if (by >= 0) sum += grad[(n * to + o) * outVolume + by]! * weight[tap]!;
        }
      return sum;
    },
    backwardWeight(index) {
      const t = index % taps;
      const c = Math.floor(index / taps) % channels;
      const o = Math.floor(index / (taps * channels));
      let sum = 0;
      for (let n = 0; n < samples; n++) {
        const { data, base } = input(n, c);
        for (let at = 0; at < outVolume; at++) {
          const from = readBy(at, t, settings, extents);
          if (from >= 0) sum += grad[(n * to + o) * outVolume + at]! * data[base + from]!;
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

/** Place along each axis of a flat index. */
function placeOf(index: number, [, height, width]: Triple): Triple {
  return [Math.floor(index / (width * height)), Math.floor(index / width) % height, index % width];
}

/** Flat index of a place, -1 outside. */
function indexOf(place: readonly number[], extents: Triple): number {
  if (!place.every((at, a) => Number.isInteger(at) && at >= 0 && at < extents[a]!)) return -1;
  return (place[0]! * extents[1] + place[1]!) * extents[2] + place[2]!;
}

/** The input voxel that an output voxel reads by tap t, or -1 in the padding. */
function readBy(
  at: number,
  t: number,
  { kernel, stride, dilation, padding, outExtents }: Settings,
  extents: Triple,
): number {
  const tap = placeOf(t, kernel);
  const place = placeOf(at, outExtents);
  return indexOf(
    place.map((o, a) => o * stride[a]! + tap[a]! * dilation[a]! - padding[a]!),
    extents,
  );
}

/** The output voxel that reads an input voxel by tap t, or -1 where none does. */
function readerOf(
  at: number,
  t: number,
  { kernel, stride, dilation, padding, outExtents }: Settings,
  extents: Triple,
): number {
  const tap = placeOf(t, kernel);
  const place = placeOf(at, extents);
  return indexOf(
    place.map((i, a) => (i + padding[a]! - tap[a]! * dilation[a]!) / stride[a]!),
    outExtents,
  );
}
