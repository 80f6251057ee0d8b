import { Random } from '../../core/random.ts';
import { sizeOf } from '../../core/shape.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import { Network } from '../../engine/nn/network.ts';
import { recordPrediction } from '../../engine/nn/prediction.ts';
import type { Command } from '../../engine/tape/command.ts';
import { compilePlan } from '../../engine/tape/plan.ts';
import { TensorStore } from '../../engine/tape/store.ts';
import { Tape } from '../../engine/tape/tape.ts';
import { median, timeRoundRobin } from '../../engine/tune/timing.ts';
import { Predictor } from '../predict/predictor.ts';
import { tileCorners } from '../predict/tiles.ts';
import { BENCH_TASK, recordStep, requestOf, type StepShape } from './bench-step.ts';
import type { CaseOptions } from './run-case.ts';
import { STEP_SHAPE } from './step.ts';

/** A whole network at work, as other engines can be asked for it. */
export interface NetworkCase {
  readonly kernel: 'network/step' | 'network/forward' | 'network/volume';
  readonly network: StepShape;
}

/** What a network took. */
export interface NetworkTiming {
  readonly kernel: NetworkCase['kernel'];
  /** `4->2@2x32x32x32, base 8, 3 levels`, and of a volume how it is cut. */
  readonly shape: string;
  /** Median; of a volume the only run. */
  readonly ms: number;
  readonly bestMs: number;
  /** Passes through the network: the tiles of a volume, else 1. */
  readonly passes: number;
  /** What an engine that only runs networks is asked for; it takes `passes` of them. */
  readonly pass: { readonly kernel: string; readonly shape: string };
}

/** The size of quick runs, which slower engines end, too. */
const QUICK: StepShape = { ...STEP_SHAPE, baseChannels: 8, levels: 3, patch: 32, batch: 2 };
const VOLUME = [182, 218, 182] as const;
const OVERLAP = 0.5;
/** Half axes of the brain in a volume, in voxels of 1 mm. */
const BRAIN = [65, 85, 68] as const;
const LEAST_ROUNDS = 3;

/** The rows; the volume, which takes minutes, is left out unless it is asked for by name. */
export const NETWORK_CASES: readonly NetworkCase[] = [
  { kernel: 'network/step', network: QUICK },
  { kernel: 'network/step', network: { ...QUICK, kind: 'nnunet' } },
  { kernel: 'network/step', network: { ...QUICK, kind: 'meshnet' } },
  { kernel: 'network/step', network: { ...QUICK, kind: 'unet-regression', scanValue: true } },
  { kernel: 'network/step', network: STEP_SHAPE },
  { kernel: 'network/forward', network: STEP_SHAPE },
  { kernel: 'network/volume', network: STEP_SHAPE },
];

/** `4->2@2x32x32x32, base 8, 3 levels`, with the kind where it is not the default one; of a volume with its extents and how it is cut. */
export function describeNetwork({ kernel, network }: NetworkCase): string {
  if (kernel !== 'network/volume') return describePass(network);
  const { channels, baseChannels, levels, patch } = network;
  return `${channels}->2@${VOLUME.join('x')}, base ${baseChannels}, ${levels} levels, tiles of ${patch}, overlap ${OVERLAP}`;
}

function describePass({ kind, channels, baseChannels, levels, patch, batch }: StepShape): string {
  const size = `${channels}->2@${[batch, patch, patch, patch].join('x')}, base ${baseChannels}, ${levels} levels`;
  return kind === undefined ? size : `${size}, ${kind}`;
}

/**
 * Times a training step (forward, loss, backward, Adam), a forward pass with softmax, or the sliding window over a whole
 * volume, cutting and blending included, once.
 * @throws OutOfMemoryError, GpuError, DeviceLostError.
 */
export async function timeNetwork(
  gpu: Gpu,
  one: NetworkCase,
  options: Pick<CaseOptions, 'seconds' | 'wanted'>,
): Promise<NetworkTiming> {
  const { kernel, network } = one;
  const shape = describeNetwork(one);
  if (kernel === 'network/volume') {
    const { ms, tiles } = await timeVolume(gpu, network, options.wanted);
    const pass = { kernel: 'network/forward', shape: describePass(network) };
    return { kernel, shape, ms, bestMs: ms, passes: tiles, pass };
  }
  const time = kernel === 'network/step' ? timeTrainingStep : timeForward;
  const times = await time(gpu, network, options);
  return { kernel, shape, ms: median(times), bestMs: Math.min(...times), passes: 1, pass: { kernel, shape } };
}

type Time = (gpu: Gpu, network: StepShape, options: Parameters<typeof timeNetwork>[2]) => Promise<number[]>;

const timeTrainingStep: Time = async (gpu, network, { seconds, wanted }) => {
  const tape = new Tape(gpu.capabilities, wanted);
  const step = await recordStep(gpu, network, tape);
  try {
    return await timeCommands(gpu, step.commands, seconds);
  } finally {
    step.destroy();
  }
};

const timeForward: Time = async (gpu, network, { seconds, wanted }) => {
  const { net, input } = await networkOf(gpu, network);
  try {
    const tape = new Tape(gpu.capabilities, wanted);
    recordPrediction(tape, net, input.get('input'));
    return await timeCommands(gpu, tape.commands, seconds);
  } finally {
    input.destroy();
    net.destroy();
  }
};

async function timeCommands(gpu: Gpu, commands: readonly Command[], seconds: number): Promise<number[]> {
  const plan = await compilePlan(gpu, commands, { label: 'network' });
  try {
    const [times] = await timeRoundRobin(gpu, [plan], { least: LEAST_ROUNDS, seconds });
    return times!;
  } finally {
    plan.destroy();
  }
}

async function timeVolume(
  gpu: Gpu,
  network: StepShape,
  wanted?: (slot: string) => string | undefined,
): Promise<{ ms: number; tiles: number }> {
  const { net, input } = await networkOf(gpu, network);
  input.destroy();
  const predictor = await Predictor.create(gpu, net, BENCH_TASK, network.patch, { wanted });
  const window = await predictor.window(VOLUME);
  try {
    const brain = ellipsoid();
    const random = new Random(2);
    const channels = Array.from({ length: network.channels }, () =>
      Float32Array.from({ length: sizeOf(VOLUME) }, () => random.normal()),
    );
    const { patch } = network;
    const tiles = tileCorners(VOLUME, [patch, patch, patch], OVERLAP, brain).length;
    const start = performance.now();
    await window.predict(channels, { overlap: OVERLAP, brain });
    return { ms: performance.now() - start, tiles };
  } finally {
    window.destroy();
    predictor.destroy();
    net.destroy();
  }
}

async function networkOf(gpu: Gpu, shape: StepShape): Promise<{ net: Network; input: TensorStore }> {
  const { network, batch, patch } = requestOf(shape);
  const random = new Random(1);
  const net = await Network.create(gpu, network, { training: false, random });
  const extents = [batch, network.inChannels, ...patch];
  const input = await TensorStore.create(gpu, 'batch', [{ name: 'input', shape: extents }]);
  input.write(
    'input',
    Float32Array.from({ length: sizeOf(extents) }, () => random.uniform(-1.7, 1.7)),
  );
  return { net, input };
}

/** A brain of a usual size in the middle of the volume. */
function ellipsoid(): Uint8Array {
  const [, height, width] = VOLUME;
  return Uint8Array.from({ length: sizeOf(VOLUME) }, (_, i) => {
    const at = [Math.floor(i / (height * width)), Math.floor(i / width) % height, i % width];
    return at.reduce((r, v, axis) => r + ((v - VOLUME[axis]! / 2) / BRAIN[axis]!) ** 2, 0) <= 1 ? 1 : 0;
  });
}
