import fc from 'fast-check';
import { expect, it } from 'vitest';
import { openDataset } from '../../../src/imaging/dataset/open-dataset.ts';
import { readParticipants } from '../../../src/imaging/dataset/participants.ts';
import { bidsPatient, tree } from './make.ts';

const check = async (text: string | Uint8Array): Promise<readonly string[]> =>
  (await readParticipants(tree({ 'participants.tsv': text }), ['07', '19'])).warnings;

it('reads the cells of every column', async () => {
  const text = '\uFEFFage\tparticipant_id\tedss\r\n40\tsub-07\t 1.5\r\n41\tsub-26\r\n';
  const { participants } = await readParticipants(tree({ 'participants.tsv': text }), ['07', '26']);
  expect(participants!.columns).toEqual(['age', 'edss']);
  expect([...participants!.rows].map(([id, row]) => [id, ...row])).toEqual([
    ['07', ['age', '40'], ['edss', '1.5']],
    ['26', ['age', '41'], ['edss', '']],
  ]);
});

it('names who is listed and has no folder', async () => {
  expect(await check('participant_id\tage\nsub-07\t40\nsub-19\tn/a\n')).toEqual([]);
  expect(await check('\uFEFFage\tparticipant_id\r\n40\tsub-07\r\n41\tsub-26\r\n\r\n')).toEqual([
    'participants.tsv: there is no folder for "sub-26"',
  ]);
  const many = Array.from({ length: 9 }, (_, i) => `sub-${100 + i}`).join('\n');
  expect((await check(`participant_id\n${many}`))[0]).toMatch(/"sub-104" and 4 more$/);
});

it('does not stumble over a table of another kind, nor over odd names', async () => {
  expect(await check('name\nx\n')).toEqual([
    'participants.tsv: has no column participant_id, so it was not looked at',
  ]);
  expect(await check('')).toHaveLength(1);
  expect(await check('participant_id\n../../etc\u0000')).toEqual([
    'participants.tsv: there is no folder for "../../etc\\u0000"',
  ]);
  expect(await readParticipants(tree({}), ['07'])).toEqual({ warnings: [] });
});

it('is among the warnings of a data set', async () => {
  const files = { ...bidsPatient('07'), 'participants.tsv': 'participant_id\nsub-07\nsub-08\n' };
  expect((await openDataset(tree(files))).warnings).toContain(
    'participants.tsv: there is no folder for "sub-08"',
  );
});

it('makes one line of whatever bytes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 80 }), fc.boolean(), async (bytes, headed) => {
      const head = new TextEncoder().encode(headed ? 'participant_id\n' : '');
      for (const warning of await check(Uint8Array.from([...head, ...bytes])))
        expect(warning).not.toMatch(/[\n\r]/);
    }),
    { numRuns: 500, seed: 11 },
  );
});
