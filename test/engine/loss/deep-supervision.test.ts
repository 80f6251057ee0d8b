import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../../src/core/errors.ts';
import type { Shape } from '../../../src/core/shape.ts';
import { halvingWeights, recordDeepSupervision } from '../../../src/engine/loss/deep-supervision.ts';
import { loss } from '../../../src/engine/loss/index.ts';
import { compilePlan } from '../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import { tensor } from '../../../src/engine/tape/tensor.ts';
import { hardTarget } from '../../cases/segmentation-loss.ts';
import { DICE, regionTarget } from '../../cases/tversky-loss.ts';
import { downsampleNearestReference } from '../../reference/downsample-nearest.ts';
import { mseReference } from '../../reference/mse.ts';
import { tverskyLossReference } from '../../reference/tversky-loss.ts';
import { loadGolden } from '../../support/golden.ts';
import { useGpu } from '../../support/gpu.ts';
import { fromArray, type Nd, normal, relativeError, toFloat32 } from '../../support/nd.ts';

const one = fromArray([1], [1]);
const extents = [
  [4, 8, 8],
  [4, 4, 4],
  [2, 2, 2],
] as const;

function at(full: Nd, size: readonly [number, number, number]): Nd {
  return downsampleNearestReference.forward([full], { extents: size });
}

describe('deep supervision', () => {
  const context = useGpu();

  it('has weights that halve and sum to 1', () => {
    expect(halvingWeights(1)).toEqual([1]);
    expect(halvingWeights(3)).toEqual([4 / 7, 2 / 7, 1 / 7]);
    expect(halvingWeights(5).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 12);
  });

  /** Runs a loss on outputs of three resolutions; returns the value and the gradient of each. */
  async function run(
    bound: ReturnType<typeof loss.dice>,
    outputs: readonly Nd[],
    target: Nd,
    options: { weights?: readonly number[]; mask?: Nd } = {},
  ): Promise<{ value: number; grads: Float32Array[] }> {
    const { gpu } = context;
    const specs = outputs.map(({ shape }, i) => ({ name: `${i}`, shape }));
    const grads = await TensorStore.create(gpu, 'grads', specs);
    const logits = await TensorStore.create(gpu, 'logits', specs, { grads });
    const arrays = { target, one, ...(options.mask ? { mask: options.mask } : {}) };
    const fixed = await TensorStore.create(
      gpu,
      'fixed',
      Object.entries(arrays).map(([name, { shape }]) => ({ name, shape })),
    );
    outputs.forEach((each, i) => {
      logits.write(`${i}`, toFloat32(each));
    });
    for (const [name, each] of Object.entries(arrays)) fixed.write(name, toFloat32(each));
    const tape = new Tape(gpu.capabilities);
    const output = recordDeepSupervision(
      tape,
      bound,
      outputs.map((_, i) => logits.get(`${i}`)),
      fixed.get('target'),
      {
        ...(options.weights ? { weights: options.weights } : {}),
        ...(options.mask ? { mask: fixed.get('mask') } : {}),
      },
    );
    tape.backward([{ output, grad: fixed.get('one') }]);
    const plan = await compilePlan(gpu, tape.commands, { label: 'test', keep: [output], poison: true });
    plan.run();
    const [value] = await plan.read(output);
    const read: Float32Array[] = [];
    for (let i = 0; i < outputs.length; i++) read.push(await grads.read(`${i}`));
    plan.destroy();
    for (const store of [grads, logits, fixed]) store.destroy();
    return { value: value!, grads: read };
  }

  it.each([
    ['labels', 'softmax', [2, 3, 4, 8, 8]],
    ['regions', 'sigmoid', [2, 2, 4, 8, 8]],
  ] as const)('is the weighted sum over resolutions, of %s', async (_, activation, shape) => {
    const channels = shape[1];
    const target = activation === 'softmax' ? hardTarget(shape, 1, 0.4) : regionTarget(shape, 1, 0.4);
    const outputs = extents.map((size, i) => normal([2, channels, ...size], 2 + i));
    const { value, grads } = await run(loss.diceCe({ activation }), outputs, target);
    const settings = { ...DICE, activation, crossEntropy: 1 };
    const weights = halvingWeights(3);
    let expected = 0;
    outputs.forEach((output, i) => {
      const own = { ...settings, target: at(target, extents[i]!) };
      expected += weights[i]! * tverskyLossReference.forward([output], own).data[0]!;
      const [grad] = tverskyLossReference.backward([output], own, fromArray([1], [weights[i]!]));
      expect(relativeError(grads[i]!, grad!.data), `gradient ${i}`).toBeLessThan(2e-5);
    });
    expect(value).toBeCloseTo(expected, 5);
  });

  const golden = loadGolden<{ readonly name: string; readonly activation: 'softmax' | 'sigmoid' }>(
    'deep-supervision',
  );
  it.each(golden.cases)('is what PyTorch gives, of $name', async ({ name, activation }) => {
    const get = (part: string): Nd => golden.get(`${name}/${part}`);
    const outputs = extents.map((_, i) => get(`output${i}`));
    const { value, grads } = await run(loss.diceCe({ activation }), outputs, get('target'));
    expect(relativeError([value], get('value').data), 'value').toBeLessThan(1e-5);
    grads.forEach((grad, i) => {
      expect(relativeError(grad, get(`grad${i}`).data), `gradient ${i}`).toBeLessThan(1e-5);
    });
  });

  it('takes weights of one’s own, and a mask at each resolution', async () => {
    const [target, mask] = [normal([1, 2, 4, 8, 8], 1), regionTarget([1, 1, 4, 8, 8], 2, 0.5)];
    const outputs = extents.map((size, i) => normal([1, 2, ...size], 3 + i));
    const weights = [1, 0, 3];
    const { value, grads } = await run(loss.mse(), outputs, target, { weights, mask });
    let expected = 0;
    outputs.forEach((output, i) => {
      const own = { target: at(target, extents[i]!), mask: at(mask, extents[i]!) };
      expected += weights[i]! * mseReference.forward([output], own).data[0]!;
      const [grad] = mseReference.backward([output], own, fromArray([1], [weights[i]!]));
      expect(relativeError(grads[i]!, grad!.data), `gradient ${i}`).toBeLessThan(2e-5);
    });
    expect(value).toBeCloseTo(expected, 4);
  });

  it('is just the loss if there is one output', () => {
    const { gpu } = context;
    const logits = tensor('logits', [1, 2, 4, 4, 4], 'arena', { requiresGrad: true });
    const target = tensor('target', [1, 1, 4, 4, 4], 'arena');
    const labels = (record: (tape: Tape) => unknown): string[] => {
      const tape = new Tape(gpu.capabilities);
      record(tape);
      return tape.commands.map(({ label }) => label);
    };
    expect(labels((tape) => recordDeepSupervision(tape, loss.dice(), [logits], target))).toEqual(
      labels((tape) => loss.dice().record(tape, logits, target)),
    );
  });

  it('refuses what does not fit', () => {
    const tape = new Tape(context.gpu.capabilities);
    const output = (shape: Shape): ReturnType<typeof tensor> => tensor('o', shape, 'arena');
    const target = output([1, 1, 4, 4, 4]);
    const record = (shapes: readonly Shape[], weights?: readonly number[]) => (): unknown =>
      recordDeepSupervision(tape, loss.dice(), shapes.map(output), target, weights ? { weights } : {});
    expect(record([])).toThrow(ShapeError);
    expect(record([])).toThrow(/there is at least one output.*got 0 outputs/);
    expect(record([[1, 2, 4, 4, 4]], [1, 2])).toThrow(/1 outputs and 2 weights/);
    expect(
      record([
        [1, 2, 4, 4, 4],
        [1, 2, 3, 2, 2],
      ]),
    ).toThrow(/downsample-nearest: depth, height and width divide by those of the output, 3x2x2/);
    expect(
      record([
        [1, 2, 4, 4, 4],
        [1, 2],
      ]),
    ).toThrow(/outputs of several resolutions are \[batch, channels, depth, height, width\]; got 1x2/);
  });
});
