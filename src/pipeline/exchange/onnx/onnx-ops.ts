import { sizeOf } from '../../../core/shape.ts';
import { type GraphNode, type GraphValue, inexpressible } from '../../../engine/nn/graph.ts';
import { convolutionOf, normOf, transposedOf, windowOf } from '../node-settings.ts';
import type { OnnxAttribute, OnnxNode, OnnxTensor } from './onnx-file.ts';

/** Where a translated op goes: it adds operators and constants, and reads the network's tensors. */
export class OnnxGraph {
  readonly nodes: OnnxNode[] = [];
  readonly constants: Map<string, OnnxTensor> = new Map();
  readonly #weights: ReadonlyMap<string, Float32Array>;

  constructor(weights: ReadonlyMap<string, Float32Array>) {
    this.#weights = weights;
  }

  /** Adds an operator. @param output its output's name @returns the same */
  add(
    type: string,
    inputs: readonly string[],
    output: string,
    attributes?: Readonly<Record<string, OnnxAttribute>>,
  ): string {
    this.nodes.push({ type, inputs, output, attributes });
    return output;
  }

  /** The name of a value, which is stored as a constant if it is one of the network's tensors. */
  use({ name, shape }: GraphValue): string {
    const data = this.#weights.get(name);
    return data ? this.constant(name, shape, data) : name;
  }

  /** The values of one of the network's tensors. */
  values({ name }: GraphValue): Float32Array {
    return this.#weights.get(name)!;
  }

  constant(name: string, shape: readonly number[], data: Float32Array | BigInt64Array): string {
    this.constants.set(name, { name, shape, data });
    return name;
  }

  scalar(name: string, value: number): string {
    return this.constant(name, [], Float32Array.of(value));
  }
}

type Translate = (graph: OnnxGraph, node: GraphNode) => void;

const defined = (graph: OnnxGraph, ...values: (GraphValue | undefined)[]): string[] =>
  values.flatMap((value) => (value ? [graph.use(value)] : []));

/** A rectifier of a slope below zero, which norms carry with them. */
function rectified(graph: OnnxGraph, from: string, slope: number, output: string): void {
  if (slope === 0) graph.add('Relu', [from], output);
  else graph.add('LeakyRelu', [from], output, { alpha: { float: slope } });
}

/** Emits a norm, with its rectifier behind it if it has one. */
function withRectifier(graph: OnnxGraph, node: GraphNode, norm: (output: string) => void): void {
  const { slope } = normOf(node);
  const { name } = node.output;
  norm(slope === null ? name : `${name}/norm`);
  if (slope !== null) rectified(graph, `${name}/norm`, slope, name);
}

/** x * 0.5 * (1 + erf(x / sqrt 2)), or the same by a hyperbolic tangent: opset 17 has no Gelu. */
function gelu(graph: OnnxGraph, { inputs: [input], output: { name }, attributes }: GraphNode): void {
  const x = graph.use(input!);
  const one = graph.scalar('one', 1);
  const half = graph.scalar('half', 0.5);
  let share: string;
  if (attributes.approximate === 'tanh') {
    const squared = graph.add('Mul', [x, x], `${name}/squared`);
    const cubed = graph.add('Mul', [squared, x], `${name}/cubed`);
    const scaled = graph.add('Mul', [cubed, graph.scalar('gelu/cubic', 0.044715)], `${name}/scaled`);
    const sum = graph.add('Add', [x, scaled], `${name}/sum`);
    const inner = graph.add(
      'Mul',
      [sum, graph.scalar('gelu/slope', Math.sqrt(2 / Math.PI))],
      `${name}/inner`,
    );
    share = graph.add('Tanh', [inner], `${name}/tanh`);
  } else {
    const scaled = graph.add('Mul', [x, graph.scalar('gelu/scale', Math.SQRT1_2)], `${name}/scaled`);
    share = graph.add('Erf', [scaled], `${name}/erf`);
  }
  const shifted = graph.add('Add', [share, one], `${name}/shifted`);
  const halved = graph.add('Mul', [shifted, half], `${name}/halved`);
  graph.add('Mul', [x, halved], name);
}

/** Instance norm is an operator; groups of several channels are made rows of one, and back: GroupNormalization is newer. */
function groupNorm(graph: OnnxGraph, node: GraphNode): void {
  const { input, weight, bias, eps, groups } = normOf(node);
  const x = graph.use(input);
  const epsilon = { float: eps };
  withRectifier(graph, node, (output) => {
    if (groups === sizeOf(weight.shape)) {
      graph.add('InstanceNormalization', [x, ...defined(graph, weight, bias)], output, { epsilon });
      return;
    }
    const { name } = node.output;
    const rows = graph.constant(`groups/${groups}`, [3], BigInt64Array.of(0n, BigInt(groups), -1n));
    const ones = graph.constant(`groups/${groups}/ones`, [groups], new Float32Array(groups).fill(1));
    const zeros = graph.constant(`groups/${groups}/zeros`, [groups], new Float32Array(groups));
    const shape = graph.add('Shape', [x], `${name}/shape`);
    const flat = graph.add('Reshape', [x, rows], `${name}/rows`);
    const even = graph.add('InstanceNormalization', [flat, ones, zeros], `${name}/even`, { epsilon });
    const back = graph.add('Reshape', [even, shape], `${name}/back`);
    const broad = (value: GraphValue): string =>
      graph.constant(`${value.name}/broad`, [sizeOf(value.shape), 1, 1, 1], graph.values(value));
    const scaled = graph.add('Mul', [back, broad(weight)], `${name}/scaled`);
    graph.add('Add', [scaled, broad(bias)], output);
  });
}

/** By the names of our ops. Extents of volumes are never written down: any that the network takes will do. */
const TRANSLATIONS: Readonly<Record<string, Translate>> = {
  conv3d(graph, node) {
    const { sources, weight, bias, kernel, stride, dilation, padding, paddingBehind } = convolutionOf(node);
    const { name } = node.output;
    const joined =
      sources.length === 1
        ? graph.use(sources[0]!)
        : graph.add('Concat', defined(graph, ...sources), `${name}/sources`, { axis: 1 });
    graph.add('Conv', [joined, ...defined(graph, weight, bias)], name, {
      kernel_shape: kernel,
      strides: stride,
      dilations: dilation,
      pads: [...padding, ...paddingBehind],
    });
  },
  'conv-transpose3d'(graph, node) {
    const { input, weight, bias, kernel, stride, padding, outputPadding } = transposedOf(node);
    graph.add('ConvTranspose', defined(graph, input, weight, bias), node.output.name, {
      kernel_shape: kernel,
      strides: stride,
      pads: [...padding, ...padding],
      output_padding: outputPadding,
    });
  },
  'batch-norm'(graph, node) {
    const { input, weight, bias, eps } = normOf(node);
    const { runningMean, runningVar } = node.attributes as Readonly<Record<string, GraphValue>>;
    withRectifier(graph, node, (output) => {
      graph.add('BatchNormalization', defined(graph, input, weight, bias, runningMean, runningVar), output, {
        epsilon: { float: eps },
      });
    });
  },
  'group-norm': groupNorm,
  relu(graph, { inputs: [input], output, attributes: { slope = 0 } }) {
    rectified(graph, graph.use(input!), slope as number, output.name);
  },
  elu(graph, { inputs: [input], output, attributes: { alpha = 1 } }) {
    graph.add('Elu', [graph.use(input!)], output.name, { alpha: { float: alpha as number } });
  },
  gelu,
  sigmoid(graph, { inputs: [input], output }) {
    graph.add('Sigmoid', [graph.use(input!)], output.name);
  },
  softmax(graph, { inputs: [input], output }) {
    graph.add('Softmax', [graph.use(input!)], output.name, { axis: 1 });
  },
  add(graph, { inputs, output }) {
    graph.add('Sum', defined(graph, ...inputs), output.name);
  },
  concat(graph, { inputs, output }) {
    graph.add('Concat', defined(graph, ...inputs), output.name, { axis: 1 });
  },
  'max-pool3d'(graph, node) {
    const window = windowOf(node, 'kernel');
    graph.add('MaxPool', [graph.use(node.inputs[0]!)], node.output.name, {
      kernel_shape: window,
      strides: window,
    });
  },
  'average-pool3d'(graph, node) {
    const window = windowOf(node, 'kernel');
    graph.add('AveragePool', [graph.use(node.inputs[0]!)], node.output.name, {
      kernel_shape: window,
      strides: window,
    });
  },
  'global-average-pool'(graph, { inputs: [input], output: { name } }) {
    const pooled = graph.add('GlobalAveragePool', [graph.use(input!)], `${name}/pooled`);
    graph.add('Flatten', [pooled], name, { axis: 1 });
  },
  linear(graph, { inputs, output }) {
    graph.add('Gemm', defined(graph, ...inputs), output.name, { transB: 1 });
  },
  'upsample-trilinear'(graph, node) {
    const scale = windowOf(node, 'scale');
    const { name } = node.output;
    const scales = graph.constant(`${name}/scales`, [5], Float32Array.of(1, 1, ...scale));
    // The second input, a region of interest, is left out.
    graph.add('Resize', [graph.use(node.inputs[0]!), '', scales], name, {
      mode: 'linear',
      coordinate_transformation_mode: 'half_pixel',
    });
  },
  // A Kronecker product with the identity: [R, 1, Q, 1] times [1, S, 1, S], read as [R S, Q S].
  'scalar-blocks'(graph, { inputs: [matrix], output: { name, shape }, attributes }) {
    const size = attributes.size as number;
    const [rows, columns] = matrix!.shape as [number, number];
    const places = (of: string, extents: readonly number[]): string =>
      graph.constant(`${name}/${of}`, [extents.length], BigInt64Array.from(extents, BigInt));
    const identity = Float32Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0));
    const eye = graph.constant(`${name}/identity`, [1, size, 1, size], identity);
    const apart = places('apart', [rows, 1, columns, 1]);
    const spread = graph.add('Reshape', [graph.use(matrix!), apart], `${name}/spread`);
    const blocks = graph.add('Mul', [spread, eye], `${name}/blocks`);
    graph.add('Reshape', [blocks, places('shape', shape)], name);
  },
  'cross-stitch'(graph, { inputs: [own, other, weight], output: { name } }) {
    const channels = weight!.shape[1]!;
    const rows = graph.values(weight!);
    const part = (row: number, value: GraphValue): string => {
      const data = rows.slice(row * channels, (row + 1) * channels);
      const factor = graph.constant(`${name}/factor_${row}`, [channels, 1, 1, 1], data);
      return graph.add('Mul', [graph.use(value), factor], `${name}/part_${row}`);
    };
    graph.add('Add', [part(0, own!), part(1, other!)], name);
  },
};

/** Writes an op of ours as operators of ONNX. @throws UsageError naming an op that ONNX has no words for here. */
export function translate(graph: OnnxGraph, node: GraphNode): void {
  const translation = Object.hasOwn(TRANSLATIONS, node.op) ? TRANSLATIONS[node.op] : undefined;
  if (!translation) throw inexpressible('ONNX', node);
  translation(graph, node);
}
