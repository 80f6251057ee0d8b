import { describe, expect, it } from 'vitest';
import { declare } from '../../../src/engine/nn/declare.ts';
import { sequential } from '../../../src/engine/nn/layer.ts';
import { batchNorm, conv3d, maxPool3d, relu } from '../../../src/engine/nn/layers/index.ts';
import type { Scope } from '../../../src/engine/nn/scope.ts';
import type { Tensor } from '../../../src/engine/tape/tensor.ts';

describe('declare', () => {
  it('finds names, shapes and output of layers by their shape rules alone', () => {
    const net = sequential(conv3d(4, { kernel: 3, bias: 'frozen' }), batchNorm(), relu(), maxPool3d());
    const { parameters, state, outputs } = declare(net.forward, [1, 2, 4, 4, 4], 'train');
    expect(parameters.map(({ name, shape, requiresGrad }) => [name, shape, requiresGrad])).toEqual([
      ['0.weight', [4, 2, 3, 3, 3], true],
      ['0.bias', [4], false],
      ['1.weight', [4], true],
      ['1.bias', [4], true],
    ]);
    expect(state.map(({ name, shape }) => [name, shape])).toEqual([
      ['1.running_mean', [4]],
      ['1.running_var', [4]],
    ]);
    expect(outputs.shape).toEqual([1, 4, 2, 2, 2]);
  });

  it('lists tensors module by module, whatever the order in which layers are applied', () => {
    const layer = conv3d(1, { kernel: 1, bias: false });
    const forward = (scope: Scope, x: Tensor): Tensor =>
      ['b.0', 'a.0', 'b.1', 'a.1', 'c'].reduce((y, name) => scope.in(name, (at) => layer.forward(at, y)), x);
    const { parameters } = declare(forward, [1, 1, 2, 2, 2], 'train');
    expect(parameters.map(({ name }) => name)).toEqual(
      ['b.0', 'b.1', 'a.0', 'a.1', 'c'].map((name) => `${name}.weight`),
    );
  });

  it('refuses two layers of one name', () => {
    const layer = conv3d(1, { kernel: 1 });
    const twice = (scope: Scope, x: Tensor): Tensor => layer.forward(scope, layer.forward(scope, x));
    expect(() => declare(twice, [1, 1, 2, 2, 2], 'train')).toThrow(/two layers ask for weight/);
  });

  it('refuses what an op refuses', () => {
    const net = sequential(conv3d(4, { kernel: 3 }), maxPool3d());
    expect(() => declare(net.forward, [1, 1, 1, 1, 1], 'predict')).toThrow(
      /max-pool3d: .*at least the kernel's 2x2x2/,
    );
  });
});
