import { convTranspose3dReference } from '../reference/conv-transpose3d.ts';
import { conv3dReference } from '../reference/conv3d.ts';
import { maxPool3dReference } from '../reference/max-pool3d.ts';
import { softmaxReference } from '../reference/softmax.ts';
import { upsampleTrilinearReference } from '../reference/upsample-trilinear.ts';
import { fromArray, type Nd, zeros } from './nd.ts';
import type { Attribute, ReadModel, ReadNode } from './onnx.ts';

/** What a node computes, in doubles, after ONNX's Operators.md at set 17. */
type Run = (inputs: readonly Nd[], attributes: Readonly<Record<string, Attribute>>) => Nd;

const sizeOf = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);
const each =
  (f: (x: number, attributes: Readonly<Record<string, Attribute>>) => number): Run =>
  ([input], attributes) => ({ shape: input!.shape, data: input!.data.map((x) => f(x, attributes)) });

/** Two arrays by the rules of broadcasting. */
function broadcast(a: Nd, b: Nd, f: (x: number, y: number) => number): Nd {
  const rank = Math.max(a.shape.length, b.shape.length);
  const padded = ({ shape }: Nd): number[] => [...new Array<number>(rank - shape.length).fill(1), ...shape];
  const [left, right] = [padded(a), padded(b)];
  const output = zeros(left.map((extent, i) => Math.max(extent, right[i]!)));
  const at = (shape: readonly number[], index: number): number => {
    let offset = 0;
    let stride = 1;
    let rest = index;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const place = rest % output.shape[axis]!;
      rest = Math.floor(rest / output.shape[axis]!);
      if (shape[axis] !== 1) offset += place * stride;
      stride *= shape[axis]!;
    }
    return offset;
  };
  for (let i = 0; i < output.data.length; i++)
    output.data[i] = f(a.data[at(left, i)]!, b.data[at(right, i)]!);
  return output;
}

/** Normalises rows of [N, C, …], a row being a channel of a sample, or by given statistics. */
function normalised([input, scale, bias, mean, variance]: readonly Nd[], epsilon: number): Nd {
  const channels = input!.shape[1]!;
  const voxels = sizeOf(input!.shape.slice(2));
  const output = zeros(input!.shape);
  for (let row = 0; row < input!.shape[0]! * channels; row++) {
    const c = row % channels;
    const values = input!.data.subarray(row * voxels, (row + 1) * voxels);
    const own = values.reduce((a, b) => a + b, 0) / voxels;
    const m = mean ? mean.data[c]! : own;
    const v = variance ? variance.data[c]! : values.reduce((sum, x) => sum + (x - own) ** 2, 0) / voxels;
    for (let i = 0; i < voxels; i++)
      output.data[row * voxels + i] =
        ((values[i]! - m) / Math.sqrt(v + epsilon)) * scale!.data[c]! + bias!.data[c]!;
  }
  return output;
}

function concatenated(inputs: readonly Nd[], axis: number): Nd {
  const [first] = inputs;
  const outer = sizeOf(first!.shape.slice(0, axis));
  const shape = [...first!.shape];
  shape[axis] = inputs.reduce((sum, each) => sum + each.shape[axis]!, 0);
  const output = zeros(shape);
  let at = 0;
  for (let o = 0; o < outer; o++)
    for (const { data } of inputs) {
      const length = data.length / outer;
      output.data.set(data.subarray(o * length, (o + 1) * length), at);
      at += length;
    }
  return output;
}

/** erf by its series and, from 3 on, by a continued fraction: to 1e-12. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let sum = x;
  for (let n = 1; n < 120; n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

const firstThree = (value: Attribute | undefined): [number, number, number] =>
  (value as number[]).slice(0, 3) as [number, number, number];

const OPERATORS: Readonly<Record<string, Run>> = {
  Add: ([a, b]) => broadcast(a!, b!, (x, y) => x + y),
  Mul: ([a, b]) => broadcast(a!, b!, (x, y) => x * y),
  Sum: (inputs) => inputs.reduce((a, b) => broadcast(a, b, (x, y) => x + y)),
  Relu: each((x) => Math.max(x, 0)),
  LeakyRelu: each((x, { alpha }) => (x >= 0 ? x : (alpha as number) * x)),
  Elu: each((x, { alpha }) => (x > 0 ? x : (alpha as number) * Math.expm1(x))),
  Erf: each(erf),
  Tanh: each(Math.tanh),
  Sigmoid: each((x) => 1 / (1 + Math.exp(-x))),
  Identity: ([input]) => input!,
  Softmax: ([input]) => softmaxReference.forward([input!], {}),
  Concat: (inputs, { axis }) => concatenated(inputs, axis as number),
  Conv: (inputs, { strides, dilations, pads }) => {
    const before = firstThree(pads);
    const [stride, dilation] = [firstThree(strides), firstThree(dilations)];
    // Uneven zeros are those of `same`, which the reference knows.
    const even = (pads as number[]).every((pad, i) => pad === before[i % 3]);
    const attributes = { stride, dilation, padding: even ? before : ('same' as const) };
    const total = inputs[1]!.shape.slice(2).map((taps, a) => dilation[a]! * (taps - 1));
    if (!even && total.some((zeros, a) => before[a]! + (pads as number[])[a + 3]! !== zeros))
      throw new Error('uneven padding that is not the same');
    return conv3dReference.forward(inputs, attributes);
  },
  ConvTranspose: (inputs, { strides, pads, output_padding }) =>
    convTranspose3dReference.forward(inputs, {
      stride: firstThree(strides),
      padding: firstThree(pads),
      outputPadding: firstThree(output_padding),
    }),
  BatchNormalization: (inputs, { epsilon }) => normalised(inputs, epsilon as number),
  InstanceNormalization: (inputs, { epsilon }) => normalised(inputs, epsilon as number),
  MaxPool: ([input], { kernel_shape }) =>
    maxPool3dReference.forward([input!], { kernel: firstThree(kernel_shape) }),
  AveragePool: ([input], { kernel_shape }) => {
    const kernel = firstThree(kernel_shape);
    const channels = sizeOf(input!.shape.slice(0, 2));
    const [d, h, w] = input!.shape.slice(2) as [number, number, number];
    const out = [d, h, w].map((extent, a) => Math.floor(extent / kernel[a]!));
    const output = zeros([...input!.shape.slice(0, 2), ...out]);
    const [od, oh, ow] = out as [number, number, number];
    for (let c = 0; c < channels; c++)
      for (let z = 0; z < od * kernel[0]; z++)
        for (let y = 0; y < oh * kernel[1]; y++)
          for (let x = 0; x < ow * kernel[2]; x++) {
            const [oz, oy, ox] = [z, y, x].map((at, a) => Math.floor(at / kernel[a]!)) as [
              number,
              number,
              number,
            ];
            output.data[((c * od + oz) * oh + oy) * ow + ox]! +=
              input!.data[((c * d + z) * h + y) * w + x]! / sizeOf(kernel);
          }
    return output;
  },
  GlobalAveragePool: ([input]) => {
    const [n, c, ...extents] = input!.shape;
    const voxels = sizeOf(extents);
    const output = zeros([n!, c!, 1, 1, 1]);
    input!.data.forEach((value, i) => {
      output.data[Math.floor(i / voxels)]! += value / voxels;
    });
    return output;
  },
  Flatten: ([input]) => ({ shape: [input!.shape[0]!, sizeOf(input!.shape.slice(1))], data: input!.data }),
  Gemm: ([a, b, c], { transB }) => {
    if (transB !== 1) throw new Error('Gemm is used with a transposed weight alone');
    const [rows, inner] = a!.shape as [number, number];
    const [columns] = b!.shape as [number];
    const output = zeros([rows, columns]);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) {
        let sum = c?.data[j] ?? 0;
        for (let k = 0; k < inner; k++) sum += a!.data[i * inner + k]! * b!.data[j * inner + k]!;
        output.data[i * columns + j] = sum;
      }
    return output;
  },
  Shape: ([input]) => fromArray([input!.shape.length], input!.shape),
  Reshape: ([input, shape]) => {
    const wanted = [...shape!.data].map((extent, i) => (extent === 0 ? input!.shape[i]! : extent));
    const known = wanted.filter((extent) => extent !== -1).reduce((a, b) => a * b, 1);
    return {
      shape: wanted.map((extent) => (extent === -1 ? input!.data.length / known : extent)),
      data: input!.data,
    };
  },
  Resize: ([input, , scales], { mode, coordinate_transformation_mode: how }) => {
    if (mode !== 'linear' || how !== 'half_pixel') throw new Error(`Resize by ${mode}, ${how}`);
    const scale = [...scales!.data.slice(2)] as [number, number, number];
    return upsampleTrilinearReference.forward([input!], { scale });
  },
};

/** Runs a model in doubles. @returns its outputs by name */
export function runOnnx(model: ReadModel, inputs: ReadonlyMap<string, Nd>): Map<string, Nd> {
  const values = new Map<string, Nd>(inputs);
  for (const { name, shape, data } of model.constants.values())
    values.set(name, { shape, data: Float64Array.from(data as ArrayLike<number | bigint>, Number) });
  const left: Nd = zeros([0]);
  const run = ({ type, inputs: names, outputs, attributes }: ReadNode): void => {
    const operands = names.map((name) => (name === '' ? left : values.get(name)!));
    values.set(outputs[0]!, OPERATORS[type]!(operands, attributes));
  };
  model.nodes.forEach(run);
  return new Map(model.outputs.map(({ name }) => [name, values.get(name)!]));
}
