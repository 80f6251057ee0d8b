import { describe, expect, it } from 'vitest';
import type { Capabilities } from '../../../src/engine/gpu/capabilities.ts';
import { add } from '../../../src/engine/ops/add.ts';
import { relu } from '../../../src/engine/ops/relu.ts';
import { expectActivation, expectInputs, expectRule } from '../../../src/engine/tape/check.ts';
import { encodeParams } from '../../../src/engine/tape/command.ts';
import type { Op } from '../../../src/engine/tape/op.ts';
import { compilePlan } from '../../../src/engine/tape/plan.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape, TapeError } from '../../../src/engine/tape/tape.ts';
import { type Tensor, tensor } from '../../../src/engine/tape/tensor.ts';
import { flatGroups } from '../../../src/engine/tape/workgroups.ts';
import { useGpu } from '../../support/gpu.ts';

const capabilities = {
  description: 'made up',
  maxWorkgroups: 65535,
  maxBindingBytes: 1 << 27,
  offsetAlignment: 256,
} as Capabilities;
const leaf = (label: string, shape: readonly number[], requiresGrad = true): Tensor =>
  tensor(label, shape, 'arena', { requiresGrad });

/** An op that emits nothing and notes which gradients were asked for, and whether to accumulate. */
function recorder(asked: string[]): Op<{ name: string }, undefined> {
  return {
    name: 'recorder',
    shape: ([first]) => first!,
    forward: () => undefined,
    backward: ({ inputs, attributes }) =>
      inputs.map((input) => (_, grad, accumulate) => {
        asked.push(`${attributes.name}: ${grad.label}${accumulate ? ' +=' : ' ='} for ${input.label}`);
      }),
  };
}

describe('Tape.backward', () => {
  it('walks back from the root: the first consumer overwrites, the next accumulate', () => {
    const asked: string[] = [];
    const op = recorder(asked);
    const tape = new Tape(capabilities);
    const x = leaf('x', [4]);
    const a = tape.apply(op, [x], { name: 'a' });
    const b = tape.apply(op, [a], { name: 'b' });
    const c = tape.apply(op, [a, b], { name: 'c' });
    tape.backward([{ output: c, grad: leaf('seed', [4]) }]);
    expect(asked).toEqual([
      'c: grad recorder = for recorder',
      'c: grad recorder = for recorder',
      'b: grad recorder += for recorder',
      'a: grad x = for x',
    ]);
    expect(tape.gradient(a)?.shape).toEqual([4]);
    expect(tape.gradient(x)).toBeDefined();
  });

  it('accumulates where one op takes a tensor twice', () => {
    const asked: string[] = [];
    const tape = new Tape(capabilities);
    const x = leaf('x', [4]);
    const y = tape.apply(recorder(asked), [x, x], { name: 'y' });
    tape.backward([{ output: y, grad: leaf('seed', [4]) }]);
    expect(asked).toEqual(['y: grad x = for x', 'y: grad x += for x']);
  });

  it('computes nothing for inputs that need no gradient, nor for branches that no root depends on', () => {
    const asked: string[] = [];
    const op = recorder(asked);
    const tape = new Tape(capabilities);
    const image = leaf('image', [4], false);
    const weight = leaf('weight', [4]);
    const y = tape.apply(op, [image, weight], { name: 'y' });
    tape.apply(op, [weight], { name: 'unused' });
    const frozen = tape.apply(op, [image], { name: 'frozen' });
    expect(frozen.requiresGrad).toBe(false);
    tape.backward([{ output: y, grad: leaf('seed', [4]) }]);
    expect(asked).toEqual(['y: grad weight = for weight']);
    expect(tape.gradient(image)).toBeUndefined();
  });

  it('starts from several roots', () => {
    const asked: string[] = [];
    const op = recorder(asked);
    const tape = new Tape(capabilities);
    const x = leaf('x', [4]);
    const lesion = tape.apply(op, [x], { name: 'lesion' });
    const tissue = tape.apply(op, [x], { name: 'tissue' });
    tape.backward([
      { output: lesion, grad: leaf('one', [4]) },
      { output: tissue, grad: leaf('two', [4]) },
    ]);
    expect(asked).toEqual(['tissue: grad x = for x', 'lesion: grad x += for x']);
  });

  it('puts the gradient of a parameter into its own tensor', () => {
    const grad = leaf('store', [4], false);
    const weight = tensor('weight', [4], 'arena', { requiresGrad: true, grad });
    const tape = new Tape(capabilities);
    const y = tape.apply(recorder([]), [weight], { name: 'y' });
    tape.backward([{ output: y, grad: leaf('seed', [4]) }]);
    expect(tape.gradient(weight)).toBe(grad);
  });

  it('refuses a second call, a root without a gradient, and a root gradient of another shape', () => {
    const tape = new Tape(capabilities);
    const image = tape.apply(recorder([]), [leaf('image', [4], false)], { name: 'y' });
    expect(() => tape.backward([{ output: image, grad: leaf('seed', [4]) }])).toThrow(
      /depends on nothing that requires a gradient/,
    );
    const y = tape.apply(recorder([]), [leaf('x', [2, 2])], { name: 'y' });
    expect(() => tape.backward([{ output: y, grad: leaf('seed', [4]) }])).toThrow(/got 4 for 2x2/);
    tape.backward([{ output: y, grad: leaf('seed', [2, 2]) }]);
    expect(() => tape.backward([{ output: y, grad: leaf('seed', [2, 2]) }])).toThrow(TapeError);
  });
});

describe('gradients that summands share', () => {
  /** A sum whose summands must not ask for gradients of their own. */
  const sum: Op<Record<string, never>, undefined> = {
    name: 'sum',
    passesGradient: true,
    shape: ([first]) => first!,
    forward: () => undefined,
    backward: ({ inputs }) =>
      inputs.map(() => () => {
        throw new Error('a summand got a gradient of its own');
      }),
  };
  const seed = (): Tensor => leaf('seed', [4], false);
  const copies = (tape: Tape): string[] =>
    tape.commands.map(({ label, bindings }) => `${label} to ${bindings[1]!.tensor.label}`);

  it('are one tensor, and the last summand that is added to takes it over', () => {
    const asked: string[] = [];
    const op = recorder(asked);
    const tape = new Tape(capabilities);
    // A residual block: x feeds the sum and the branch.
    const x = tape.apply(op, [leaf('image', [4])], { name: 'x' });
    const start = tape.apply(op, [x], { name: 'start' });
    const branch = tape.apply(op, [start], { name: 'branch' });
    const y = tape.apply(sum, [branch, x], {});
    const z = tape.apply(op, [y], { name: 'z' });
    tape.backward([{ output: z, grad: seed() }]);
    expect(asked).toEqual([
      'z: grad sum = for sum',
      'branch: grad recorder = for recorder',
      'start: grad sum += for recorder',
      'x: grad image = for image',
    ]);
    expect(copies(tape), 'nothing was copied').toEqual([]);
    expect(tape.gradient(x)?.label).toBe('grad sum');
    expect(tape.gradient(y), 'its values are gone').toBeUndefined();
    expect(tape.gradient(branch)).toBeUndefined();
  });

  it('are copied before something is added while another summand still needs them', () => {
    const asked: string[] = [];
    const op = recorder(asked);
    const tape = new Tape(capabilities);
    const x = tape.apply(op, [leaf('image', [4])], { name: 'x' });
    const branch = tape.apply(op, [x], { name: 'branch' });
    // Backward meets this reader of x before it comes to the branch.
    const reader = tape.apply(op, [x], { name: 'reader' });
    const y = tape.apply(sum, [branch, x, reader], {});
    const z = tape.apply(op, [y], { name: 'z' });
    tape.backward([{ output: z, grad: seed() }]);
    expect(copies(tape)).toEqual(['gradient/copy to grad recorder']);
    expect(asked).toEqual([
      'z: grad sum = for sum',
      'reader: grad recorder += for recorder',
      'branch: grad recorder += for recorder',
      'x: grad image = for image',
    ]);
    expect(tape.gradient(branch)?.label).toBe('grad sum');
  });

  it("are copied where a tensor is added to itself, and where they are the caller's", () => {
    const tape = new Tape(capabilities);
    const op = recorder([]);
    const x = tape.apply(op, [leaf('image', [4])], { name: 'x' });
    const twice = tape.apply({ ...op, passesGradient: true }, [x, x], { name: 'twice' });
    tape.backward([{ output: twice, grad: seed() }]);
    expect(copies(tape)).toEqual(['gradient/copy to grad recorder']);
    expect(tape.gradient(twice)?.label).toBe('seed');

    const other = new Tape(capabilities);
    const a = other.apply(op, [leaf('image', [4])], { name: 'a' });
    const b = other.apply(op, [a], { name: 'b' });
    other.backward([{ output: other.apply(sum, [a, b], {}), grad: seed() }]);
    expect(copies(other)).toEqual(['gradient/copy to grad recorder']);
  });

  it('are not shared with a parameter, which has a place for its own', () => {
    const asked: string[] = [];
    const op = recorder(asked);
    const tape = new Tape(capabilities);
    const grad = leaf('store', [4], false);
    const weight = tensor('weight', [4], 'arena', { requiresGrad: true, grad });
    const y = tape.apply({ ...op, passesGradient: true }, [weight, leaf('x', [4])], { name: 'y' });
    tape.backward([{ output: y, grad: seed() }]);
    expect(asked).toEqual(['y: store = for weight']);
    expect(tape.gradient(weight)).toBe(grad);
  });
});

describe('Tape', () => {
  it('scopes labels, also in backward', () => {
    const labels: string[] = [];
    const op: Op<Record<string, never>, undefined> = {
      name: 'conv3d',
      shape: ([first]) => first!,
      forward: (emit) => {
        labels.push(emit.scratch('partial', [1]).label);
        return undefined;
      },
      backward: () => [(emit) => labels.push(emit.scratch('partial', [1]).label)],
    };
    const tape = new Tape(capabilities);
    const y = tape.scope('encoder', () => tape.scope('0', () => tape.apply(op, [leaf('x', [1])], {})));
    expect(y.label).toBe('encoder.0/conv3d');
    tape.backward([{ output: y, grad: leaf('seed', [1]) }]);
    expect(labels).toEqual(['encoder.0/partial', 'encoder.0/partial']);
    expect(tape.emitter.scratch('after', [1]).label).toBe('after');
  });

  it('leaves a scope that throws', () => {
    const tape = new Tape(capabilities);
    expect(() =>
      tape.scope('encoder', () => {
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(tape.emitter.scratch('s', [1]).label).toBe('s');
  });

  it('chooses the wanted variant where it is offered, else the first, and notes the choice', () => {
    const tape = new Tape(capabilities, (slot) => (slot === 'a' ? 'fast' : 'gone'));
    const variants = [{ name: 'plain' }, { name: 'fast' }];
    expect(tape.emitter.choose('a', variants).name).toBe('fast');
    expect(tape.emitter.choose('b', variants).name).toBe('plain');
    expect([...tape.choices]).toEqual([
      ['a', 'fast'],
      ['b', 'plain'],
    ]);
    expect(() => tape.emitter.choose('c', [])).toThrow('c: no variant runs on made up');
  });

  it('refuses numbers of workgroups that the adapter does not run', () => {
    const tape = new Tape(capabilities);
    const kernel = { file: 'relu.wgsl', entry: 'forward' };
    for (const workgroups of [
      [65536, 1, 1],
      [0, 1, 1],
      [1, 1.5, 1],
      [1, 1, Number.NaN],
    ] as const)
      expect(() => tape.emitter.run({ label: 'x/forward', kernel, bindings: [], workgroups })).toThrow(
        /x\/forward: each number of workgroups lies in 1 to 65535/,
      );
    expect(tape.commands).toEqual([]);
  });
});

describe('checks', () => {
  it('count inputs', () => {
    expect(expectInputs('relu', [[1]], 1)).toEqual([[1]]);
    expect(() => expectInputs('relu', [], 1)).toThrow('relu: takes 1 input; got no inputs');
    expect(() => expectInputs('conv3d', [[1]], 2, 4)).toThrow('conv3d: takes 2 to 4 inputs; got 1');
  });

  it('want five extents of at least 1', () => {
    expect(expectActivation('pool', [1, 2, 3, 4, 5], [])).toEqual([1, 2, 3, 4, 5]);
    for (const shape of [undefined, [1, 2, 3, 4], [1, 2, 0, 4, 5], [1, 2, 1.5, 4, 5]])
      expect(() => expectActivation('pool', shape, shape ? [shape] : [])).toThrow(/^pool: an activation is/);
    expect(() => expectRule('pool', false, 'extents are even', [[1, 2, 3]])).toThrow(
      'pool: extents are even; got 1x2x3',
    );
  });

  it('fold workgroups into two dimensions', () => {
    expect(flatGroups(1, 64, { maxWorkgroups: 10 })).toEqual([1, 1, 1]);
    expect(flatGroups(640, 64, { maxWorkgroups: 10 })).toEqual([10, 1, 1]);
    for (const size of [641, 1000, 1280, 6400]) {
      const [x, y] = flatGroups(size, 64, { maxWorkgroups: 10 });
      expect(x).toBeLessThanOrEqual(10);
      expect(x * y * 64).toBeGreaterThanOrEqual(size);
    }
  });

  it('encode params as little-endian words', () => {
    expect([...new Uint8Array(encodeParams({ first: [258, -1], scale: { f32: 1 } }))]).toEqual([
      2, 1, 0, 0, 255, 255, 255, 255, 0, 0, 128, 63,
    ]);
  });
});

describe('fan-out on the GPU', () => {
  const context = useGpu();

  it('sums the gradients of both consumers', async () => {
    const { gpu } = context;
    const n = 37;
    const specs = [{ name: 'x', shape: [n] }];
    const grads = await TensorStore.create(gpu, 'grads', specs);
    const values = await TensorStore.create(gpu, 'values', specs, { grads });
    const seeds = await TensorStore.create(gpu, 'seeds', [
      { name: 'a', shape: [n] },
      { name: 'b', shape: [n] },
    ]);
    const x = Float32Array.from({ length: n }, (_, i) => i - 18);
    const a = Float32Array.from({ length: n }, (_, i) => 1 + i);
    const b = Float32Array.from({ length: n }, (_, i) => 100 * i);
    values.write('x', x);
    seeds.write('a', a);
    seeds.write('b', b);
    const tape = new Tape(gpu.capabilities);
    // An activation feeds two ops; its own gradient lies in the arena, which is poisoned with NaN.
    const middle = tape.apply(relu, [values.get('x')], { slope: 0.5 });
    const first = tape.apply(relu, [middle], { slope: 0.25 });
    const second = tape.apply(relu, [middle], { slope: 0 });
    tape.backward([
      { output: first, grad: seeds.get('a') },
      { output: second, grad: seeds.get('b') },
    ]);
    const plan = await compilePlan(gpu, tape.commands, { label: 'fan-out', poison: true });
    for (let run = 0; run < 2; run++) {
      plan.run();
      const expected = x.map((v, i) => (v > 0 ? a[i]! + b[i]! : 0.5 * 0.25 * a[i]!));
      expect(await grads.read('x'), `run ${run}`).toEqual(expected);
    }
    for (const owner of [plan, grads, values, seeds]) owner.destroy();
    expect(gpu.buffers).toEqual([]);
  });

  it('sums them in a residual block too, whichever reader backward meets first', async () => {
    const { gpu } = context;
    const n = 37;
    const specs = [{ name: 'x', shape: [n] }];
    const grads = await TensorStore.create(gpu, 'grads', specs);
    const values = await TensorStore.create(gpu, 'values', specs, { grads });
    const seeds = await TensorStore.create(gpu, 'seeds', specs);
    const x = Float32Array.from({ length: n }, (_, i) => i - 18);
    const seed = Float32Array.from({ length: n }, (_, i) => 1 + i);
    values.write('x', x);
    seeds.write('x', seed);
    const tape = new Tape(gpu.capabilities);
    const leaky = (input: Tensor, slope: number): Tensor => tape.apply(relu, [input], { slope });
    const start = leaky(values.get('x'), 0.5);
    const branch = leaky(start, 0.25);
    const reader = leaky(start, 2);
    const sum = tape.apply(add, [branch, start, reader, start], {});
    const end = leaky(sum, 1);
    tape.backward([{ output: end, grad: seeds.get('x') }]);
    const plan = await compilePlan(gpu, tape.commands, { label: 'residual', poison: true });
    for (let run = 0; run < 2; run++) {
      plan.run();
      const expected = x.map((v, i) => seed[i]! * (v > 0 ? 4 : 0.5 * (0.25 + 1 + 2 + 1)));
      expect(await grads.read('x'), `run ${run}`).toEqual(expected);
      expect(await seeds.read('x'), 'the seed is as it was').toEqual(seed);
    }
    for (const owner of [plan, grads, values, seeds]) owner.destroy();
    expect(gpu.buffers).toEqual([]);
  });
});
