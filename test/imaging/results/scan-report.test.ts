import { describe, expect, it } from 'vitest';
import { evaluateScan } from '../../../src/imaging/evaluate/metrics.ts';
import { listParts } from '../../../src/imaging/results/parts.ts';
import { type ScanReportData, scanReport } from '../../../src/imaging/results/scan-report.ts';
import { demoData } from '../../study/report/fixture.ts';

function reportData(withTruth: boolean): ScanReportData {
  const { heldOut, variants } = demoData();
  const { grid, flair, brain, truth } = heldOut;
  const mask = variants[0]!.prediction;
  return {
    name: 'sub-<7>',
    grid,
    image: { name: 'FLAIR', data: flair },
    brain,
    mask,
    ...(withTruth ? { truth, metrics: evaluateScan(mask, truth, grid) } : {}),
    lesions: listParts(mask, new Float32Array(mask.length).fill(0.8), grid, {
      truth: withTruth ? truth : undefined,
    }),
    facts: [['Model', 'a & b']],
  };
}

describe('scanReport', () => {
  it('shows overlay, agreement and lesions in one file that loads nothing', () => {
    const page = scanReport(reportData(true));
    expect(page).toContain('Agreement with the true mask');
    expect(page).toContain('missed (truth only)');
    expect(page.match(/data:image\/png;base64,/g)).toHaveLength(3);
    expect(page).not.toMatch(/(?:src|href)="(?!data:)/);
    expect(page).toContain('sub-&lt;7&gt;');
    expect(page).toContain('a &amp; b');
  });

  it('says nothing of a truth that is not given', () => {
    const page = scanReport(reportData(false));
    expect(page).not.toContain('Agreement');
    expect(page).not.toContain('missed');
    expect(page).toContain('Overlay');
  });

  it('says so where nothing was found', () => {
    const data = reportData(false);
    const page = scanReport({ ...data, mask: new Uint8Array(data.mask.length), lesions: [] });
    expect(page).toContain('No lesion was predicted.');
    expect(page).toContain('0 lesions, 0.00 ml in all');
  });
});
