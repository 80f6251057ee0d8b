import { describe, expect, it } from 'vitest';
import type { Shape } from '../../../src/core/shape.ts';
import {
  DEFAULT_LOSS,
  type SegmentationLossSettings,
  segmentationLoss,
} from '../../../src/engine/loss/segmentation-loss.ts';
import { compilePlan } from '../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import {
  hardTarget,
  segmentationLossBadCases,
  segmentationLossCases,
} from '../../cases/segmentation-loss.ts';
import { lossParts, segmentationLossReference } from '../../reference/segmentation-loss.ts';
import { describeOp } from '../../support/describe-op.ts';
import { useGpu } from '../../support/gpu.ts';
import { withBindingLimit } from '../../support/limit.ts';
import { fromArray, type Nd, normal, relativeError, zeros } from '../../support/nd.ts';
import { runOp } from '../../support/run-op.ts';
import { withTarget } from '../../support/with-target.ts';

describeOp(withTarget, segmentationLossReference, segmentationLossCases, segmentationLossBadCases);

const literal: SegmentationLossSettings = { ...DEFAULT_LOSS, loss: 'literal', tpr: '+tpr' };
const everyLoss: readonly SegmentationLossSettings[] = segmentationLossCases
  .map(({ attributes }) => attributes)
  .filter((a, i, all) => all.findIndex((b) => JSON.stringify(a) === JSON.stringify(b)) === i);

/** Logits of two labels that give the lesion the same probability everywhere. */
function constantPrediction(shape: Shape, probability: number): Nd {
  const voxels = shape.slice(2).reduce((product, extent) => product * extent, shape[0]!);
  const logit = Math.log(probability / (1 - probability));
  return fromArray(shape, [...new Array<number>(voxels).fill(0), ...new Array<number>(voxels).fill(logit)]);
}

/** Logits of ±`size` that say what the target says, or its opposite. */
function certain(target: Nd, size: number): Nd {
  return fromArray(
    [1, 2, ...target.shape.slice(2)],
    [...Array.from(target.data, () => 0), ...Array.from(target.data, (r) => (r > 0.5 ? size : -size))],
  );
}

describe('segmentation loss', () => {
  const context = useGpu();
  const shape: Shape = [1, 2, 6, 8, 10];
  const target = hardTarget(shape, 1, 0.1);
  const lesion = target.data.reduce((sum, r) => sum + r, 0);
  const run = async (
    logits: Nd,
    truth: Nd,
    settings: SegmentationLossSettings,
  ): Promise<{ loss: number; grad: Float32Array }> => {
    const { output, grads } = await runOp(
      context.gpu,
      withTarget,
      [logits, truth],
      settings,
      fromArray([1], [1]),
    );
    return { loss: output[0]!, grad: grads[0]! };
  };
  const value = (logits: Nd, settings: SegmentationLossSettings): number =>
    segmentationLossReference.forward([logits, target], settings).data[0]!;

  it('prefers the empty mask to the perfect one, and to every constant, where eqs. 1-3 are taken as printed', async () => {
    const empty = (await run(constantPrediction(shape, 1e-9), target, literal)).loss;
    const perfect = (await run(certain(target, 40), target, literal)).loss;
    expect(empty).toBeCloseTo(1, 5);
    expect(perfect).toBeCloseTo(1 - 2 / (1 + lesion ** 2) + 2, 5);
    expect(empty).toBeLessThan(perfect);
    let previous = empty;
    for (let c = 0.02; c < 1; c += 0.02) {
      const { loss, grad } = await run(constantPrediction(shape, c), target, literal);
      expect(loss, `constant ${c}`).toBeGreaterThan(previous);
      // Raising the lesion's logits together raises the loss.
      const direction = grad.subarray(grad.length / 2).reduce((sum, g) => sum + g, 0);
      expect(direction, `constant ${c}`).toBeGreaterThan(0);
      previous = loss;
    }
  });

  it('turns that round with 1 - TPR', () => {
    for (const loss of ['generalized-dice', 'dice'] as const) {
      const settings: SegmentationLossSettings = { ...DEFAULT_LOSS, loss, tpr: '1-tpr' };
      expect(value(certain(target, 40), settings)).toBeLessThan(1e-5);
      expect(value(constantPrediction(shape, 1e-9), settings)).toBeGreaterThan(1.5);
    }
  });

  it('is flat in eq. 1 as printed: a perfect prediction of n voxels scores 1 - 2 / (1 + n²)', async () => {
    const eq1: SegmentationLossSettings = { ...DEFAULT_LOSS, loss: 'literal' };
    const perfect = await run(certain(target, 40), target, eq1);
    expect(1 - perfect.loss).toBeCloseTo(2 / (1 + lesion ** 2), 6);
    const large = hardTarget([1, 2, 32, 32, 32], 2, 0.4);
    const { loss } = await run(certain(large, 40), large, eq1);
    expect(loss).toBeCloseTo(1, 7);
    const right = await run(normal(shape, 5), target, { ...eq1, loss: 'dice' });
    const flat = await run(normal(shape, 5), target, eq1);
    const size = (grad: Float32Array): number => Math.hypot(...grad);
    expect(size(flat.grad)).toBeLessThan(size(right.grad) / 20);
  });

  it('is Sudre’s formula where weights are large and small', () => {
    const sums = (of: (p: number, r: number) => number, logits: Nd, label: number): number => {
      const voxels = logits.data.length / 2;
      let sum = 0;
      for (let v = 0; v < voxels; v++) {
        const p = 1 / (1 + Math.exp(logits.data[v]! - logits.data[voxels + v]!));
        sum += label === 1 ? of(p, target.data[v]!) : of(1 - p, 1 - target.data[v]!);
      }
      return sum;
    };
    const logits = normal(shape, 6);
    let numerator = 0;
    let denominator = 0;
    for (const label of [0, 1]) {
      const w = 1 / sums((_, r) => r, logits, label) ** 2;
      numerator += w * sums((p, r) => p * r, logits, label);
      denominator += w * sums((p, r) => p + r, logits, label);
    }
    expect(value(logits, DEFAULT_LOSS)).toBeCloseTo(1 - (2 * numerator) / denominator, 6);
  });

  it.each(everyLoss.map((settings) => [JSON.stringify(settings), settings] as const))(
    'stays finite with logits of ±80 and with no truth: %s',
    async (_, settings) => {
      const truths = [target, hardTarget(shape, 1, 0.1, [0]), hardTarget(shape, 3, 1)];
      for (const truth of truths) {
        for (const logits of [certain(truth, 80), certain(truth, -80), normal(shape, 4, 80)]) {
          const { loss, grad } = await run(logits, truth, settings);
          const [expected] = segmentationLossReference.backward(
            [logits, truth],
            settings,
            fromArray([1], [1]),
          );
          expect(loss).toBeCloseTo(segmentationLossReference.forward([logits, truth], settings).data[0]!, 3);
          expect(grad.every(Number.isFinite)).toBe(true);
          expect(relativeError(grad, expected!.data)).toBeLessThan(1e-4);
        }
      }
    },
  );

  it.each(everyLoss.map((settings) => [JSON.stringify(settings), settings] as const))(
    'never rewards a lesion where there is no truth: %s',
    async (_, settings) => {
      const nothing = zeros(target.shape);
      const { grad } = await run(normal(shape, 8), nothing, settings);
      // The gradient by lesion logits is zero or positive: a step down the gradient predicts less.
      expect(Math.min(...grad.subarray(grad.length / 2))).toBeGreaterThanOrEqual(0);
      if (settings.loss === 'generalized-dice' || settings.crossEntropy > 0)
        expect(Math.max(...grad.subarray(grad.length / 2))).toBeGreaterThan(1e-6);
      if (settings.tpr !== 'off')
        expect(lossParts(normal(shape, 8), nothing, settings).tpr, 'TPR term').toBe(0);
    },
  );

  it('does not take rounding of 1 - sum(foreground) for background', async () => {
    const wide: Shape = [1, 4, 16, 16, 16];
    const voxels = 4096;
    const third = fromArray(
      [1, 3, 16, 16, 16],
      Float32Array.from({ length: 3 * voxels }, (_, i) => [0.2, 0.3, 0.50000006][Math.floor(i / voxels)]!),
    );
    const { loss, grad } = await run(normal(wide, 9), third, DEFAULT_LOSS);
    const [expected] = segmentationLossReference.backward(
      [normal(wide, 9), third],
      DEFAULT_LOSS,
      fromArray([1], [1]),
    );
    expect(loss).toBeGreaterThan(0.3);
    expect(loss).toBeLessThan(1);
    expect(relativeError(grad, expected!.data)).toBeLessThan(2e-5);
  });

  it('holds the cross entropy of the most labels, all equally likely', async () => {
    // A lane multiplies the totals of all its voxels, each as large as there are labels, before it takes the logarithm.
    const widest: Shape = [1, 32, 16, 16, 16];
    const settings: SegmentationLossSettings = { ...DEFAULT_LOSS, crossEntropy: 1 };
    const truth = hardTarget(widest, 5, 0.9);
    const { output } = await runOp(context.gpu, withTarget, [zeros(widest), truth], settings);
    const expected = segmentationLossReference.forward([zeros(widest), truth], settings).data[0]!;
    expect(expected).toBeGreaterThan(Math.log(32));
    expect(output[0]).toBeCloseTo(expected, 4);
  });

  it('gives its parts, scales with grad_output, adds to a gradient that is there, and repeats its bits', async () => {
    const { gpu } = context;
    const settings: SegmentationLossSettings = {
      ...DEFAULT_LOSS,
      tpr: '1-tpr',
      tprWeight: 0.3,
      crossEntropy: 2,
    };
    const logits = normal(shape, 10);
    const grads = await TensorStore.create(gpu, 'grads', [{ name: 'logits', shape }]);
    const values = await TensorStore.create(gpu, 'logits', [{ name: 'logits', shape }], { grads });
    const fixed = await TensorStore.create(gpu, 'fixed', [
      { name: 'target', shape: target.shape },
      { name: 'parts', shape: [3] },
      { name: 'one', shape: [1] },
      { name: 'half', shape: [1] },
    ]);
    values.write('logits', Float32Array.from(logits.data));
    fixed.write('target', Float32Array.from(target.data));
    fixed.write('one', Float32Array.of(1));
    fixed.write('half', Float32Array.of(0.5));
    const tape = new Tape(gpu.capabilities);
    const apply = (): ReturnType<typeof tape.apply> =>
      tape.apply(segmentationLoss, [values.get('logits')], {
        ...settings,
        target: fixed.get('target'),
        parts: fixed.get('parts'),
      });
    const [first, second] = [apply(), apply()];
    tape.backward([
      { output: first, grad: fixed.get('one') },
      { output: second, grad: fixed.get('half') },
    ]);
    const plan = await compilePlan(gpu, tape.commands, { label: 'test', keep: [first], poison: true });
    const bits: Float32Array[] = [];
    for (let i = 0; i < 2; i++) {
      plan.run();
      bits.push(await plan.read(first), await fixed.read('parts'), await grads.read('logits'));
    }
    const [loss, parts, grad] = bits as [Float32Array, Float32Array, Float32Array];
    const expected = lossParts(logits, target, settings);
    expect(relativeError(parts, [expected.overlap, expected.tpr, expected.crossEntropy])).toBeLessThan(1e-5);
    expect(loss[0]).toBeCloseTo(parts[0]! + 0.3 * parts[1]! + 2 * parts[2]!, 5);
    const [reference] = segmentationLossReference.backward([logits, target], settings, fromArray([1], [1.5]));
    expect(relativeError(grad, reference!.data)).toBeLessThan(2e-5);
    expect(bits.slice(3)).toEqual(bits.slice(0, 3));
    plan.destroy();
    for (const store of [grads, values, fixed]) store.destroy();
  });

  it.each([
    ['once a sample', [2, 2, 4, 8, 8], 3840],
    ['on slabs of voxels', [2, 3, 16, 24, 33], 60_000],
    ['on slabs of an odd number of voxels', [2, 2, 9, 25, 31], 26_000],
  ] as const)('is worked out %s where the device binds less, with the same bits', async (_, shape, limit) => {
    const { gpu } = context;
    const [items, labels, ...volume] = shape;
    const specs = [
      { name: 'logits', shape },
      { name: 'target', shape: [items, labels - 1, ...volume] },
      { name: 'one', shape: [1] },
    ];
    const store = await TensorStore.create(gpu, 'split', specs);
    const grads = await TensorStore.create(gpu, 'split grads', [{ name: 'logits', shape }]);
    store.write('logits', Float32Array.from(normal(shape, 11).data));
    store.write('target', Float32Array.from(hardTarget(shape, 12).data));
    store.write('one', Float32Array.of(1));
    const compute = async (): Promise<readonly Float32Array[]> => {
      const tape = new Tape(gpu.capabilities);
      const logits = { ...store.get('logits'), requiresGrad: true, grad: grads.get('logits') };
      const target = store.get('target');
      // Twice, so that the second gradient is added to the first.
      const outputs = [1, 2].map(() =>
        tape.apply(segmentationLoss, [logits], { ...DEFAULT_LOSS, crossEntropy: 1, target }),
      );
      tape.backward(outputs.map((output) => ({ output, grad: store.get('one') })));
      const plan = await compilePlan(gpu, tape.commands, { label: 'split', keep: outputs, poison: true });
      plan.run();
      const results = [await plan.read(outputs[0]!), await grads.read('logits')];
      plan.destroy();
      return results;
    };
    const whole = await withBindingLimit(gpu, gpu.capabilities.maxBindingBytes, compute);
    const parts = await withBindingLimit(gpu, limit, compute);
    expect(parts.value).toEqual(whole.value);
    expect(parts.bound.largest).toBeLessThanOrEqual(limit);
    expect(parts.bound.groups).toBeGreaterThan(whole.bound.groups);
    store.destroy();
    grads.destroy();
  });
});
