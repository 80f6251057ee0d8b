import { describe, expect, it } from 'vitest';
import { conv3d } from '../../../../src/engine/ops/conv3d.ts';
import { Tape } from '../../../../src/engine/tape/tape.ts';
import { type Tensor, tensor } from '../../../../src/engine/tape/tensor.ts';
import { conv3dCases } from '../../../cases/conv3d.ts';
import { conv3dReference } from '../../../reference/conv3d.ts';
import { describeVariants } from '../../../support/describe-op.ts';
import { useGpu } from '../../../support/gpu.ts';

// Candidates on GPUs alone, on whatever adapter is at hand.
const cases = conv3dCases.filter(
  ({ inputs, attributes: { stride = 1, dilation = 1, padding = 0 } }) =>
    [stride, dilation].every((each) => each === 1) &&
    typeof padding === 'number' &&
    inputs.some(({ shape }) => shape.length === 5 && shape.slice(2).every((extent) => extent === 3)),
);
describeVariants(conv3d, conv3dReference, cases, { family: 'gpu', only: /^wide/ });

describe('wide tiles', () => {
  const context = useGpu('gpu');
  /** The first choice by kind of pass, of a step from 16 to 32 channels at 16³. */
  const choices = (limits: object): Record<string, string> => {
    const tape = new Tape({ ...context.gpu.capabilities, ...limits });
    const leaf = { requiresGrad: true };
    const input = tensor('input', [1, 16, 16, 16, 16], 'arena', leaf);
    const weight = tensor('weight', [32, 16, 3, 3, 3], 'arena', leaf);
    const attributes = { stride: 1, padding: 1, sources: 1, bias: false } as const;
    const output = tape.apply(conv3d, [input, weight], attributes);
    tape.backward([{ output, grad: tensor('grad', output.shape, 'arena') }]);
    return Object.fromEntries([...tape.choices].map(([slot, name]) => [slot.split(' ')[0]!, name]));
  };

  it('are the first choice on a GPU, and never one on a software driver', () => {
    expect(choices({ maxWorkgroupBytes: 32768 })).toEqual({
      'conv3d/forward': 'wide 8x2',
      'conv3d/backward_input': 'wide 8x2',
      'conv3d/backward_weight': 'wide 2',
    });
    for (const name of Object.values(choices({ family: 'lavapipe', software: true, subgroupSize: 8 })))
      expect(name).not.toMatch(/^wide/);
  });

  it('keep to the workgroup memory that every WebGPU device has', () => {
    expect(choices({ maxWorkgroupBytes: 16384 })).toEqual({
      'conv3d/forward': 'wide 8x2',
      'conv3d/backward_input': 'wide 8x2',
      'conv3d/backward_weight': 'wide 1',
    });
  });

  it('write the gradients of two sources in one pass, but bind no tensor twice', () => {
    const leaf = { requiresGrad: true };
    const weight = tensor('weight', [16, 32, 3, 3, 3], 'arena', leaf);
    const passes = (first: Tensor, second: Tensor): number => {
      const tape = new Tape(context.gpu.capabilities);
      const output = tape.apply(conv3d, [first, second, weight], { padding: 1, sources: 2 });
      tape.backward([{ output, grad: tensor('grad', output.shape, 'arena') }]);
      for (const { label, bindings } of tape.commands) {
        const tensors = bindings
          .filter(({ tensor: { label } }) => label !== 'weight')
          .map((each) => each.tensor);
        expect(new Set(tensors).size, label).toBe(tensors.length);
      }
      return tape.commands.filter(({ label }) => /(forward|backward_\w+t)$/.test(label)).length;
    };
    const [one, two] = ['one', 'two'].map((name) => tensor(name, [1, 16, 16, 16, 16], 'arena', leaf));
    expect(passes(one!, two!)).toBe(3);
    expect(passes(one!, one!)).toBe(6);
  });
});
