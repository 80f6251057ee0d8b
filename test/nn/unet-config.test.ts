import { describe, expect, it } from 'vitest';
import {
  cicekConfig,
  countParameters,
  parameterSpecs,
  stateSpecs,
  unetConfig,
} from '../../src/nn/unet-config.ts';
import { variantConfig } from '../../src/nn/variants.ts';

describe('unet config', () => {
  it('has the published 19,069,955 parameters with the widths of Çiçek 2016, 3 channels in and 3 out', () => {
    expect(countParameters(cicekConfig(3, [{ name: 'out', classes: 3 }])).convolutions).toBe(19_069_955);
  });

  it('builds the three variants from one builder', () => {
    const modalities = ['FLAIR', 'T1w', 'PDw', 'T2w'];
    const widths = { baseChannels: 16, levels: 4 };
    const single = variantConfig('single', modalities, widths);
    const input = variantConfig('multi-input', modalities, widths);
    const output = variantConfig('multi-output', modalities, widths);
    expect([single.inChannels, input.inChannels, output.inChannels]).toEqual([4, 7, 4]);
    expect(output.heads.map((head) => head.classes)).toEqual([2, 4]);
    const names = (config: typeof single): string[] => parameterSpecs(config).map((spec) => spec.name);
    expect(names(output).filter((name) => !names(single).includes(name))).toEqual([
      'heads.tissue.weight',
      'heads.tissue.bias',
    ]);
    expect(countParameters(input).total - countParameters(single).total).toBe(3 * 27 * 16);
  });

  it('names every running statistic beside its norm', () => {
    const config = unetConfig({
      inChannels: 1,
      baseChannels: 2,
      levels: 2,
      heads: [{ name: 'a', classes: 2 }],
    });
    expect(stateSpecs(config).map((spec) => spec.name)).toContain('decoder.0.norm2.running_var');
    expect(stateSpecs(config)).toHaveLength(12);
  });

  it('refuses widths that no network has', () => {
    const heads = [{ name: 'a', classes: 2 }];
    expect(() => unetConfig({ inChannels: 1, baseChannels: 2, levels: 1, heads })).toThrow(
      /levels.*at least 2; got 1/,
    );
    expect(() => unetConfig({ inChannels: 1, baseChannels: 0.5, levels: 2, heads })).toThrow(
      /baseChannels.*0.5/,
    );
    expect(() => variantConfig('single', [], { baseChannels: 8, levels: 3 })).toThrow(
      /at least one modality/,
    );
  });
});
