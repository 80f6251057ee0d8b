import { describe, expect, it } from 'vitest';
import { z } from 'zod/mini';
import { conv3d } from '../../../../src/engine/nn/layers/index.ts';
import {
  architectureOf,
  declarationOf,
  designNetwork,
  networkKinds,
  parseNetworkSpec,
  registerNetwork,
} from '../../../../src/engine/nn/networks/index.ts';
import type { Scope } from '../../../../src/engine/nn/scope.ts';
import type { Tensor } from '../../../../src/engine/tape/tensor.ts';

const REQUEST = {
  inChannels: 2,
  heads: [{ name: 'labels', channels: 3 }],
  baseChannels: 4,
  levels: 2,
  patch: [8, 8, 8],
} as const;

describe('the registry of networks', () => {
  it('tells what exists to those who ask for something else', () => {
    expect(() => architectureOf({ kind: 'vnet', config: {} })).toThrow(/there is no network kind "vnet"/);
    expect(() => parseNetworkSpec({ kind: 'vnet', config: {} })).toThrow(/there is no network kind "vnet"/);
    try {
      designNetwork('vnet', REQUEST);
    } catch (error) {
      expect(error).toMatchObject({ code: 'usage', hint: expect.stringContaining('Kinds are unet') });
    }
  });

  it('names the field of a configuration that is wrong', () => {
    expect(() => architectureOf({ kind: 'unet', config: { inChannels: 0 } })).toThrow(
      /network unet: inChannels: /,
    );
    expect(() => designNetwork('unet', REQUEST, { width: 4 })).toThrow(
      /network unet: there is no field "width"/,
    );
  });

  it('reads a configuration without a kind as the first kind there was', () => {
    const { config } = designNetwork('unet', REQUEST);
    expect(parseNetworkSpec(config)).toEqual({ kind: 'unet', config });
    expect(parseNetworkSpec({ kind: 'unet', config })).toEqual({ kind: 'unet', config });
  });

  it('lets what is given win over what is designed', () => {
    const { config } = designNetwork('unet', REQUEST, { up: [2] });
    expect(config).toMatchObject({
      up: [2],
      encoder: [
        [4, 4],
        [8, 8],
      ],
    });
  });

  it('takes a kind from outside, once', () => {
    const layer = conv3d(1, { kernel: 1, stored: 'f32' });
    const kind = {
      kind: 'one-layer',
      title: 'A single convolution',
      schema: z.strictObject({ inChannels: z.int() }),
      inChannels: ({ inChannels }: { inChannels: number }) => inChannels,
      heads: () => [{ name: 'labels', channels: 1 }],
      patchMultiple: () => [1, 1, 1] as const,
      design: ({ inChannels }: { inChannels: number }) => ({ inChannels }),
      forward: (scope: Scope, input: Tensor) => new Map([['labels', [layer.forward(scope, input)]]]),
    };
    registerNetwork(kind);
    expect(networkKinds().map((each) => each.kind)).toContain('one-layer');
    const spec = designNetwork('one-layer', REQUEST);
    expect(declarationOf(spec).parameters.map(({ name, shape }) => [name, shape])).toEqual([
      ['weight', [1, 2, 1, 1, 1]],
      ['bias', [1]],
    ]);
    expect(() => registerNetwork(kind)).toThrow(/there is a network kind "one-layer" already/);
  });
});
