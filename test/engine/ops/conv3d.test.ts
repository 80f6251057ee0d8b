import { describe, expect, it, vi } from 'vitest';
import { conv3d } from '../../../src/engine/ops/conv3d.ts';
import { compilePlan } from '../../../src/engine/tape/plan.ts';
import { splitCommand } from '../../../src/engine/tape/split.ts';
import { TensorStore } from '../../../src/engine/tape/store.ts';
import { Tape } from '../../../src/engine/tape/tape.ts';
import { tensor } from '../../../src/engine/tape/tensor.ts';
import { conv3dBadCases, conv3dCase, conv3dCases } from '../../cases/conv3d.ts';
import { conv3dReference } from '../../reference/conv3d.ts';
import { expectation } from '../../support/case-errors.ts';
import { describeOp } from '../../support/describe-op.ts';
import { useGpu } from '../../support/gpu.ts';
import { withLeastLimit } from '../../support/limit.ts';
import { normal, relativeError, toFloat32 } from '../../support/nd.ts';
import { type OpResult, runOp } from '../../support/run-op.ts';

describeOp(conv3d, conv3dReference, conv3dCases, conv3dBadCases);

describe('conv3d without attributes', () => {
  it('has stride 1, no padding, no dilation, one source, and a bias where one is given', () => {
    const shapes = [
      [1, 2, 4, 5, 6],
      [3, 2, 1, 2, 3],
    ];
    expect(conv3d.shape(shapes, {})).toEqual([1, 3, 4, 4, 4]);
    expect(conv3d.shape([...shapes, [3]], {})).toEqual([1, 3, 4, 4, 4]);
    expect(() => conv3d.shape([...shapes, [4]], {})).toThrow(/bias is \[3\]/);
  });
});

describe('conv3d whose input and parameters are used twice', () => {
  const context = useGpu();
  const testCases = [
    conv3dCase('kernel 3', { samples: 2, from: [5], to: 9, extents: [3, 5, 9] }, 500),
    conv3dCase('kernel 3, two sources', { from: [9, 3], to: 4, extents: [4, 4, 5] }, 520),
    conv3dCase('kernel 3, stride 2', { from: [3], to: 4, extents: [4, 5, 6], stride: 2 }, 540),
    conv3dCase('kernel 1', { from: [5], to: 3, extents: [3, 4, 5], k: 1 }, 560),
    conv3dCase('dilation 3', { from: [5], to: 3, extents: [4, 7, 9], dilation: 3, padding: 'same' }, 580),
  ];
  for (const { name, inputs, attributes } of testCases)
    it(`adds up both gradients: ${name}`, async () => {
      const { gpu } = context;
      const shape = conv3dReference.forward(inputs, attributes).shape;
      const roots = [normal(shape, 601), normal(shape, 602)];
      const expected = conv3dReference.backward(inputs, attributes, {
        shape,
        data: roots[0]!.data.map((value, i) => value + roots[1]!.data[i]!),
      });
      let longest = 1;
      for (let k = 0; k < longest; k++) {
        const specs = inputs.map((input, i) => ({ name: `input${i}`, shape: input.shape }));
        const grads = await TensorStore.create(gpu, 'grads', specs);
        const values = await Promise.all(
          specs.map((spec) => TensorStore.create(gpu, spec.name, [spec], { grads })),
        );
        const rootStore = await TensorStore.create(gpu, 'roots', [
          { name: 'root0', shape },
          { name: 'root1', shape },
        ]);
        inputs.forEach((input, i) => {
          values[i]!.write(`input${i}`, toFloat32(input));
          grads.write(`input${i}`, new Float32Array(input.data.length).fill(Number.NaN));
        });
        roots.forEach((root, i) => {
          rootStore.write(`root${i}`, toFloat32(root));
        });
        const tape = new Tape(gpu.capabilities);
        Object.assign(tape.emitter, {
          choose: ((_, candidates) => {
            longest = Math.max(longest, candidates.length);
            return candidates[k] ?? candidates[0]!;
          }) satisfies typeof tape.emitter.choose,
        });
        const tensors = values.map((store, i) => store.get(`input${i}`));
        const outputs = [tape.apply(conv3d, tensors, attributes), tape.apply(conv3d, tensors, attributes)];
        tape.backward(outputs.map((output, i) => ({ output, grad: rootStore.get(`root${i}`) })));
        const plan = await compilePlan(gpu, tape.commands, { label: 'twice', poison: true });
        plan.run();
        for (const [i, grad] of expected.entries())
          expect(
            relativeError(await grads.read(`input${i}`), grad!.data),
            `gradient of input ${i}, candidate ${k}`,
          ).toBeLessThan(2e-5);
        plan.destroy();
        for (const store of [grads, rootStore, ...values]) store.destroy();
      }
    });
});

describe('conv3d of few workgroups on a GPU', () => {
  const context = useGpu();
  it('runs ranges of input channels side by side and adds them up', async () => {
    const { gpu } = context;
    const { capabilities } = gpu;
    const wide = { samples: 2, from: [64, 4], to: 9, extents: [3, 5, 9] } as const;
    const testCase = conv3dCase('wide and small', wide, 700);
    const { inputs, attributes } = testCase;
    const { gradOutput, errors } = expectation(conv3dReference, testCase);
    const compiled = vi.spyOn(gpu.device, 'createComputePipelineAsync');
    Object.assign(gpu, { capabilities: { ...capabilities, family: 'gpu' } });
    try {
      const run = (uses: number): Promise<OpResult> =>
        runOp(gpu, conv3d, inputs, attributes, gradOutput, undefined, uses);
      const check = (result: OpResult, uses: number): void => {
        for (const [what, error] of errors(result, uses))
          expect(error, `${what}, ${uses} uses`).toBeLessThan(2e-5);
      };
      check(await run(1), 1);
      check(await run(2), 2);
      check((await withLeastLimit(gpu, () => run(1))).value, 1);
      expect(compiled.mock.calls.map(([{ label }]) => label)).toContain('conv3d.wgsl:sum_parts');
    } finally {
      compiled.mockRestore();
      Object.assign(gpu, { capabilities });
    }
  });
});

describe('conv3d of samples larger than the device binds', () => {
  const context = useGpu();
  it.each([4, 8])('has variants on channels alone, subgroups of %i', (subgroupSize) => {
    // Three channels of 128^3 a binding: room for the scratch of any variant.
    const limits = { ...context.gpu.capabilities, subgroupSize, maxBindingBytes: 24 * 2 ** 20 };
    let longest = 1;
    for (let k = 0; k < longest; k++) {
      const tape = new Tape(limits);
      Object.assign(tape.emitter, {
        choose: ((_, candidates) => {
          longest = Math.max(longest, candidates.length);
          return candidates[k] ?? candidates[0]!;
        }) satisfies typeof tape.emitter.choose,
      });
      const input = tensor('input', [1, 4, 128, 128, 128], 'arena');
      const weight = tensor('weight', [4, 4, 3, 3, 3], 'arena');
      tape.apply(conv3d, [input, weight], { stride: 1, padding: 1, sources: 1, bias: false });
      expect(() => tape.commands.map((command) => splitCommand(command, limits))).not.toThrow();
    }
    expect(longest).toBeGreaterThan(1);
  });
});
