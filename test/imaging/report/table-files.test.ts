import { expect, it } from 'vitest';
import { tableCsv } from '../../../src/imaging/report/table-files.ts';

it('a table as CSV holds no cell that a spreadsheet would compute', () => {
  const texts = ['=1+1', '+1', '-1', '@SUM(A1)', '\tx', '=HYPERLINK("x","y")', 'plain', 'a=b'];
  const csv = tableCsv({
    caption: 'x',
    columns: [
      { key: 'text', label: '=Label', kind: 'text' },
      { key: 'number', label: 'Number', kind: 'number', digits: 1 },
    ],
    rows: texts.map((text) => ({ text, number: -1.5 })),
  });
  expect(csv.split('\n')).toEqual([
    "'=Label,Number",
    "'=1+1,-1.5",
    "'+1,-1.5",
    "'-1,-1.5",
    "'@SUM(A1),-1.5",
    "'\tx,-1.5",
    `"'=HYPERLINK(""x"",""y"")",-1.5`,
    'plain,-1.5',
    'a=b,-1.5',
    '',
  ]);
});
