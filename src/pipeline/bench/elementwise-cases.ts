import { type Shape, sizeOf } from '../../core/shape.ts';
import { add } from '../../engine/ops/add.ts';
import { dropout } from '../../engine/ops/dropout.ts';
import { elu } from '../../engine/ops/elu.ts';
import { gelu } from '../../engine/ops/gelu.ts';
import { relu } from '../../engine/ops/relu.ts';
import { sigmoid } from '../../engine/ops/sigmoid.ts';
import { softmax } from '../../engine/ops/softmax.ts';
import type { Op } from '../../engine/tape/op.ts';
import type { Tape } from '../../engine/tape/tape.ts';
import { type Tensor, tensor } from '../../engine/tape/tensor.ts';
import { cutSection, noiseOf, type Section } from '../../engine/tune/isolated.ts';
import { type BenchCase, bytesOf, type CaseRecording, describeActivation } from './cases.ts';

export type Pass = 'forward' | 'backward';

/** Records an op and cuts out one of its passes. */
export function recordPass<A, S>(
  tape: Tape,
  op: Op<A, S>,
  inputs: readonly Tensor[],
  attributes: A,
  pass: Pass,
  shared: readonly Tensor[] = [],
): { section: Section; output: Tensor; grad: Tensor; gradInput: Tensor | undefined } {
  const output = tape.apply(op, inputs, attributes);
  const end = tape.commands.length;
  const grad = tensor('grad output', output.shape, 'arena');
  tape.backward([{ output, grad }]);
  const gradInput = tape.gradient(inputs[0]!);
  const all = [...inputs, output, grad, ...shared, ...inputs.flatMap((input) => tape.gradient(input) ?? [])];
  const section =
    pass === 'forward'
      ? cutSection(tape.commands, 0, end, all)
      : cutSection(tape.commands, end, tape.commands.length, all);
  return { section, output, grad, gradInput };
}

/** A map of each element, with its derivative. */
function pointwise<A, S>(
  op: Op<A, S>,
  attributes: A,
  shape: Shape,
  f: (x: number) => number,
  derivative: (x: number) => number,
  backwardReads: 'input' | 'output',
): BenchCase[] {
  const record = (tape: Tape, pass: Pass): CaseRecording => {
    const input = tensor('input', shape, 'arena', { requiresGrad: true });
    const { section, output, grad, gradInput } = recordPass(tape, op, [input], attributes, pass);
    const [x, g] = [noiseOf(input), noiseOf(grad)];
    if (pass === 'forward') return { section, check: { tensor: output, expected: (i) => f(x[i]!) } };
    // What backward takes for the output is what the forward pass made of the input.
    const data = new Map([[output, Float32Array.from(x, f)]]);
    const expected = (i: number): number => g[i]! * derivative(x[i]!);
    return {
      section,
      ...(backwardReads === 'output' ? { data } : {}),
      check: { tensor: gradInput!, expected },
    };
  };
  return passes(op.name, shape, { forward: 2, backward: 3 }, record);
}

/** A row for each pass of an op. */
export function passes(
  name: string,
  shape: Shape,
  /** Sizes of the input that must move. */
  traffic: Readonly<Record<Pass, number>>,
  record: (tape: Tape, pass: Pass) => CaseRecording,
): BenchCase[] {
  return (['forward', 'backward'] as const).map((pass) => ({
    kernel: `${name}/${pass}`,
    shape: describeActivation(shape),
    bound: 'bandwidth',
    flops: 0,
    bytes: 4 * traffic[pass] * sizeOf(shape),
    record: (tape) => record(tape, pass),
  }));
}

const SLOPE = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;
/** The hyperbolic tangent in the approximation of GELU. */
const bend = (x: number): number => Math.tanh(SLOPE * (x + CUBIC * x ** 3));

/** The kernels of single elements. */
export function pointwiseCases(shape: Shape): BenchCase[] {
  const logistic = (x: number): number => 1 / (1 + Math.exp(-x));
  return [
    ...pointwise(
      relu,
      { slope: 0 },
      shape,
      (x) => Math.max(0, x),
      (x) => (x > 0 ? 1 : 0),
      'output',
    ),
    ...pointwise(
      elu,
      {},
      shape,
      (x) => (x > 0 ? x : Math.expm1(x)),
      (x) => (x > 0 ? 1 : Math.exp(x)),
      'output',
    ),
    // The exact function needs an error function that JavaScript has not; its approximation takes as long.
    ...pointwise(
      gelu,
      { approximate: 'tanh' },
      shape,
      (x) => (x * (1 + bend(x))) / 2,
      (x) => (1 + bend(x) + x * (1 - bend(x) ** 2) * SLOPE * (1 + 3 * CUBIC * x * x)) / 2,
      'input',
    ),
    ...pointwise(sigmoid, {}, shape, logistic, (x) => logistic(x) * (1 - logistic(x)), 'output'),
  ];
}

/** The sum of two activations. Backward runs nothing, as both share the gradient. */
export function addCases(shape: Shape): BenchCase[] {
  const record = (tape: Tape): CaseRecording => {
    const inputs = ['first', 'second'].map((name) => tensor(name, shape, 'arena'));
    const output = tape.apply(add, inputs, {});
    const section = cutSection(tape.commands, 0, tape.commands.length, [...inputs, output]);
    const [a, b] = inputs.map(noiseOf) as [Float32Array, Float32Array];
    return { section, check: { tensor: output, expected: (i) => a[i]! + b[i]! } };
  };
  return [
    {
      kernel: 'add/forward',
      shape: describeActivation(shape),
      bound: 'bandwidth',
      flops: 0,
      bytes: bytesOf(shape, shape, shape),
      record,
    },
  ];
}

/** Dropout that drops nothing, so that the result is known: the kernel draws its numbers all the same. */
export function dropoutCases(shape: Shape): BenchCase[] {
  return passes('dropout', shape, { forward: 2, backward: 2 }, (tape, pass) => {
    const input = tensor('input', shape, 'arena', { requiresGrad: true });
    const seed = tensor('seed', [2], 'arena');
    const attributes = { p: 0, seed };
    const { section, output, grad, gradInput } = recordPass(tape, dropout, [input], attributes, pass, [seed]);
    const values = noiseOf(pass === 'forward' ? input : grad);
    return {
      section,
      check: { tensor: pass === 'forward' ? output : gradInput!, expected: (i) => values[i]! },
    };
  });
}

/** Softmax over the channels. */
export function softmaxCases(shape: Shape): BenchCase[] {
  const [, channels, ...extents] = shape as [number, number, ...number[]];
  const volume = sizeOf(extents);
  return passes('softmax', shape, { forward: 2, backward: 3 }, (tape, pass) => {
    const input = tensor('input', shape, 'arena', { requiresGrad: true });
    const { section, output, grad, gradInput } = recordPass(tape, softmax, [input], {}, pass);
    const [x, g] = [noiseOf(input), noiseOf(grad)];
    const voxel = (i: number): number =>
      Math.floor(i / (channels * volume)) * channels * volume + (i % volume);
    const column = (i: number): number[] => Array.from({ length: channels }, (_, c) => voxel(i) + c * volume);
    const probability = (i: number): number => {
      const total = column(i).reduce((sum, j) => sum + Math.exp(x[j]!), 0);
      return Math.exp(x[i]!) / total;
    };
    if (pass === 'forward') return { section, check: { tensor: output, expected: probability } };
    const expected = (i: number): number =>
      probability(i) * (g[i]! - column(i).reduce((sum, j) => sum + g[j]! * probability(j), 0));
    const data = new Map([[output, Float32Array.from(x, (_, i) => probability(i))]]);
    return { section, data, check: { tensor: gradInput!, expected } };
  });
}
