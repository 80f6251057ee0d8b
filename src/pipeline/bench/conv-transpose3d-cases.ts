import { sizeOf } from '../../core/shape.ts';
import { convTranspose3d } from '../../engine/ops/conv-transpose3d.ts';
import type { Tape } from '../../engine/tape/tape.ts';
import { tensor } from '../../engine/tape/tensor.ts';
import { cutSection, noiseOf } from '../../engine/tune/isolated.ts';
import { type BenchCase, bytesOf, type CaseRecording, describeExtents } from './cases.ts';
import { CONV_PARTS, type ConvPart, type ConvShape, split } from './conv3d-cases.ts';

const TAPS = 8;

/** The cases of a transposed convolution with kernel 2 and stride 2, as decoders use it; `extents` are the input's. */
export function convTranspose3dCases(shape: ConvShape): BenchCase[] {
  const { samples, from, to, extents } = shape;
  const channels = from[0]!;
  const volume = sizeOf(extents);
  return CONV_PARTS.map((part) => ({
    kernel: `conv-transpose3d/${part}`,
    shape: `${channels}->${to}@${describeExtents(samples, extents)}`,
    bound: 'arithmetic',
    flops: 2 * TAPS * channels * to * samples * volume,
    bytes: bytesOf([samples, channels, volume], [channels, to, TAPS], [samples, to, TAPS * volume]),
    record: (tape) => record(tape, shape, part),
  }));
}

function record(tape: Tape, { samples, from, to, extents }: ConvShape, part: ConvPart): CaseRecording {
  const channels = from[0]!;
  const gradWeight = tensor('grad weight', [channels, to, 2, 2, 2], 'arena');
  const input = tensor('input', [samples, channels, ...extents], 'arena', {
    requiresGrad: part === 'backward_input',
  });
  const weight = tensor('weight', gradWeight.shape, 'arena', {
    requiresGrad: part === 'backward_weight',
    ...(part === 'backward_weight' ? { grad: gradWeight } : {}),
  });
  const attributes = { stride: 2, padding: 0, outputPadding: 0, bias: false } as const;
  const output = tape.apply(convTranspose3d, [input, weight], attributes);
  const grad = tensor('grad output', output.shape, 'arena');
  const first = part === 'forward' ? 0 : tape.commands.length;
  if (part !== 'forward') tape.backward([{ output, grad }]);
  const gradInput = tape.gradient(input);
  const shared = [input, weight, output, grad, gradWeight, ...(gradInput ? [gradInput] : [])];
  const section = cutSection(tape.commands, first, tape.commands.length, shared);

  const volume = sizeOf(extents);
  const [x, w, g] = [input, weight, grad].map(noiseOf) as [Float32Array, Float32Array, Float32Array];
  const [, height, width] = extents;
  /** Output voxel that tap t of an input voxel reaches. */
  const reached = (at: number, t: number): number => {
    const [iz, rest] = [Math.floor(at / (height * width)), at % (height * width)];
    const [iy, ix] = [Math.floor(rest / width), rest % width];
    return ((2 * iz + (t >> 2)) * 2 * height + 2 * iy + ((t >> 1) & 1)) * 2 * width + 2 * ix + (t & 1);
  };
  const outVolume = TAPS * volume;
  const checks: Readonly<Record<ConvPart, (index: number) => number>> = {
    forward(index) {
      const [n, o, at] = split(index, to, outVolume);
      const [oz, rest] = [Math.floor(at / (4 * height * width)), at % (4 * height * width)];
      const [oy, ox] = [Math.floor(rest / (2 * width)), rest % (2 * width)];
      const t = ((oz & 1) << 2) | ((oy & 1) << 1) | (ox & 1);
      const from_ = ((oz >> 1) * height + (oy >> 1)) * width + (ox >> 1);
      let sum = 0;
      for (let c = 0; c < channels; c++)
        sum += x[(n * channels + c) * volume + from_]! * w[(c * to + o) * TAPS + t]!;
      return sum;
    },
    backward_input(index) {
      const [n, c, at] = split(index, channels, volume);
      let sum = 0;
      for (let o = 0; o < to; o++)
        for (let t = 0; t < TAPS; t++)
          sum += g[(n * to + o) * outVolume + reached(at, t)]! * w[(c * to + o) * TAPS + t]!;
      return sum;
    },
    backward_weight(index) {
      const [c, o, t] = split(index, to, TAPS);
      let sum = 0;
      for (let n = 0; n < samples; n++)
        for (let at = 0; at < volume; at++)
          sum += x[(n * channels + c) * volume + at]! * g[(n * to + o) * outVolume + reached(at, t)]!;
      return sum;
    },
  };
  const results = { forward: output, backward_input: gradInput, backward_weight: gradWeight };
  return { section, check: { tensor: results[part]!, expected: checks[part] } };
}
