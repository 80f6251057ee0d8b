import { collect } from '../../../core/files.ts';
import { type Graph, type GraphNode, inexpressible, traceNetwork } from '../../../engine/nn/graph.ts';
import { architectureOf } from '../../../engine/nn/networks/index.ts';
import { modelFacts } from '../../models/facts.ts';
import type { ExportFormat, ExportRequest } from '../export-format.ts';
import { convolutionOf, normOf } from '../node-settings.ts';

/** A layer of Keras, as model.json has it. */
interface KerasLayer {
  readonly class_name: string;
  readonly name: string;
  readonly config: Readonly<Record<string, unknown>>;
  readonly inbound_nodes: readonly unknown[];
}

/** Extents of Brainchop's cube, which its models ask for. */
const EXTENT = 256;
const WEIGHTS = 'model.bin';

/** A layers model of TensorFlow.js, for chains of convolutions: what Brainchop runs. */
export const tfjs: ExportFormat = {
  name: 'tfjs',
  title: 'TensorFlow.js layers model of a MeshNet, as Brainchop runs it',
  async write(request, out) {
    const { json, weights } = toTfjs(request);
    const labels = modelFacts(request.model.info).heads[0]!.labels;
    const text = (value: object): Uint8Array =>
      new TextEncoder().encode(`${JSON.stringify(value, null, 1)}\n`);
    await out.write('model.json', text(json));
    await out.write(WEIGHTS, weights);
    await out.write('labels.json', text(Object.fromEntries(labels.map((label, i) => [i, label]))));
    return {
      files: ['model.json', WEIGHTS, 'labels.json'],
      notes: ['the last layer gives scores, as in Brainchop: the largest is the label'],
    };
  },
};

/**
 * The two files of a model.
 * @throws UsageError naming the op that no layer of TensorFlow.js stands for.
 */
export function toTfjs({ model: { info, weights } }: ExportRequest): {
  readonly json: object;
  readonly weights: Uint8Array;
} {
  const graph = traceNetwork(architectureOf(info.network));
  const layers: KerasLayer[] = [];
  const tensors: { name: string; shape: readonly number[]; data: Float32Array }[] = [];
  const add = (class_name: string, name: string, config: object): void => {
    const before = layers.at(-1)?.name;
    const inbound_nodes = before === undefined ? [] : [[[before, 0, 0, {}]]];
    layers.push({ class_name, name, config: { name, dtype: 'float32', ...config }, inbound_nodes });
  };
  const channels = graph.input.shape[1]!;
  add('InputLayer', 'input', { batch_input_shape: [null, EXTENT, EXTENT, EXTENT, channels] });
  requireChain(graph);
  graph.nodes.forEach((node, i) => {
    const isLast = i === graph.nodes.length - 1;
    const activation = (name: string): void => add('Activation', `activation_${i}`, { activation: name });
    if (node.op === 'conv3d') {
      const { weight, bias, kernel, dilation, padding, paddingBehind } = convolutionOf(node);
      const keeps = kernel.every((taps, a) => padding[a]! + paddingBehind[a]! === dilation[a]! * (taps - 1));
      if (!keeps) throw inexpressible('TensorFlow.js', node, 'its padding is not the same on both sides');
      const norm = graph.nodes[i + 1];
      // Brainchop's way of saying that instance norm follows: in the layer's name.
      const named = norm?.op === 'group-norm';
      const name = isLast ? 'output' : `conv3d_${i}${named ? '_gn' : ''}`;
      const [filters, inChannels] = weight.shape as [number, number];
      const use_bias = bias !== undefined && !named;
      if (norm?.op === 'batch-norm' && !use_bias)
        throw inexpressible('TensorFlow.js', norm, 'the convolution before it has no bias to fold it into');
      add('Conv3D', name, {
        filters,
        kernel_size: kernel,
        strides: [1, 1, 1],
        dilation_rate: dilation,
        padding: 'same',
        data_format: 'channels_last',
        activation: 'linear',
        use_bias,
        trainable: false,
      });
      const folded = foldedNorm(norm, weights);
      const kernelValues = turned(weights.get(weight.name)!, filters, inChannels);
      tensors.push({
        name: `${name}/kernel`,
        shape: [...kernel, inChannels, filters],
        data: kernelValues.map((value, at) => value * (folded?.scale[at % filters] ?? 1)),
      });
      if (use_bias) {
        const data = weights.get(bias.name)!;
        tensors.push({
          name: `${name}/bias`,
          shape: [filters],
          data: data.map((value, o) =>
            folded ? (value - folded.mean[o]!) * folded.scale[o]! + folded.shift[o]! : value,
          ),
        });
      }
      return;
    }
    if (node.op === 'batch-norm') {
      const { slope } = normOf(node);
      if (graph.nodes[i - 1]?.op !== 'conv3d' || isLast)
        throw inexpressible('TensorFlow.js', node, 'it does not stand behind a convolution');
      if (slope === 0) activation('relu');
      else if (slope !== null) throw inexpressible('TensorFlow.js', node, 'a MeshNet has no leaky ReLU');
      return;
    }
    if (node.op === 'group-norm') {
      const { weight, bias, slope, groups } = normOf(node);
      const plain = groups === weight.shape[0] && weights.get(weight.name)!.every((value) => value === 1);
      if (!plain || !weights.get(bias.name)!.every((value) => value === 0))
        throw inexpressible(
          'TensorFlow.js',
          node,
          'only instance norm without weights of its own has a name in Brainchop',
        );
      if (slope === 0) activation('relu');
      return;
    }
    const { slope = 0, alpha = 1, approximate = 'none' } = node.attributes;
    const known = /^(relu|elu|gelu)$/.test(node.op) && slope === 0 && alpha === 1 && approximate === 'none';
    if (!known) throw inexpressible('TensorFlow.js', node, 'a MeshNet has no such layer');
    activation(node.op);
  });
  const config = {
    name: 'meshnet',
    layers,
    input_layers: [['input', 0, 0]],
    output_layers: [[layers.at(-1)!.name, 0, 0]],
  };
  return {
    json: {
      format: 'layers-model',
      generatedBy: 'voxelgrad',
      modelTopology: {
        keras_version: '2.8.0',
        backend: 'tensorflow',
        model_config: { class_name: 'Functional', config },
      },
      weightsManifest: [
        { paths: [WEIGHTS], weights: tensors.map(({ name, shape }) => ({ name, shape, dtype: 'float32' })) },
      ],
    },
    weights: collect(
      tensors.map(({ data }) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength)),
    ),
  };
}

/**
 * What a batch norm does to each channel, to be folded into the convolution before it: TensorFlow.js has none for volumes.
 * Undefined for any other op.
 */
function foldedNorm(
  node: GraphNode | undefined,
  weights: ReadonlyMap<string, Float32Array>,
): Readonly<Record<'mean' | 'scale' | 'shift', Float32Array>> | undefined {
  if (node?.op !== 'batch-norm') return undefined;
  const { weight, bias, eps } = normOf(node);
  const { runningMean, runningVar } = node.attributes as Readonly<Record<string, { readonly name: string }>>;
  const variance = weights.get(runningVar!.name)!;
  return {
    mean: weights.get(runningMean!.name)!,
    scale: weights.get(weight.name)!.map((value, c) => value / Math.sqrt(variance[c]! + eps)),
    shift: weights.get(bias.name)!,
  };
}

/** @throws UsageError for a graph that branches, or that has several outputs. */
function requireChain({ nodes, input, outputs }: Graph): void {
  let last = input;
  for (const node of nodes) {
    if (node.inputs[0] !== last || (node.op === 'conv3d' && (node.attributes.sources ?? 1) !== 1))
      throw inexpressible('TensorFlow.js', node, 'only chains of layers are written, such as MeshNets');
    last = node.output;
  }
  const end = nodes.at(-1)!;
  if (outputs.size !== 1 || [...outputs.values()][0] !== last || end.op !== 'conv3d')
    throw inexpressible('TensorFlow.js', end, 'only networks of one output are written');
}

/** PyTorch's [out][in][d][h][w] as TensorFlow's [d][h][w][in][out]. */
function turned(weight: Float32Array, filters: number, inChannels: number): Float32Array {
  const taps = weight.length / (filters * inChannels);
  const out = new Float32Array(weight.length);
  for (let tap = 0, at = 0; tap < taps; tap++)
    for (let i = 0; i < inChannels; i++)
      for (let o = 0; o < filters; o++, at++) out[at] = weight[(o * inChannels + i) * taps + tap]!;
  return out;
}
