import { describe, expect, it } from 'vitest';
import { allLosses, findLoss } from '../../src/engine/loss/index.ts';
import type { Activation } from '../../src/engine/loss/loss.ts';
import { compilePlan } from '../../src/engine/tape/plan.ts';
import { TensorStore } from '../../src/engine/tape/store.ts';
import { Tape } from '../../src/engine/tape/tape.ts';
import { loadGolden } from '../support/golden.ts';
import { useGpu } from '../support/gpu.ts';
import { relativeError, toFloat32 } from '../support/nd.ts';

interface LossCase {
  readonly name: string;
  readonly data: string;
  readonly loss: string;
  readonly activation: Activation;
  readonly settings: Readonly<Record<string, unknown>>;
  readonly mask?: true;
}

const golden = loadGolden<LossCase>('overlap-losses');

describe('losses of the registry against PyTorch', () => {
  const context = useGpu();

  for (const { name, data, loss, activation, settings, mask } of golden.cases)
    it(name, async () => {
      const { gpu } = context;
      const names = ['logits', 'target', ...(mask ? ['mask'] : [])];
      const arrays = names.map((each) => golden.get(`${data}/${each}`));
      const grads = await TensorStore.create(gpu, 'grads', [{ name: 'logits', shape: arrays[0]!.shape }]);
      const logits = await TensorStore.create(gpu, 'logits', [{ name: 'logits', shape: arrays[0]!.shape }], {
        grads,
      });
      const fixed = await TensorStore.create(gpu, 'fixed', [
        ...names.slice(1).map((each, i) => ({ name: each, shape: arrays[i + 1]!.shape })),
        { name: 'one', shape: [1] },
      ]);
      logits.write('logits', toFloat32(arrays[0]!));
      names.slice(1).forEach((each, i) => {
        fixed.write(each, toFloat32(arrays[i + 1]!));
      });
      fixed.write('one', Float32Array.of(1));

      const bound = findLoss(loss).bind(settings, activation);
      expect(bound.targetShape(arrays[0]!.shape)).toEqual(arrays[1]!.shape);
      const tape = new Tape(gpu.capabilities);
      const output = bound.record(
        tape,
        logits.get('logits'),
        fixed.get('target'),
        mask ? fixed.get('mask') : undefined,
      );
      tape.backward([{ output, grad: fixed.get('one') }]);
      const plan = await compilePlan(gpu, tape.commands, { label: 'loss', keep: [output], poison: true });
      plan.run();
      const value = await plan.read(output);
      const grad = await grads.read('logits');
      plan.destroy();
      for (const store of [grads, logits, fixed]) store.destroy();
      expect(relativeError(value, golden.get(`${name}/value`).data), 'value').toBeLessThan(1e-5);
      expect(relativeError(grad, golden.get(`${name}/grad`).data), 'gradient').toBeLessThan(1e-5);
    });

  it('covers every loss but the paper’s, with every activation', () => {
    const paper = ['generalized-dice', 'dice', 'literal'];
    const wanted = allLosses()
      .filter(({ name }) => !paper.includes(name))
      .flatMap(({ name, activations }) => activations.map((activation) => `${name}, ${activation}`));
    const seen = new Set(golden.cases.map(({ loss, activation }) => `${loss}, ${activation}`));
    expect([...seen].sort()).toEqual(wanted.sort());
  });
});
