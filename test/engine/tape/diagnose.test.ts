import { describe, expect, it } from 'vitest';
import { relu } from '../../../src/engine/ops/relu.ts';
import { sigmoid } from '../../../src/engine/ops/sigmoid.ts';
import { firstNonFinite } from '../../../src/engine/tape/diagnose.ts';
import { compilePlan } from '../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import { useGpu } from '../../support/gpu.ts';

const context = useGpu();

describe('the first value that is not finite', () => {
  it('is found where it came from', async () => {
    const { gpu } = context;
    const store = await TensorStore.create(gpu, 'data', [{ name: 'x', shape: [1, 1, 2, 2, 2] }]);
    const tape = new Tape(gpu.capabilities);
    const a = tape.scope('first', () => tape.apply(relu, [store.get('x')], { slope: 0 }));
    const b = tape.scope('second', () => tape.apply(sigmoid, [a], {}));
    const plan = await compilePlan(gpu, tape.commands, { label: 'test', keep: [b] });
    store.write('x', Float32Array.of(1, 2, 3, 4, -5, 6, 7, 8));
    plan.run();
    const result = await plan.read(b);
    expect(await firstNonFinite(gpu, plan)).toBeUndefined();
    expect(await plan.read(b)).toEqual(result);
    store.write('x', Float32Array.of(1, Number.NaN, 3, 4, Number.NEGATIVE_INFINITY, 6, 7, 8));
    const found = (await firstNonFinite(gpu, plan))!;
    expect(found).toMatchObject({ by: null, value: Number.NaN, count: 2 });
    expect(found.tensor.label).toBe('x');
    expect(await firstNonFinite(gpu, plan, { before: plan.dispatches[0]!.label })).toBeUndefined();
    plan.destroy();
    store.destroy();
  });
});
