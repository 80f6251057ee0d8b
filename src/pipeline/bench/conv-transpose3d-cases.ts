import { sizeOf, type Triple, toTriple } from '../../core/shape.ts';
import { convTranspose3d } from '../../engine/ops/conv-transpose3d.ts';
import type { Tape } from '../../engine/tape/tape.ts';
import { tensor } from '../../engine/tape/tensor.ts';
import { cutSection, noiseOf } from '../../engine/tune/isolated.ts';
import { type BenchCase, bytesOf, type CaseRecording } from './cases.ts';
import { CONV_PARTS, type ConvPart, type ConvShape, describeConv, split } from './conv3d-cases.ts';

/** The cases of a transposed convolution whose kernel is its stride (default 2), as decoders use it. */
export function convTranspose3dCases(shape: ConvShape): BenchCase[] {
  const { samples, from, to, extents } = shape;
  const channels = from[0]!;
  const volume = sizeOf(extents);
  const taps = sizeOf(strideOf(shape));
  return CONV_PARTS.map((part) => ({
    kernel: `conv-transpose3d/${part}`,
    shape: describeConv(shape),
    bound: 'arithmetic',
    flops: 2 * taps * channels * to * samples * volume,
    bytes: bytesOf([samples, channels, volume], [channels, to, taps], [samples, to, taps * volume]),
    record: (tape) => record(tape, shape, part),
  }));
}

function strideOf({ stride = toTriple(2) }: ConvShape): Triple {
  return stride;
}

function record(tape: Tape, shape: ConvShape, part: ConvPart): CaseRecording {
  const { samples, from, to, extents } = shape;
  const channels = from[0]!;
  const stride = strideOf(shape);
  const [sz, sy, sx] = stride;
  const taps = sizeOf(stride);
  const gradWeight = tensor('grad weight', [channels, to, ...stride], 'arena');
  const input = tensor('input', [samples, channels, ...extents], 'arena', {
    requiresGrad: part === 'backward_input',
  });
  const weight = tensor('weight', gradWeight.shape, 'arena', {
    requiresGrad: part === 'backward_weight',
    ...(part === 'backward_weight' ? { grad: gradWeight } : {}),
  });
  const output = tape.apply(convTranspose3d, [input, weight], { stride });
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
    const [tz, ty, tx] = [Math.floor(t / (sy * sx)), Math.floor(t / sx) % sy, t % sx];
    return ((sz * iz + tz) * sy * height + sy * iy + ty) * sx * width + sx * ix + tx;
  };
  const outVolume = taps * volume;
  const checks: Readonly<Record<ConvPart, (index: number) => number>> = {
    forward(index) {
      const [n, o, at] = split(index, to, outVolume);
      const [oz, rest] = [Math.floor(at / (sy * height * sx * width)), at % (sy * height * sx * width)];
      const [oy, ox] = [Math.floor(rest / (sx * width)), rest % (sx * width)];
      const t = ((oz % sz) * sy + (oy % sy)) * sx + (ox % sx);
      const from_ = (Math.floor(oz / sz) * height + Math.floor(oy / sy)) * width + Math.floor(ox / sx);
      let sum = 0;
      for (let c = 0; c < channels; c++)
        sum += x[(n * channels + c) * volume + from_]! * w[(c * to + o) * taps + t]!;
      return sum;
    },
    backward_input(index) {
      const [n, c, at] = split(index, channels, volume);
      let sum = 0;
      for (let o = 0; o < to; o++)
        for (let t = 0; t < taps; t++)
          sum += g[(n * to + o) * outVolume + reached(at, t)]! * w[(c * to + o) * taps + t]!;
      return sum;
    },
    backward_weight(index) {
      const [c, o, t] = split(index, to, taps);
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
