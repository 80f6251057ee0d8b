import { describe, expect, it } from 'vitest';
import { MemoryFiles } from '../../../src/core/files.ts';
import type { Shape } from '../../../src/core/shape.ts';
import { type Graph, traceNetwork } from '../../../src/engine/nn/graph.ts';
import type { Architecture } from '../../../src/engine/nn/network.ts';
import { architectureOf } from '../../../src/engine/nn/networks/index.ts';
import type { Op } from '../../../src/engine/tape/op.ts';
import type { Tensor } from '../../../src/engine/tape/tensor.ts';
import { findFormat } from '../../../src/pipeline/exchange/index.ts';
import { toOnnx } from '../../../src/pipeline/exchange/onnx/onnx.ts';
import { OnnxGraph, translate } from '../../../src/pipeline/exchange/onnx/onnx-ops.ts';
import { testedOps } from '../../structure/recordings.ts';
import { filesBelow } from '../../structure/sources.ts';
import type { Reference } from '../../support/describe-op.ts';
import { EXPORTED, exportedModel, predictionOf } from '../../support/exchange.ts';
import { useGpu } from '../../support/gpu.ts';
import { type Nd, normal, toFloat32 } from '../../support/nd.ts';
import { onnxBreaches, readOnnx } from '../../support/onnx.ts';
import { runOnnx } from '../../support/onnx-run.ts';
import { onnxRuntime } from '../../support/peers.ts';

const SIZES: readonly Shape[] = [
  [8, 8, 8],
  [4, 8, 12],
  [12, 4, 8],
];
const ort = await onnxRuntime();
/** Ops that predictions apply: dropout and penalties are for training. */
const LAYERS = new Set(
  filesBelow('src/engine/ops', '.ts').filter(
    (path) => !/\/(dropout|parameter-distance|half-overlap)\.ts$/.test(path),
  ),
);
/** Elements of a case that the formulas in doubles are quick with. */
const SMALL = 6000;

/** The largest difference, of values above 1 as a share of the largest of them. */
function difference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  const largest = Array.from(b).reduce((most, value) => Math.max(most, Math.abs(value)), 1);
  return Array.from(a).reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0) / largest;
}

/** An op alone as a network: its first input is the network's, the others are parameters. */
function alone(op: Op<unknown, unknown>, shapes: readonly Shape[], attributes: object): Graph {
  const architecture = {
    inChannels: shapes[0]![1],
    heads: [],
    patchMultiple: [1, 1, 1],
    forward: (scope, input) => {
      const parameter = (name: string, shape: Shape): Tensor =>
        scope.parameter(name, shape, { kind: 'zeros' });
      const rest = shapes.slice(1).map((shape, i) => parameter(`p${i}`, shape));
      const own = { ...input, shape: shapes[0]! };
      const settings = Object.entries(attributes).map(([name, value]) => [
        name,
        typeof value === 'object' && value !== null && 'data' in value
          ? parameter(name, (value as Nd).shape)
          : value,
      ]);
      return new Map([['out', [scope.apply(op, [own, ...rest], Object.fromEntries(settings))]]]);
    },
  } as Architecture;
  return traceNetwork(architecture);
}

describe('export as ONNX', () => {
  const context = useGpu();

  it.each(EXPORTED.map(({ name }) => name))('%s keeps the rules of the format', (name) => {
    const model = readOnnx(toOnnx({ model: exportedModel(name), name, version: '1' }));
    expect(onnxBreaches(model)).toEqual([]);
    expect(model.inputs).toEqual([{ name: 'input', shape: ['batch', 2, 'depth', 'height', 'width'] }]);
    expect(JSON.parse(model.metadata.get('channels')!)).toEqual(['T1w', 'FLAIR']);
    expect(JSON.parse(model.metadata.get('spacing')!)).toEqual([[1, 1, 2]]);
    const heads = JSON.parse(model.metadata.get('heads')!) as { name: string }[];
    expect(heads.map((head) => head.name)).toEqual(model.outputs.map((output) => output.name));
  });

  it.each(EXPORTED.map(({ name }) => name))(
    '%s computes what our kernels do, at three sizes',
    async (name) => {
      const model = exportedModel(name);
      const bytes = toOnnx({ model, name, version: '1' });
      const read = readOnnx(bytes);
      for (const [i, extents] of SIZES.entries()) {
        const input = normal([1, 2, ...extents], i + 1);
        const ours = await predictionOf(context.gpu, model, input);
        const theirs = runOnnx(read, new Map([['input', input]]));
        for (const [head, values] of ours)
          expect(difference(values, theirs.get(head)!.data)).toBeLessThan(1e-4);
        if (!ort) continue;
        const other = await ort(bytes, { input: { data: toFloat32(input), shape: input.shape } });
        for (const [head, values] of ours) expect(difference(values, other.get(head)!)).toBeLessThan(1e-4);
      }
    },
  );

  it('writes every op with all its attributes, except what a prediction leaves out', async () => {
    const ops = (await testedOps()).filter(({ stem }) => LAYERS.has(`src/engine/ops/${stem}.ts`));
    const checked = new Set<string>();
    for (const { stem, op, cases } of ops) {
      const camel = stem.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
      const references = (await import(`../../reference/${stem}.ts`)) as Record<string, Reference<unknown>>;
      const reference = references[`${camel}Reference`]!;
      for (const { inputs, attributes } of cases) {
        const settings = attributes as Readonly<Record<string, unknown>>;
        if (inputs.length === 0 || settings.training === true || inputs[0]!.shape.length < 2) continue;
        if (inputs.some(({ data }) => data.length > SMALL)) continue;
        checked.add(stem);
        const traced = alone(
          op as Op<unknown, unknown>,
          inputs.map(({ shape }) => shape),
          settings,
        );
        const tensors = Object.entries(settings).filter(
          ([, value]) => typeof value === 'object' && value !== null && 'data' in value,
        );
        const weights = new Map<string, Float32Array>([
          ...inputs.slice(1).map((value, i): [string, Float32Array] => [`p${i}`, toFloat32(value)]),
          ...tensors.map(([name, value]): [string, Float32Array] => [name, toFloat32(value as Nd)]),
        ]);
        const graph = new OnnxGraph(weights);
        for (const node of traced.nodes) translate(graph, node);
        const { name } = traced.outputs.get('out')!;
        const model = {
          irVersion: 8,
          opset: 17,
          nodes: graph.nodes.map((node) => ({
            name: node.output,
            type: node.type,
            inputs: node.inputs,
            outputs: [node.output],
            attributes: Object.fromEntries(
              Object.entries(node.attributes ?? {}).map(([key, value]) => [
                key,
                typeof value === 'object' && 'float' in value ? value.float : value,
              ]),
            ) as never,
          })),
          constants: graph.constants,
          inputs: [],
          outputs: [{ name, shape: [] }],
          metadata: new Map(),
        };
        const found = runOnnx(model, new Map([['input', inputs[0]!]])).get(name)!;
        const wanted = reference.forward(inputs, attributes);
        expect(difference(found.data, wanted.data), `${stem} ${JSON.stringify(settings)}`).toBeLessThan(1e-6);
      }
    }
    expect([...checked].sort()).toEqual(ops.map(({ stem }) => stem).sort());
  });

  it('refuses an op that it has no words for, naming it', async () => {
    const graph = traceNetwork(architectureOf(exportedModel('meshnet').info.network));
    const other = { ...graph.nodes[0]!, op: 'fourier-mix' };
    expect(() => translate(new OnnxGraph(new Map()), other)).toThrow(
      /ONNX cannot express fourier-mix \(conv3d_0\): it has no such op/,
    );
    expect(() => findFormat('caffe')).toThrow(/there is no format "caffe"/);
    const out = new MemoryFiles();
    const written = await findFormat('onnx').write(
      { model: exportedModel('elu'), name: 'elu', version: '1' },
      out,
    );
    expect(written.files).toEqual(['elu.onnx']);
    expect([...out.files.keys()]).toEqual(['elu.onnx']);
  });

  it('is checked by rules that a broken file breaks', () => {
    const model = readOnnx(toOnnx({ model: exportedModel('elu'), name: 'elu', version: '1' }));
    const breaches = (change: Partial<typeof model>): string[] => onnxBreaches({ ...model, ...change });
    expect(breaches({ nodes: model.nodes.toReversed() })).not.toEqual([]);
    expect(breaches({ nodes: model.nodes.slice(1) })).not.toEqual([]);
    expect(breaches({ opset: 9 })).not.toEqual([]);
    const [name, tensor] = [...model.constants][0]!;
    expect(
      breaches({ constants: new Map([...model.constants, [name, { ...tensor, shape: [1] }]]) }),
    ).toHaveLength(1);
    expect(
      breaches({ constants: new Map([...model.constants, ['idle', { ...tensor, name: 'idle' }]]) }),
    ).toHaveLength(1);
  });
});
