import { describe, expect, it } from 'vitest';
import type { Observation } from '../../../src/imaging/evaluate/bootstrap.ts';
import { bootstrapMean, pairedDifference } from '../../../src/imaging/evaluate/bootstrap.ts';
import { formatTable } from '../../../src/imaging/evaluate/tables.ts';
import { PAPER_METHODS, tableOne, tableTwo } from '../../../src/study/report/paper-tables.ts';

function dice(values: readonly number[]): Observation[] {
  return values.map((value, i) => ({ patient: `training0${i + 1}`, session: '01', value }));
}

const SINGLE = dice([0.5, 0.6, 0.55, 0.7, 0.4]);
const INPUT = dice([0.55, 0.66, 0.6, 0.74, 0.48]);

describe('the paper', () => {
  it('finds multi-input best, then multi-output, in both tables', () => {
    const of = (variant: string) => PAPER_METHODS.find((method) => method.variant === variant)!;
    expect([of('single'), of('multi-input'), of('multi-output')].map((m) => m.crossValidation)).toEqual([
      58.2, 65.6, 62,
    ]);
    expect([of('single'), of('multi-input'), of('multi-output')].map((m) => m.testSet)).toEqual([
      49.7, 54.8, 52.1,
    ]);
  });
});

describe('tableOne', () => {
  const table = tableOne(
    new Map([
      ['single', SINGLE],
      ['multi-input', INPUT],
    ]),
  );
  const row = (what: string) => table.rows.find((each) => each.what === what)!;

  it('has the paper above ours, with intervals and paired differences', () => {
    expect(table.columns.map(({ label }) => label)).toEqual([
      'Dice score',
      '3D-UNET',
      'Multi-Input',
      'Multi-Output',
    ]);
    expect(row('Paper')).toEqual({
      what: 'Paper',
      single: 58.2,
      'multi-input': 65.6,
      'multi-output': 62,
    });
    expect(row('Ours').single).toBeCloseTo(55, 10);
    expect(row('Ours')['multi-input']).toBeCloseTo(60.6, 10);
    expect(row('Ours')['multi-output']).toBeUndefined();
    const { low, high } = bootstrapMean(SINGLE);
    expect(row('95 % interval').single).toBe(`${(100 * low).toFixed(1)} to ${(100 * high).toFixed(1)}`);
    expect(row('Patients').single).toBe('5');
    expect(row('Paper, less 3D-UNET')['multi-input']).toBeCloseTo(7.4, 10);
    expect(row('Ours, less 3D-UNET').single).toBeUndefined();
    const paired = pairedDifference(INPUT, SINGLE);
    expect(row('Ours, less 3D-UNET')['multi-input']).toBeCloseTo(100 * paired.mean, 10);
    expect(row('95 % interval, paired')['multi-input']).toBe(
      `${(100 * paired.low).toFixed(1)} to ${(100 * paired.high).toFixed(1)}`,
    );
  });

  it('shows as text what is not there as n/a', () => {
    const text = formatTable(table);
    expect(text).toMatch(/^Dice score +3D-UNET +Multi-Input +Multi-Output$/m);
    expect(text).toMatch(/^Paper +58\.2 +65\.6 +62\.0$/m);
    expect(text).toMatch(/^Ours +55\.0 +60\.6 +n\/a$/m);
  });

  it('has a column for cross-stitch where there are results of it', () => {
    const four = tableOne(new Map([['cross-stitch', SINGLE]]));
    expect(four.columns.at(-1)!.label).toBe('Cross-Stitch');
    expect(four.rows[0]!['cross-stitch']).toBeNull();
    expect(four.rows[1]!['cross-stitch']).toBeCloseTo(55, 10);
    // Nothing to compare with.
    expect(four.rows[5]!['cross-stitch']).toBeUndefined();
  });

  it('has no interval for one patient', () => {
    const one = tableOne(new Map([['single', SINGLE.slice(0, 1)]]), { level: 0.9 });
    expect(one.rows[2]).toMatchObject({ what: '90 % interval', single: null });
  });
});

describe('tableTwo', () => {
  it('has the paper alone where nobody has the truth', () => {
    const table = tableTwo();
    expect(table.rows[0]).toEqual({
      what: 'Paper',
      single: 49.7,
      'multi-input': 54.8,
      'multi-output': 52.1,
    });
    expect(table.rows.map(({ what }) => what)).toEqual(['Paper', 'Paper, less 3D-UNET']);
    expect(table.caption).toContain('the truth is not public');
  });
});
