import { describe, expect, it } from 'vitest';
import { networkTable } from '../../../src/study/report/experiment-networks.ts';
import { madeUpExperiment } from './experiment-fixture.ts';

const VARIANTS = ['single', 'multi-output', 'soft', 'sluice'];
const made = madeUpExperiment({ patients: ['a', 'b'], variants: VARIANTS }, ({ variant }, patient) =>
  variant === 'sluice' && patient === 'b' ? null : 0.5,
);
const withSettings = (settings: object): typeof made => ({
  ...made,
  plan: { ...made.plan, settings: { ...made.plan.settings, ...settings } },
});

describe('what networks cost', () => {
  it('counts parameters: two networks have twice as many as one, but for their last convolutions', () => {
    const { rows } = networkTable(
      withSettings({ modalities: ['FLAIR'], levels: 2, baseChannels: 2, patch: 8 }),
    );
    expect(rows.map(({ variant }) => variant)).toEqual(['Single', 'Multi-output', 'Soft', 'Sluice']);
    expect(rows.every(({ seconds }) => seconds === 60)).toBe(true);
    const [single, output, soft, sluice] = rows.map(({ parameters }) => Number(parameters));
    // A 1x1x1 convolution of 2 channels to 2 (lesion) or 4 (tissue) has 6 or 12 numbers.
    const [lesion, tissue] = [6, 12];
    expect(output).toBe(single! + tissue);
    expect(soft).toBe(2 * (single! - lesion) + lesion + tissue);
    expect(sluice).toBeGreaterThan(soft!);
  });

  it('leaves out what the record does not say, and nets that are not finished', () => {
    for (const settings of [{}, { modalities: ['FLAIR'], network: 'nnunet' }])
      expect(networkTable(withSettings(settings)).rows[0]).toMatchObject({ parameters: null });
    const none = { ...made, results: new Map<string, never>() };
    expect(networkTable(none).rows).toEqual([]);
  });
});
