import { ceilDiv, type Shape } from '../../core/shape.ts';
import { expectInputs, expectRule } from '../tape/check.ts';
import { read, readWrite, write } from '../tape/command.ts';
import type { GradientThunk, Op } from '../tape/op.ts';
import { storageSpec } from '../tape/storage.ts';
import type { Tensor } from '../tape/tensor.ts';

/** There is nothing to choose: a third input is the bias. */
export type LinearAttributes = Readonly<Record<string, never>>;

const FILE = 'linear.wgsl';
const LANES = 64;

/**
 * output = input weightᵀ + bias, PyTorch's `nn.Linear`: [batch, in] to [batch, out]. Inputs: input, weight [out, in] and,
 * where there is one, bias [out]. Input, output and weight are each bound whole.
 */
export const linear: Op<LinearAttributes, undefined> = {
  name: 'linear',
  storesF16: true,

  shape(inputs: readonly Shape[]): Shape {
    const [input, weight, bias] = expectInputs('linear', inputs, 2, 3);
    expectRule('linear', input!.length === 2, 'the input is [batch, in]', inputs);
    const [batch, features] = input as [number, number];
    const fits = weight!.length === 2 && weight![1] === features;
    expectRule(
      'linear',
      fits,
      `the weight is [out, ${features}], as the input is [batch, ${features}]`,
      inputs,
    );
    const out = weight![0]!;
    const biased = !bias || (bias.length === 1 && bias[0] === out);
    expectRule('linear', biased, `the bias is [${out}], one value per output`, inputs);
    return [batch, out];
  },

  forward(emit, [input, weight, bias], output): undefined {
    const [samples, features] = input!.shape as [number, number];
    const out = output.shape[1]!;
    const spec = { ...storageSpec({ Input: input!, Output: output }), HAS_BIAS: bias ? 1 : 0 };
    emit.run({
      label: 'linear/forward',
      kernel: { file: FILE, entry: 'forward', spec },
      bindings: [read(input!), read(weight!), read(bias ?? weight!), write(output)],
      params: { samples, inputs: features, outputs: out },
      workgroups: [out, samples, 1],
    });
  },

  backward({ inputs: [input, weight, bias] }, gradOutput) {
    const [samples, features] = input!.shape as [number, number];
    const out = gradOutput.shape[1]!;
    const params = { samples, inputs: features, outputs: out };
    const spec = storageSpec({ Input: input!, Output: gradOutput });
    const target = (grad: Tensor, accumulate: boolean): ReturnType<typeof write> =>
      accumulate ? readWrite(grad) : write(grad);
    const thunks: GradientThunk[] = [
      (emit, gradInput, accumulate) => {
        emit.run({
          label: 'linear/backward_input',
          kernel: { file: FILE, entry: 'backward_input', spec: { ...spec, ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [read(gradOutput), read(weight!), target(gradInput, accumulate)],
          params,
          workgroups: [ceilDiv(features, LANES), samples, 1],
        });
      },
      (emit, gradWeight, accumulate) => {
        emit.run({
          label: 'linear/backward_weight',
          kernel: { file: FILE, entry: 'backward_weight', spec: { ...spec, ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [read(gradOutput), read(input!), target(gradWeight, accumulate)],
          params,
          workgroups: [ceilDiv(features, LANES), out, 1],
        });
      },
    ];
    if (bias)
      thunks.push((emit, gradBias, accumulate) => {
        emit.run({
          label: 'linear/backward_bias',
          kernel: { file: FILE, entry: 'backward_bias', spec: { ...spec, ACCUMULATE: accumulate ? 1 : 0 } },
          bindings: [read(gradOutput), target(gradBias, accumulate)],
          params,
          workgroups: [ceilDiv(out, LANES), 1, 1],
        });
      });
    return thunks;
  },
};
