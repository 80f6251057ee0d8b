import { describe, expect, it } from 'vitest';
import { evaluateScan, meanMetrics } from '../../../src/imaging/evaluate/metrics.ts';
import type { Table } from '../../../src/imaging/evaluate/tables.ts';
import { bestRows, evaluationTable, formatCell, formatTable } from '../../../src/imaging/evaluate/tables.ts';
import { axisAlignedGrid } from '../../../src/imaging/volume/volume.ts';

const table: Table = {
  caption: 'Dice',
  columns: [
    { key: 'name', label: 'Variant', kind: 'text' },
    { key: 'dice', label: 'Dice', kind: 'number', digits: 2, better: 'high' },
    { key: 'time', label: 'Time', unit: 's', kind: 'number' },
  ],
  rows: [
    { name: 'single', dice: 0.5, time: 9.6 },
    { name: 'Çiçek', dice: Number.NaN, time: 1234 },
    { name: 'mean', dice: 0.9, time: null },
  ],
  summaryRows: [2],
};

describe('formatTable', () => {
  it('aligns text left and numbers right, and rules off the mean', () => {
    expect(formatTable(table)).toBe(
      [
        'Variant  Dice  Time (s)',
        '───────────────────────',
        'single   0.50        10',
        'Çiçek     n/a      1234',
        '───────────────────────',
        'mean     0.90       n/a',
      ].join('\n'),
    );
  });

  it('shows a table without rows as its heading', () => {
    expect(formatTable({ ...table, rows: [] }).split('\n')).toHaveLength(2);
  });
});

describe('formatCell', () => {
  const column = { key: 'x', label: 'x', kind: 'number', digits: 2 } as const;
  it('never writes minus nought', () => {
    expect(formatCell(-0.001, column)).toBe('0.00');
    expect(formatCell(-0.01, column)).toBe('-0.01');
  });
  it('writes n/a for what is not there', () => {
    const cells = [null, undefined, Number.NaN, Number.POSITIVE_INFINITY];
    expect(cells.map((cell) => formatCell(cell, column))).toEqual(['n/a', 'n/a', 'n/a', 'n/a']);
  });
});

describe('bestRows', () => {
  const columns = [{ key: 'dice', label: 'Dice', kind: 'number', digits: 2, better: 'high' }] as const;
  const best = (...values: number[]): number[] => [
    ...bestRows({ caption: '', columns, rows: values.map((dice) => ({ dice })) }, columns[0]),
  ];
  it('marks the best as shown, ties included, and nothing where all are equal or alone', () => {
    expect(best(0.1, 0.7, Number.NaN)).toEqual([1]);
    expect(best(0.701, 0.1, 0.702)).toEqual([0, 2]);
    expect(best(0.7, 0.7)).toEqual([]);
    expect(best(0.7)).toEqual([]);
  });
  it('leaves the summary row and columns without a better end out', () => {
    expect([...bestRows(table, table.columns[1]!)]).toEqual([]);
    expect([...bestRows(table, table.columns[2]!)]).toEqual([]);
  });
});

describe('evaluationTable', () => {
  it('has a row a scan and the mean, and sessions only where there are some', () => {
    const grid = axisAlignedGrid([2, 1, 1], [10, 10, 10]);
    const metrics = evaluateScan(Uint8Array.from([1, 1]), Uint8Array.from([1, 0]), grid);
    const plain = formatTable(evaluationTable([{ subject: '01', ...metrics }], meanMetrics([metrics])));
    expect(plain).not.toContain('Session');
    expect(plain.split('\n')[2]!.split(/ +/)).toEqual([
      '01',
      '0.667',
      '1.000',
      '0.500',
      '1.000',
      '0.000',
      '1.000',
      '1.00',
      '2.00',
    ]);
    expect(plain).toContain('mean');
    const visits = evaluationTable([{ subject: '01', session: '02', ...metrics }], metrics);
    expect(formatTable(visits)).toContain('Session');
  });
});
