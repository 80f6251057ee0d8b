import { describe, expect, it } from 'vitest';
import { countParameters, type NetworkSpec } from '../../../../src/engine/nn/network.ts';
import { architectureOf, declarationOf } from '../../../../src/engine/nn/networks/index.ts';
import { cicekConfig, countConvolutions, unet, unetConfig } from '../../../../src/engine/nn/networks/unet.ts';
import { variantConfig } from '../../../../src/study/presets/index.ts';

/** In the order in which a stitched network lists them. */
const MODULES = ['lesion', 'tissue', 'stitch'];

const namesOf = (network: NetworkSpec): string[] => declarationOf(network).parameters.map(({ name }) => name);
const convolutionsOf = (network: NetworkSpec): number => countConvolutions(declarationOf(network).parameters);

describe('the U-Net', () => {
  it('has the published 19,069,955 parameters with the widths of Çiçek 2016, 3 channels in and 3 out', () => {
    const config = cicekConfig(3, [{ name: 'out', classes: 3 }]);
    expect(convolutionsOf({ kind: unet.kind, config })).toBe(19_069_955);
  });

  it('builds the three variants from one builder', () => {
    const modalities = ['FLAIR', 'T1w', 'PDw', 'T2w'];
    const widths = { baseChannels: 16, levels: 4 };
    const single = variantConfig('single', modalities, widths);
    const input = variantConfig('multi-input', modalities, widths);
    const output = variantConfig('multi-output', modalities, widths);
    const architectures = [single, input, output].map(architectureOf);
    expect(architectures.map(({ inChannels }) => inChannels)).toEqual([4, 7, 4]);
    expect(architectures[2]!.heads.map((head) => head.channels)).toEqual([2, 4]);
    expect(architectures[0]!.patchMultiple).toEqual([8, 8, 8]);
    expect(namesOf(output).filter((name) => !namesOf(single).includes(name))).toEqual([
      'heads.tissue.weight',
      'heads.tissue.bias',
    ]);
    const total = (network: NetworkSpec): number => countParameters(declarationOf(network).parameters);
    expect(total(input) - total(single)).toBe(3 * 27 * 16);
  });

  it('builds cross-stitch as a whole network a task, and a unit a block, task and channel', () => {
    const modalities = ['FLAIR', 'T1w'];
    const widths = { baseChannels: 4, levels: 3 };
    const stitched = variantConfig('cross-stitch', modalities, widths);
    const shared = variantConfig('multi-output', modalities, widths);
    const specs = declarationOf(stitched).parameters;
    const units = specs.filter(({ name }) => name.startsWith('stitch.'));
    expect(units.map(({ name, shape }) => `${name} ${shape.join('x')}`)).toEqual([
      'stitch.encoder.0.lesion.weight 2x4',
      'stitch.encoder.0.tissue.weight 2x4',
      'stitch.encoder.1.lesion.weight 2x8',
      'stitch.encoder.1.tissue.weight 2x8',
      'stitch.encoder.2.lesion.weight 2x16',
      'stitch.encoder.2.tissue.weight 2x16',
      'stitch.decoder.0.lesion.weight 2x4',
      'stitch.decoder.0.tissue.weight 2x4',
      'stitch.decoder.1.lesion.weight 2x8',
      'stitch.decoder.1.tissue.weight 2x8',
    ]);
    expect(new Set(units.map(({ init }) => JSON.stringify(init)))).toEqual(
      new Set(['{"kind":"rows","values":[0.9,0.1]}']),
    );
    const heads = declarationOf(shared).parameters.filter(({ name }) => name.startsWith('heads.'));
    const trunk = convolutionsOf(shared) - countConvolutions(heads);
    expect(convolutionsOf(stitched)).toBe(2 * trunk + countConvolutions(heads));
    expect(declarationOf(stitched).state).toHaveLength(2 * declarationOf(shared).state.length);
    // The random numbers of a start go to the parameters in this order.
    const order = specs.map(({ name }) => name.split('.')[0]!);
    expect(order).toEqual([...order].sort((a, b) => MODULES.indexOf(a) - MODULES.indexOf(b)));
    expect(specs.filter(({ name }) => name.includes('heads.')).map(({ name }) => name)).toEqual([
      'lesion.heads.lesion.weight',
      'lesion.heads.lesion.bias',
      'tissue.heads.tissue.weight',
      'tissue.heads.tissue.bias',
    ]);
  });

  it('names every running statistic beside its norm', () => {
    const config = unetConfig({
      inChannels: 1,
      baseChannels: 2,
      levels: 2,
      heads: [{ name: 'a', classes: 2 }],
    });
    const { state } = declarationOf({ kind: unet.kind, config });
    expect(state.map((spec) => spec.name)).toContain('decoder.0.norm2.running_var');
    expect(state).toHaveLength(12);
  });

  it('refuses widths that no network has', () => {
    const heads = [{ name: 'a', classes: 2 }];
    expect(() => unetConfig({ inChannels: 1, baseChannels: 2, levels: 1, heads })).toThrow(
      /levels.*at least 2; got 1/,
    );
    expect(() => unetConfig({ inChannels: 1, baseChannels: 0.5, levels: 2, heads })).toThrow(
      /baseChannels.*0.5/,
    );
    expect(() => unetConfig({ inChannels: 1, baseChannels: 2, levels: 2, heads, crossStitch: true })).toThrow(
      /join two tasks; got 1 heads/,
    );
    expect(() => variantConfig('single', [], { baseChannels: 8, levels: 3 })).toThrow(
      /at least one modality/,
    );
  });
});
