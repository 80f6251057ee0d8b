import { Random } from '../../src/core/random.ts';
import { Resources } from '../../src/core/resources.ts';
import type { Gpu } from '../../src/engine/gpu/gpu.ts';
import type { Activation } from '../../src/engine/loss/loss.ts';
import { initialValues } from '../../src/engine/nn/init.ts';
import { Network, type NetworkSpec } from '../../src/engine/nn/network.ts';
import { architectureOf, declarationOf, designNetwork } from '../../src/engine/nn/networks/index.ts';
import { recordPrediction } from '../../src/engine/nn/prediction.ts';
import { compilePlan } from '../../src/engine/tape/plan.ts';
import { TensorStore } from '../../src/engine/tape/store.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import { firstDecision, type Model } from '../../src/pipeline/models/model.ts';
import { headChannels, isScanValue, parseTask } from '../../src/pipeline/task/task.ts';
import '../../src/study/presets/index.ts';
import { type Nd, toFloat32 } from './nd.ts';

const LABELS = { name: 'matter', labels: ['GM', 'WM'], target: { from: 'dseg' } };
const REGIONS = { name: 'spots', labels: ['spot'], activation: 'sigmoid', target: { from: 'mask' } };
const SCORE = { name: 'score', target: { from: 'column', column: 'score' } };
const DISTANCE = { name: 'distance', target: { from: 'map', suffix: 'dist' } };

/** Every kind of network that comes with the program, and what is particular about some: its task and settings. */
export const EXPORTED: readonly {
  readonly name: string;
  readonly kind: string;
  readonly heads: readonly object[];
  readonly given?: object;
  /** Channels of the finest level (default 3). */
  readonly baseChannels?: number;
}[] = [
  { name: 'unet', kind: 'unet', heads: [LABELS, REGIONS] },
  {
    name: 'stitched',
    kind: 'unet',
    heads: [LABELS, { ...LABELS, name: 'other', labels: ['a', 'b'] }],
    given: { crossStitch: true },
  },
  { name: 'nnunet', kind: 'nnunet', heads: [LABELS] },
  { name: 'residual', kind: 'nnunet', heads: [REGIONS], given: { encoder: 'residual' } },
  { name: 'meshnet', kind: 'meshnet', heads: [LABELS], given: { dilations: [1, 2, 1] } },
  {
    name: 'gelu',
    kind: 'meshnet',
    heads: [LABELS],
    given: { dilations: [2, 1], activation: 'gelu', batchNorm: false },
  },
  { name: 'elu', kind: 'meshnet', heads: [REGIONS], given: { dilations: [1, 2], activation: 'elu' } },
  {
    name: 'instance',
    kind: 'meshnet',
    heads: [LABELS],
    given: { dilations: [1, 2, 4], activation: 'gelu', groupNorm: 'instance' },
  },
  { name: 'regression', kind: 'unet-regression', heads: [LABELS, SCORE, DISTANCE] },
  { name: 'soft', kind: 'unet-soft', heads: [LABELS, REGIONS] },
  { name: 'sluice', kind: 'unet-sluice', heads: [LABELS, REGIONS], baseChannels: 2 },
];

/** A small model of random weights, all of them other than where training would begin. */
export function exportedModel(name: string): Model {
  const found = EXPORTED.find((each) => each.name === name)!;
  const task = parseTask({ name, channels: ['T1w', 'FLAIR'], heads: found.heads }, name);
  const heads = task.heads.map((head) => ({
    name: head.name,
    channels: headChannels(head),
    ...(isScanValue(head) ? { perScan: true } : {}),
  }));
  const { baseChannels = 3 } = found;
  const request = { inChannels: 2, heads, baseChannels, levels: 3, patch: [8, 8, 8] } as const;
  const given =
    found.kind === 'unet-regression'
      ? { regressions: heads.slice(1), heads: heads.slice(0, 1), hidden: [4] }
      : (found.given ?? {});
  const network = designNetwork(found.kind, request, given);
  return {
    info: {
      task: { ...task, channels: task.channels! },
      network,
      decisions: Object.fromEntries(task.heads.map((head) => [head.name, firstDecision(head)])),
      patch: 8,
      spacing: [{ mm: [1, 1, 2], scans: ['01'] }],
      settings: { seed: 1 },
    },
    weights: found.given && 'groupNorm' in found.given ? withPlainNorms(network) : randomWeights(network),
  };
}

/** Random weights, but norms that scale and shift nothing, as Brainchop's. */
function withPlainNorms(network: NetworkSpec): Map<string, Float32Array> {
  const weights = randomWeights(network);
  for (const [name, values] of weights)
    if (/\.1\.(weight|bias)$/.test(name)) values.fill(name.endsWith('weight') ? 1 : 0);
  return weights;
}

/** Weights and running statistics that are all random; variances stay above 0. */
export function randomWeights(network: NetworkSpec, seed = 1): Map<string, Float32Array> {
  const random = new Random(seed);
  const { parameters, state } = declarationOf(network);
  const found = new Map<string, Float32Array>();
  for (const { name, shape, init } of [...parameters, ...state])
    found.set(
      name,
      initialValues(shape, init, random, found).map((value) => value + random.uniform(-0.2, 0.2)),
    );
  return found;
}

/** What our own kernels say of an input: by head the probabilities or values, [1, C, D, H, W]. */
export async function predictionOf(
  gpu: Gpu,
  { info, weights }: Model,
  input: Nd,
): Promise<Map<string, Float32Array>> {
  const activations = Object.fromEntries(info.task.heads.map((head) => [head.name, head.activation]));
  return await outputsOf(gpu, info.network, weights, input, activations);
}

/** The outputs of a network by head, by default without activations. */
export async function outputsOf(
  gpu: Gpu,
  network: NetworkSpec,
  weights: ReadonlyMap<string, Float32Array>,
  input: Nd,
  activations?: Readonly<Record<string, Activation>>,
): Promise<Map<string, Float32Array>> {
  return await Resources.build(async (owned) => {
    const architecture = architectureOf(network);
    const net = owned.add(await Network.create(gpu, architecture, { training: false }));
    net.load(weights);
    const store = owned.add(await TensorStore.create(gpu, 'input', [{ name: 'input', shape: input.shape }]));
    store.write('input', toFloat32(input));
    const tape = new Tape(gpu.capabilities);
    const none = Object.fromEntries(architecture.heads.map(({ name }) => [name, 'none' as const]));
    const outputs = recordPrediction(tape, net, store.get('input'), { activations: activations ?? none });
    const keep = [...outputs.values()];
    const plan = owned.add(await compilePlan(gpu, tape.commands, { label: 'outputs', keep }));
    plan.run();
    const found = new Map<string, Float32Array>();
    for (const [head, output] of outputs) found.set(head, await plan.read(output));
    owned.destroy();
    return found;
  });
}
