import { describe, expect, it } from 'vitest';
import { declareNetwork } from '../../../../src/engine/nn/network.ts';
import { architectureOf, declarationOf, designNetwork } from '../../../../src/engine/nn/networks/index.ts';

const HEADS = [{ name: 'labels', channels: 3 }];
const REQUEST = { inChannels: 1, heads: HEADS, baseChannels: 32, levels: 6, patch: [128, 128, 128] } as const;

describe("nnU-Net's networks", () => {
  it('are designed by its rules', () => {
    const cube = designNetwork('nnunet', REQUEST).config;
    expect(cube).toMatchObject({
      features: [32, 64, 128, 256, 320, 320],
      kernels: Array.from({ length: 6 }, () => [3, 3, 3]),
      strides: [[1, 1, 1], ...Array.from({ length: 5 }, () => [2, 2, 2])],
    });
    // As nnU-Net plans MSD's prostate: 20x320x256 voxels of 3.6x0.62x0.62 mm.
    const prostate = designNetwork('nnunet', {
      ...REQUEST,
      levels: 7,
      patch: [20, 320, 256],
      spacing: [3.6, 0.62, 0.62],
    }).config;
    expect(prostate).toMatchObject({
      kernels: [
        [1, 3, 3],
        [1, 3, 3],
        [3, 3, 3],
        [3, 3, 3],
        [3, 3, 3],
        [3, 3, 3],
        [3, 3, 3],
      ],
      strides: [
        [1, 1, 1],
        [1, 2, 2],
        [1, 2, 2],
        [2, 2, 2],
        [2, 2, 2],
        [1, 2, 2],
        [1, 2, 2],
      ],
    });
    expect(architectureOf({ kind: 'nnunet', config: prostate }).patchMultiple).toEqual([4, 64, 64]);
    expect(() => designNetwork('nnunet', { ...REQUEST, patch: [7, 7, 7] })).toThrow(/7x7x7 cannot be halved/);
  });

  it('have the names of the library', () => {
    const patch = [16, 16, 16] as const;
    const residual = designNetwork('nnunet', { ...REQUEST, levels: 3, patch }, { encoder: 'residual' });
    const names = declarationOf(residual).parameters.map(({ name }) => name);
    for (const name of [
      'encoder.stem.convs.0.conv.weight',
      'encoder.stages.0.blocks.0.conv1.norm.bias',
      'encoder.stages.1.blocks.0.skip.1.conv.weight',
      'decoder.stages.0.convs.0.conv.bias',
      'decoder.transpconvs.1.weight',
      'decoder.seg_layers.1.bias',
    ])
      expect(names).toContain(name);
    expect(names).not.toContain('encoder.stages.1.blocks.0.skip.1.conv.bias');
    expect(names).not.toContain('encoder.stages.0.blocks.0.skip.0.conv.weight');
  });

  it('have the output layers of all stages, with deep supervision or without', () => {
    const request = { ...REQUEST, levels: 3, patch: [16, 16, 16] } as const;
    const [deep, plain] = [true, false].map((deepSupervision) => {
      const architecture = architectureOf(designNetwork('nnunet', request, { deepSupervision }));
      return declareNetwork(architecture);
    });
    expect(plain!.parameters).toEqual(deep!.parameters);
    expect(deep!.outputs.get('labels')!.map(({ shape }) => shape.slice(2))).toEqual([
      [8, 8, 8],
      [4, 4, 4],
    ]);
    expect(plain!.outputs.get('labels')).toHaveLength(1);
  });

  it('refuses a configuration whose lists do not pair up, or kernels that no convolution has', () => {
    const { config } = designNetwork('nnunet', REQUEST);
    const refuse = (change: object): (() => unknown) => {
      return () => architectureOf({ kind: 'nnunet', config: { ...config, ...change } });
    };
    expect(refuse({ blocks: [2, 2] })).toThrow(/one entry per stage/);
    expect(refuse({ strides: [[3, 1, 1]] })).toThrow(/strides/);
    expect(refuse({ features: [1e9, 1] })).toThrow(/features.0/);
    expect(
      refuse({
        kernels: [
          [2, 3, 3],
          [3, 3, 3],
        ],
      }),
    ).toThrow(/1, 3 or 5 taps/);
    expect(refuse({ colour: 'red' })).toThrow(/network nnunet/);
  });
});
