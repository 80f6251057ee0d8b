import { UsageError } from '../../core/errors.ts';
import type { Triple } from '../../core/shape.ts';
import { toTriple } from '../../core/shape.ts';
import type { Graph, GraphNode, GraphValue } from '../../engine/nn/graph.ts';
import type { PerAxis } from '../../engine/tape/check.ts';

/** A convolution of a network that is a chain at full resolution, with what follows it before the next one. */
export interface ChainLayer {
  readonly weight: GraphValue;
  readonly bias: GraphValue | undefined;
  readonly inChannels: number;
  readonly channels: number;
  /** Taps along each axis, and voxels between them. */
  readonly kernel: number;
  readonly dilation: number;
  /** The norm behind it: by the running statistics, or by groups of channels of the volume. */
  readonly norm: ChainNorm | undefined;
  /** The activation behind it and its attributes. Each of them maps 0 to 0. */
  readonly activation: { readonly op: 'relu' | 'elu' | 'gelu'; readonly attributes: object } | undefined;
}

/** A norm of a chain. */
export interface ChainNorm {
  readonly weight: GraphValue;
  readonly bias: GraphValue;
  readonly eps: number;
  /** Mean and variance of batch norm; undefined for a norm by groups. */
  readonly running: { readonly mean: GraphValue; readonly variance: GraphValue } | undefined;
  readonly groups: number;
}

const ACTIVATIONS = ['relu', 'elu', 'gelu'] as const;

/**
 * A network as a chain of convolutions of stride 1 that keep the extents, each with a norm and an activation.
 * @throws UsageError naming the first op that does not fit.
 */
export function chainOf(graph: Graph): ChainLayer[] {
  const layers: ChainLayer[] = [];
  let last: GraphValue = graph.input;
  const refuse = (node: GraphNode, why: string): never => {
    throw new UsageError(
      `the network is not a chain of convolutions at full resolution: ${node.output.name} ${why}`,
      {
        hint: 'Only MeshNets see a whole volume at once.',
      },
    );
  };
  for (const node of graph.nodes) {
    if (node.inputs[0] !== last) refuse(node, `does not read ${last.name} alone`);
    const before = layers.at(-1);
    const activation = ACTIVATIONS.find((op) => op === node.op);
    if (node.op === 'conv3d') layers.push(convolution(node, refuse));
    else if (before && !before.activation && activation)
      layers.splice(-1, 1, { ...before, activation: { op: activation, attributes: node.attributes } });
    else if (before && !before.activation && !before.norm && /^(batch|group)-norm$/.test(node.op))
      layers.splice(-1, 1, withNorm(before, node));
    else refuse(node, 'has no place in it');
    last = node.output;
  }
  const [output] = graph.outputs.values();
  if (graph.outputs.size !== 1 || output !== last || !layers.at(-1) || layers.at(-1)!.activation)
    throw new UsageError('the network is not a chain of convolutions that ends in one output', {
      hint: 'Only MeshNets of one output see a whole volume at once.',
    });
  return layers;
}

function convolution(node: GraphNode, refuse: (node: GraphNode, why: string) => never): ChainLayer {
  const { attributes, inputs } = node;
  const { sources = 1, stride = 1, dilation = 1, padding = 0, bias } = attributes;
  const weight = inputs[1]!;
  const [channels, inChannels, kernel, ...others] = weight.shape as [number, number, number, number, number];
  const [apart, ...further] = toTriple(dilation as PerAxis);
  const even = (axes: readonly number[], value: number): boolean => axes.every((each) => each === value);
  if (sources !== 1 || !even(toTriple(stride as PerAxis), 1)) refuse(node, 'has strides or several sources');
  if (!even(others, kernel) || kernel % 2 === 0)
    refuse(node, 'has a kernel that is not a cube of odd extent');
  if (!even(further, apart)) refuse(node, 'has another dilation along each axis');
  const spacing = kernel === 1 ? 1 : apart;
  const zeros: Triple = padding === 'same' ? [(kernel - 1) / 2, 0, 0] : toTriple(padding as PerAxis);
  if (padding !== 'same' && !even(zeros, (spacing * (kernel - 1)) / 2))
    refuse(node, 'does not keep the extents');
  return {
    weight,
    bias: bias === false ? undefined : inputs[2],
    inChannels,
    channels,
    kernel,
    dilation: spacing,
    norm: undefined,
    activation: undefined,
  };
}

function withNorm(layer: ChainLayer, { inputs: [, weight, bias], attributes }: GraphNode): ChainLayer {
  const { eps = 1e-5, slope = null, groups = layer.channels, runningMean, runningVar } = attributes;
  const running = runningMean
    ? { mean: runningMean as GraphValue, variance: runningVar as GraphValue }
    : undefined;
  return {
    ...layer,
    norm: { weight: weight!, bias: bias!, eps: eps as number, running, groups: groups as number },
    activation: slope === null ? undefined : { op: 'relu', attributes: { slope } },
  };
}
