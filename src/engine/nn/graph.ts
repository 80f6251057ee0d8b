import { UsageError } from '../../core/errors.ts';
import type { Shape } from '../../core/shape.ts';
import type { Tensor } from '../tape/tensor.ts';
import { declare } from './declare.ts';
import type { Architecture } from './network.ts';
import type { ParameterSpec } from './scope.ts';

/** A tensor of a graph. */
export interface GraphValue {
  /** Of a parameter or a running statistic its own; `input`; or of an op's output its op and number: `conv3d_4`. */
  readonly name: string;
  /** For the extents that the graph was recorded with: batch, depth, height and width may be others. */
  readonly shape: Shape;
}

/** One op of a graph. */
export interface GraphNode {
  /** Name of the op: `conv3d`. */
  readonly op: string;
  readonly inputs: readonly GraphValue[];
  readonly output: GraphValue;
  /** As the network gave them, defaults left out; tensors are the graph's values. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

/** A network as the ops that a prediction applies, in order: what other programs' formats are made from. */
export interface Graph {
  readonly input: GraphValue;
  /** In the order of the network's declaration. */
  readonly parameters: readonly ParameterSpec[];
  /** Running statistics. */
  readonly state: readonly ParameterSpec[];
  readonly nodes: readonly GraphNode[];
  /** By head, before any activation. */
  readonly outputs: ReadonlyMap<string, GraphValue>;
}

/**
 * Records what a network does in a prediction, without a GPU: every kind of network, registered ones too.
 * @throws ShapeError where a layer's rule does not hold.
 */
export function traceNetwork(architecture: Architecture): Graph {
  const { inChannels, patchMultiple, forward } = architecture;
  const shape = [1, inChannels, ...patchMultiple.map((extent) => 2 * extent)];
  const input: GraphValue = { name: 'input', shape };
  const values = new Map<Tensor, GraphValue>();
  const nodes: GraphNode[] = [];
  const known = (tensor: Tensor): GraphValue => {
    // The network's input is the one that has this very shape.
    const first = tensor.shape === shape ? input : { name: tensor.label, shape: tensor.shape };
    const found = values.get(tensor) ?? first;
    values.set(tensor, found);
    return found;
  };
  const { parameters, state, outputs } = declare(forward, shape, 'predict', (applied) => {
    const inputs = applied.inputs.map(known);
    const attributes = Object.entries(applied.attributes).map(([name, value]) => [
      name,
      isTensor(value) ? known(value) : value,
    ]);
    const name = `${applied.op.name.replaceAll('-', '_')}_${nodes.length}`;
    const output = { name, shape: applied.output.shape };
    values.set(applied.output, output);
    nodes.push({ op: applied.op.name, inputs, output, attributes: Object.fromEntries(attributes) });
  });
  return {
    input,
    parameters,
    state,
    nodes,
    outputs: new Map([...outputs].map(([head, [first]]) => [head, known(first!)])),
  };
}

function isTensor(value: unknown): value is Tensor {
  return typeof value === 'object' && value !== null && 'placement' in value && 'shape' in value;
}

/** Says that a format has no word for an op. */
export function inexpressible(format: string, node: GraphNode, why = 'it has no such op'): UsageError {
  return new UsageError(`${format} cannot express ${node.op} (${node.output.name}): ${why}`, {
    hint: 'Choose another format, or a network without it.',
  });
}
