import { describe, expect, it, vi } from 'vitest';
import { CheckpointError, GpuError, NonFiniteError } from '../../../src/core/errors.ts';
import { Random } from '../../../src/core/random.ts';
import { encodeTrainingState, stateHash } from '../../../src/engine/checkpoint/training-state.ts';
import type { Capabilities } from '../../../src/engine/gpu/capabilities.ts';
import { Gpu } from '../../../src/engine/gpu/gpu.ts';
import { DEFAULT_LOSS, segmentationLoss } from '../../../src/engine/loss/segmentation-loss.ts';
import { Network } from '../../../src/engine/nn/network.ts';
import { architectureOf } from '../../../src/engine/nn/networks/index.ts';
import { LOSS_SCALING } from '../../../src/engine/optim/loss-scale.ts';
import { compilePlan, type PlanStatistics } from '../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import type { Element } from '../../../src/engine/tape/tensor.ts';
import { decodeTrainingState, type TrainingState } from '../../../src/pipeline/models/model.ts';
import { Predictor } from '../../../src/pipeline/predict/predictor.ts';
import type { StepReport } from '../../../src/pipeline/train/request.ts';
import { train } from '../../../src/pipeline/train/run.ts';
import { TrainingSession } from '../../../src/pipeline/train/session.ts';
import { LESION_HEAD, presetOf, type Variant, variantConfig } from '../../../src/study/presets/index.ts';
import { useGpu } from '../../support/gpu.ts';
import { normal, toFloat32 } from '../../support/nd.ts';
import { tinyData } from './fixture.ts';

// A software driver compiles for seconds.
vi.setConfig({ testTimeout: 240_000 });
const context = useGpu();

/** Records a network, its loss and backward; `run` may replay them. */
async function withNetwork<T>(
  gpu: Gpu,
  shape: { readonly patch: number; readonly baseChannels: number; readonly levels: number },
  { variant, stored, scale }: { readonly variant: Variant; readonly stored: Element; readonly scale: number },
  run: (net: Network, statistics: PlanStatistics, replay: () => void) => Promise<T>,
): Promise<T> {
  const { patch } = shape;
  const modalities = ['FLAIR', 'T1w', 'T2w', 'PD'];
  const config = variantConfig(variant, modalities, shape);
  const random = gpu.executes ? { random: new Random(3) } : {};
  const net = await Network.create(gpu, architectureOf(config), { training: true, ...random });
  const specs = [
    { name: 'input', shape: [1, 4, patch, patch, patch] },
    ...net.architecture.heads.map(({ name, channels }) => ({
      name,
      shape: [1, channels - 1, patch, patch, patch],
    })),
    { name: 'scale', shape: [1] },
  ];
  const store = await TensorStore.create(gpu, 'data', specs);
  if (gpu.executes) {
    store.write('input', toFloat32(normal(specs[0]!.shape, 1)));
    for (const { name, shape: size } of specs.slice(1, -1))
      store.write(
        name,
        toFloat32(normal(size, 2)).map((x) => (x > 1.5 ? 1 : 0)),
      );
    store.write('scale', Float32Array.of(scale));
  }
  const tape = new Tape(gpu.capabilities);
  const roots = [...net.forward(tape, store.get('input'), 'train', stored)].map(([head, [logits]]) => ({
    output: tape.apply(segmentationLoss, [logits!], { ...DEFAULT_LOSS, target: store.get(head) }),
    grad: store.get('scale'),
  }));
  tape.backward(roots);
  const plan = await compilePlan(gpu, tape.commands, { label: 'step', poison: gpu.executes });
  try {
    return await run(net, plan.statistics, () => plan.run());
  } finally {
    for (const owner of [plan, net, store]) owner.destroy();
  }
}

function lengthOf(values: Float32Array): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0));
}

describe('a network that stores 16-bit floats', () => {
  it.for(['single', 'cross-stitch'] as const)(
    '%s: has the gradients of one that stores 32',
    async (variant, { skip }) => {
      skip(!context.gpu.capabilities.f16, 'the adapter has no 16-bit floats');
      const gradients = (stored: Element, scale: number): Promise<Map<string, Float32Array>> =>
        withNetwork(
          context.gpu,
          { patch: 8, baseChannels: 4, levels: 3 },
          { variant, stored, scale },
          async (net, _, replay) => {
            replay();
            return await net.grads!.readAll();
          },
        );
      const right = await gradients('f32', 1);
      const scaled = await gradients('f16', LOSS_SCALING.start);
      const whole = lengthOf(Float32Array.from([...right.values()].flatMap((grad) => [...grad])));
      let apart = 0;
      for (const [name, grad] of scaled) {
        const exact = right.get(name)!;
        const distance = lengthOf(grad.map((x, i) => x / LOSS_SCALING.start - exact[i]!));
        apart += distance ** 2;
        // Gradients of scales in front of a batch norm all but cancel, so their own length is no measure.
        expect(distance, name).toBeLessThan(0.05 * lengthOf(exact) + 2e-3 * whole);
      }
      expect(Math.sqrt(apart)).toBeGreaterThan(0);
      expect(Math.sqrt(apart)).toBeLessThan(0.02 * whole);
    },
  );

  it('takes about half of the arena', async () => {
    const capabilities: Capabilities = {
      ...context.gpu.capabilities,
      family: 'gpu',
      subgroupSize: 0,
      f16: true,
    };
    const arena = (stored: Element): Promise<number> =>
      withNetwork(
        Gpu.counting(capabilities),
        { patch: 64, baseChannels: 16, levels: 4 },
        { variant: 'single', stored, scale: 1 },
        async (_, { arenaBytes }) => arenaBytes,
      );
    const [whole, half] = [await arena('f32'), await arena('f16')];
    expect(half / whole).toBeGreaterThan(0.45);
    expect(half / whole).toBeLessThan(0.6);
  });

  it('is refused on an adapter that has none', async () => {
    const gpu = Gpu.counting({ ...context.gpu.capabilities, f16: false });
    const { settings, scans } = await tinyData({ precision: 'f16' });
    const refusal = TrainingSession.create(gpu, scans, settings);
    await expect(refusal).rejects.toThrow(GpuError);
    await expect(refusal).rejects.toThrow(
      /has no 16-bit floats in shaders \(the WebGPU feature shader-f16\)/,
    );
    await expect(refusal).rejects.toMatchObject({ hint: expect.stringContaining('precision: f32') });
    expect(gpu.buffers).toEqual([]);
  });
});

describe('training on 16-bit floats', () => {
  it('gets to nearly the same loss', async ({ skip }) => {
    skip(!context.gpu.capabilities.f16, 'the adapter has no 16-bit floats');
    const losses = async (precision: Element): Promise<number[]> => {
      const steps: StepReport[] = [];
      // A lesion in each patch: the loss of one without goes up and down by chance.
      const patches = { lesionShare: 1, flips: false, intensity: 0 };
      const data = await tinyData({ precision, steps: 30, baseChannels: 4, lr: 1e-2, ...patches });
      await train(context.gpu, { ...data, onStep: (report) => steps.push(report) });
      expect(
        steps.every(({ lossScale }) => (precision === 'f16' ? lossScale! > 1 : lossScale === undefined)),
      ).toBe(true);
      return steps.map(({ loss }) => loss);
    };
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
    const [right, half] = [await losses('f32'), await losses('f16')];
    // It falls by 5 % in these few steps.
    expect(mean(right.slice(-10))).toBeLessThan(0.97 * mean(right.slice(0, 10)));
    expect(mean(half.slice(-10))).toBeLessThan(0.97 * mean(half.slice(0, 10)));
    expect(Math.abs(mean(half.slice(-10)) / mean(right.slice(-10)) - 1)).toBeLessThan(0.02);
  });

  /** A session some steps on, and its state with another scale. */
  async function started(extra: object, scale: number): Promise<[TrainingSession, TrainingState]> {
    const { settings, scans } = await tinyData({ precision: 'f16', ...extra });
    const session = await TrainingSession.create(context.gpu, scans, settings);
    await session.step(1e-3);
    const state = await session.save();
    return [session, { ...state, lossScale: { scale, goodSteps: 1, skippedSteps: 0 } }];
  }

  it('passes over a step that overflows, halves the scale, and goes on from its bytes bit for bit', async ({
    skip,
  }) => {
    skip(!context.gpu.capabilities.f16, 'the adapter has no 16-bit floats');
    const [session, state] = await started({}, 2 ** 31);
    session.restore(state);
    const [weights, moments] = [await session.net.parameters.readAll(), await session.adam.m.readAll()];
    const first = await session.step(1e-3);
    expect(first).toMatchObject({ step: 2, lossScale: 2 ** 31, skipped: true });
    expect(Number.isFinite(first.loss)).toBe(true);
    expect(await session.net.parameters.readAll()).toEqual(weights);
    expect(await session.adam.m.readAll()).toEqual(moments);
    const saved = await session.save();
    expect(saved.lossScale).toEqual({ scale: 2 ** 30, goodSteps: 0, skippedSteps: 1 });
    const bytes = await encodeTrainingState(saved);
    const go = async (): Promise<{ hash: string; scales: (number | undefined)[]; skipped: number }> => {
      const steps = [];
      for (let i = 0; i < 25; i++) steps.push(await session.step(1e-3));
      return {
        hash: await stateHash(await session.save()),
        scales: steps.map(({ lossScale }) => lossScale),
        skipped: steps.filter((step) => step.skipped).length,
      };
    };
    const whole = await go();
    expect(whole.scales[0]).toBe(2 ** 30);
    expect(whole.skipped).toBeGreaterThan(0);
    expect(whole.skipped).toBeLessThan(25);
    expect(whole.scales.at(-1)).toBe(2 ** (30 - whole.skipped));
    session.restore(await decodeTrainingState(bytes, 'state'));
    expect(await go()).toEqual(whole);
    const { lossScale: _, ...without } = saved;
    expect(() => session.restore(without)).toThrow(CheckpointError);
    expect(await stateHash(without)).not.toBe(await stateHash(saved));
    session.destroy();
  });

  it('ends where gradients overflow even without a scale, naming the tensor', async ({ skip }) => {
    skip(!context.gpu.capabilities.f16, 'the adapter has no 16-bit floats');
    const [session, state] = await started({ crossEntropy: 1e3 }, 2);
    session.restore(state);
    const head = 'heads.lesion.weight';
    session.net.parameters.write(
      head,
      state.model.weights.get(head)!.map((_, i, { length }) => (i < length / 2 ? -1e6 : 1e6)),
    );
    expect(await session.step(1e-3)).toMatchObject({ lossScale: 2, skipped: true });
    const error = await session.step(1e-3).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(NonFiniteError);
    expect((error as NonFiniteError).message).toMatch(
      /^step 3: the loss is [\d.e+]+ \(lesion\).*(Infinity|NaN) in grad .*, written by conv3d\/backward_input/,
    );
    session.destroy();
  });

  it('predicts with 32 bits and with 16 nearly the same', async ({ skip }) => {
    skip(!context.gpu.capabilities.f16, 'the adapter has no 16-bit floats');
    const [session] = await started({}, 1);
    const { scans } = await tinyData();
    const maps: Float32Array[] = [];
    for (const precision of ['f32', 'f16'] as const) {
      const predictor = await Predictor.create(context.gpu, session.net, presetOf('single').task, 8, {
        precision,
      });
      maps.push((await predictor.predict(scans[0]!)).get(LESION_HEAD.name)![0]!);
      predictor.destroy();
    }
    session.destroy();
    expect(maps[1]).not.toEqual(maps[0]);
    const apart = maps[1]!.map((p, i) => Math.abs(p - maps[0]![i]!));
    expect(Math.max(...apart)).toBeLessThan(0.01);
  });
});
