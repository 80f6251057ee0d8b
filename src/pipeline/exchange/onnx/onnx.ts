import { canonicalJson } from '../../../core/json.ts';
import { type Graph, traceNetwork } from '../../../engine/nn/graph.ts';
import { architectureOf } from '../../../engine/nn/networks/index.ts';
import { factsJson, modelFacts } from '../../models/facts.ts';
import type { ExportFormat, ExportRequest } from '../export-format.ts';
import { encodeOnnx, type OnnxValue } from './onnx-file.ts';
import { OnnxGraph, translate } from './onnx-ops.ts';

const SPATIAL = ['depth', 'height', 'width'];
const ACTIVATIONS = { softmax: 'Softmax', sigmoid: 'Sigmoid', none: 'Identity' } as const;

/** ONNX, operators of set 17: extents of the volume are free, and the outputs are probabilities. */
export const onnx: ExportFormat = {
  name: 'onnx',
  title: 'ONNX, operator set 17: ONNX Runtime and many others; probabilities come out',
  async write(request, out) {
    const file = `${request.name}.onnx`;
    await out.write(file, toOnnx(request));
    return {
      files: [file],
      notes: [
        'what is done to images before and to probabilities after stands in its metadata; the file holds the network alone',
      ],
    };
  },
};

/**
 * A model as the bytes of an .onnx file.
 * @throws UsageError naming an op that cannot be expressed.
 */
export function toOnnx({ model, name, version }: ExportRequest): Uint8Array {
  const { info, weights } = model;
  const facts = modelFacts(info);
  const traced = traceNetwork(architectureOf(info.network));
  const graph = new OnnxGraph(weights);
  for (const node of traced.nodes) translate(graph, node);
  const outputs: OnnxValue[] = facts.heads.map((head) => {
    const value = traced.outputs.get(head.name)!;
    const type = ACTIVATIONS[head.activation];
    graph.add(type, [value.name], head.name, type === 'Softmax' ? { axis: 1 } : {});
    return { name: head.name, shape: extentsOf(value.shape, traced) };
  });
  const json = factsJson(facts) as Readonly<Record<string, unknown>>;
  return encodeOnnx({
    name,
    description: `${facts.task}: a ${facts.network} network of voxelgrad. Input [batch, ${facts.channels.join(', ')}, depth, height, width]`,
    producerVersion: version,
    inputs: [{ name: traced.input.name, shape: extentsOf(traced.input.shape, traced) }],
    outputs,
    nodes: graph.nodes,
    constants: [...graph.constants.values()],
    metadata: Object.fromEntries(
      Object.entries(json).map(([key, value]) => [
        key,
        typeof value === 'string' ? value : canonicalJson(value as never),
      ]),
    ),
  });
}

/** Channels stay; batch and extents that are the input's get its words. */
function extentsOf(shape: readonly number[], { input }: Graph): OnnxValue['shape'] {
  const [, channels, ...extents] = shape;
  const free = extents.map((extent, a) =>
    extent === input.shape[a + 2] ? SPATIAL[a]! : `${SPATIAL[a]}_out`,
  );
  return ['batch', channels!, ...free];
}
