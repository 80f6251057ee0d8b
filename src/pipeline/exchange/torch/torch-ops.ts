import { type GraphNode, type GraphValue, inexpressible } from '../../../engine/nn/graph.ts';
import { convolutionOf, normOf, transposedOf, windowOf } from '../node-settings.ts';

/** Says how Python calls a value. */
export type NameOf = (value: GraphValue) => string;

type Translate = (node: GraphNode, name: NameOf) => string;

const list = (numbers: readonly number[]): string =>
  new Set(numbers).size === 1 ? String(numbers[0]) : `(${numbers.join(', ')})`;

/** A rectifier of a slope below zero, which norms carry with them. */
function rectified(value: string, slope: number | null): string {
  if (slope === null) return value;
  return slope === 0 ? `F.relu(${value})` : `F.leaky_relu(${value}, ${slope})`;
}

/** By the names of our ops: an expression of PyTorch, which is F for torch.nn.functional. */
const TRANSLATIONS: Readonly<Record<string, Translate>> = {
  conv3d(node, name) {
    const { sources, weight, bias, stride, dilation, padding, paddingBehind } = convolutionOf(node);
    const names = sources.map(name);
    const input = names.length === 1 ? names[0]! : `torch.cat([${names.join(', ')}], 1)`;
    // An odd number of zeros: PyTorch too puts the larger half behind.
    const zeros = padding.every((each, a) => each === paddingBehind[a]) ? list(padding) : "'same'";
    const added = bias ? name(bias) : 'None';
    return `F.conv3d(${input}, ${name(weight)}, ${added}, stride=${list(stride)}, padding=${zeros}, dilation=${list(dilation)})`;
  },
  'conv-transpose3d'(node, name) {
    const { input, weight, bias, stride, padding, outputPadding } = transposedOf(node);
    const added = bias ? name(bias) : 'None';
    return `F.conv_transpose3d(${name(input)}, ${name(weight)}, ${added}, stride=${list(stride)}, padding=${list(padding)}, output_padding=${list(outputPadding)})`;
  },
  'batch-norm'(node, name) {
    const { input, weight, bias, eps, slope } = normOf(node);
    const { runningMean, runningVar, momentum = 0.1 } = node.attributes;
    const [mean, variance] = [runningMean, runningVar].map((value) => name(value as GraphValue));
    return rectified(
      `F.batch_norm(${name(input)}, ${mean}, ${variance}, ${name(weight)}, ${name(bias)}, self.training, ${String(momentum)}, ${eps})`,
      slope,
    );
  },
  'group-norm'(node, name) {
    const { input, weight, bias, eps, slope, groups } = normOf(node);
    return rectified(
      `F.group_norm(${name(input)}, ${groups}, ${name(weight)}, ${name(bias)}, ${eps})`,
      slope,
    );
  },
  relu: ({ inputs: [input], attributes: { slope = 0 } }, name) => rectified(name(input!), slope as number),
  elu: ({ inputs: [input], attributes: { alpha = 1 } }, name) => `F.elu(${name(input!)}, ${String(alpha)})`,
  gelu: ({ inputs: [input], attributes: { approximate = 'none' } }, name) =>
    `F.gelu(${name(input!)}, approximate='${String(approximate)}')`,
  sigmoid: ({ inputs: [input] }, name) => `torch.sigmoid(${name(input!)})`,
  softmax: ({ inputs: [input] }, name) => `F.softmax(${name(input!)}, 1)`,
  add: ({ inputs }, name) => inputs.map(name).join(' + '),
  concat: ({ inputs }, name) => `torch.cat([${inputs.map(name).join(', ')}], 1)`,
  'max-pool3d': (node, name) => `F.max_pool3d(${name(node.inputs[0]!)}, ${list(windowOf(node, 'kernel'))})`,
  'average-pool3d': (node, name) =>
    `F.avg_pool3d(${name(node.inputs[0]!)}, ${list(windowOf(node, 'kernel'))})`,
  'global-average-pool': ({ inputs: [input] }, name) => `${name(input!)}.mean((2, 3, 4))`,
  linear: ({ inputs: [input, weight, bias] }, name) =>
    `F.linear(${name(input!)}, ${name(weight!)}, ${bias ? name(bias) : 'None'})`,
  'upsample-trilinear': (node, name) =>
    `F.interpolate(${name(node.inputs[0]!)}, scale_factor=(${windowOf(node, 'scale').join('., ')}.), mode='trilinear', align_corners=False)`,
  'scalar-blocks'({ inputs: [matrix], attributes: { size } }, name) {
    const value = name(matrix!);
    return `torch.kron(${value}, torch.eye(${String(size)}, dtype=${value}.dtype, device=${value}.device))[..., None, None, None]`;
  },
  'cross-stitch'({ inputs: [own, other, weight] }, name) {
    const row = (index: number): string => `${name(weight!)}[${index}].view(-1, 1, 1, 1)`;
    return `${name(own!)} * ${row(0)} + ${name(other!)} * ${row(1)}`;
  },
};

/** An op of ours as an expression. @throws UsageError naming an op that there is no expression for. */
export function expressionOf(node: GraphNode, name: NameOf): string {
  const translation = Object.hasOwn(TRANSLATIONS, node.op) ? TRANSLATIONS[node.op] : undefined;
  if (!translation) throw inexpressible('the PyTorch file', node);
  return translation(node, name);
}
