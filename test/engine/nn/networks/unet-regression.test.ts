import { describe, expect, it } from 'vitest';
import { architectureOf, declarationOf, designNetwork } from '../../../../src/engine/nn/networks/index.ts';

const LABELS = { name: 'labels', channels: 3 };
const SCORE = { name: 'score', channels: 1, perScan: true };
const REQUEST = { inChannels: 1, baseChannels: 4, levels: 3, patch: [8, 8, 8] } as const;

describe('the U-Net with a regression path', () => {
  it('is designed with a path of its own for each value per scan', () => {
    const spec = designNetwork('unet-regression', { ...REQUEST, heads: [LABELS, SCORE] });
    expect(spec.config).toMatchObject({ heads: [LABELS], regressions: [SCORE], hidden: [16] });
    expect(architectureOf(spec).heads).toEqual([LABELS, SCORE]);
    const names = declarationOf(spec).parameters.map(({ name }) => name);
    expect(names).toContain('heads.labels.weight');
    expect(names).toContain('regression.score.0.weight');
    expect(names).toContain('regression.score.2.bias');
  });

  it('takes a value per voxel that is named, with a decoder of its own', () => {
    const map = { name: 'distance', channels: 1 };
    const given = { regressions: [map] };
    const spec = designNetwork('unet-regression', { ...REQUEST, heads: [LABELS, map] }, given);
    const names = declarationOf(spec).parameters.map(({ name }) => name);
    expect(names).toContain('regression.distance.decoder.0.up.weight');
    expect(names).toContain('regression.distance.head.weight');
  });

  it('is needed for values per scan, and needs one', () => {
    expect(() => designNetwork('unet', { ...REQUEST, heads: [LABELS, SCORE] })).toThrow(
      /its output score has a value per voxel, and one per scan is wanted/,
    );
    expect(() => designNetwork('unet-regression', { ...REQUEST, heads: [LABELS] })).toThrow(
      /no output has a value per scan/,
    );
    const { config } = designNetwork('unet-regression', { ...REQUEST, heads: [LABELS, SCORE] });
    const twice = { ...config, heads: [{ name: 'score', channels: 2 }] };
    expect(() => architectureOf({ kind: 'unet-regression', config: twice })).toThrow(/different names/);
  });
});
