import { describe, expect, it } from 'vitest';
import { toJson } from '../../../src/core/json.ts';
import type { Interval, Table } from '../../../src/imaging/evaluate/tables.ts';
import { binLosses, learningCurves } from '../../../src/imaging/report/chart.ts';
import { tableCsv } from '../../../src/imaging/report/table-files.ts';
import { methodSentences } from '../../../src/study/report/experiment-methods.ts';
import { experimentPage } from '../../../src/study/report/experiment-page.ts';
import {
  type ExperimentNumbers,
  experimentMarkdown,
  experimentNumbers,
} from '../../../src/study/report/experiment-report.ts';
import { type DiceOf, madeUpExperiment } from './experiment-fixture.ts';

const SIX = ['a', 'b', 'c', 'd', 'e', 'f'];
const DATE = '2026-11-30T12:00:00.000Z';
const NO_FIGURES = { overlays: [], missing: [] };

function table({ tables }: ExperimentNumbers, name: string): Table {
  return tables.find((one) => one.name === name)!.table;
}

/** Multi-input gains .1 over single with `dice` and .2 with `literal`; multi-output loses .1 with both. */
const additive: DiceOf = ({ variant, loss, seed }, patient) => {
  const base = 0.4 + 0.02 * SIX.indexOf(patient) + 0.01 * (seed - 1);
  if (variant === 'multi-input') return base + (loss === 'dice' ? 0.1 : 0.2);
  return variant === 'multi-output' ? base - 0.1 : base;
};

describe('an experiment of known numbers', () => {
  const experiment = madeUpExperiment(
    { patients: SIX, losses: ['dice', 'literal'], seeds: [1, 2] },
    additive,
  );
  const numbers = experimentNumbers(experiment);

  it('says at its end where the numbers come from: date, nets with their thresholds, files', () => {
    const page = experimentPage(experiment, numbers, NO_FIGURES, DATE);
    const end = page.slice(page.indexOf('Where this comes from', page.indexOf('id="sources"')));
    expect(end).toContain(`<dd>${DATE}</dd>`);
    expect(end).toContain('voxelgrad 0.1.0');
    expect(end).toContain('Threshold, chosen on them');
    expect(end).toContain('26-connected');
    expect(end).toContain('a'.repeat(64));
    expect(end).toContain('b'.repeat(64));
    const [first] = table(numbers, 'models').rows;
    expect(first).toMatchObject({ trainedOn: 'b, c, d, e, f', threshold: expect.stringMatching(/^0\.50*$/) });
    // Six patients with one file each, however many nets read it.
    expect(table(numbers, 'files').rows).toHaveLength(6);
  });

  it('averages seeds within a scan, then patients', () => {
    const [first, second, mean] = table(numbers, 'factorial').rows;
    expect((first!['variant single'] as Interval).mean).toBeCloseTo(0.455, 12);
    expect((second!['variant multi-input'] as Interval).mean).toBeCloseTo(0.655, 12);
    expect((mean!['variant multi-input'] as Interval).mean).toBeCloseTo(0.605, 12);
    const paper = table(numbers, 'table-1-dice').rows.find(({ what }) => what === 'Ours')!;
    expect(paper['multi-output']).toBeCloseTo(35.5, 10);
  });

  it('pairs differences over patients, so that what they share cancels', () => {
    const row = table(numbers, 'variant-differences').rows.find(
      ({ what, where }) => what === 'Multi-input less Single' && where === 'mean of all',
    )!;
    const { mean, low, high } = row.difference as Interval;
    for (const value of [mean, low, high]) expect(value).toBeCloseTo(0.15, 10);
    expect(row).toMatchObject({ patients: 6, above: 6, below: 0, p: 2 / 64, shows: 'yes' });
  });

  it('tells the interaction and the main effect of the loss', () => {
    const interaction = table(numbers, 'interactions').rows.find(
      ({ what }) => what === 'Multi-input less Single',
    )!;
    expect(interaction.where).toBe('literal less dice');
    expect((interaction.difference as Interval).mean).toBeCloseTo(0.1, 12);
    const [loss] = table(numbers, 'loss-differences').rows;
    expect((loss!.difference as Interval).mean).toBeCloseTo(0.1 / 3, 12);
  });

  it('counts lesions once and their share found by class of volume', () => {
    const [small] = table(numbers, 'lesion-sizes').rows;
    expect(small).toMatchObject({ size: 'below 0.05 ml', lesions: 24 });
    expect((small!['variant single'] as Interval).mean).toBe(0.25);
  });

  it('answers the question, once there are patients enough', () => {
    expect(numbers.answer.headline).toBe(
      'In these data tissue serves better as an input than as an output: Dice +0.250',
    );
    expect(numbers.answer.sentences[0]).toMatch(
      /^Multi-input less Multi-output: Dice \+0\.250 .*mean of 2 losses; above 0 in 6 of 6 patients; p = 0\.031; the interval excludes 0\.$/,
    );
    expect(numbers.answer.sentences[1]).toBe(
      'The same with each loss: +0.200 (+0.200 to +0.200) with dice, +0.300 (+0.300 to +0.300) with literal.',
    );
    expect(numbers.answer.sentences.at(-1)).toMatch(/^There are 6 patients: intervals from so few/);
  });

  it('has the same numbers on the page, in Markdown, CSV and JSON', () => {
    const page = experimentPage(experiment, numbers, NO_FIGURES, DATE);
    const markdown = experimentMarkdown(numbers, experiment);
    const csv = tableCsv(table(numbers, 'factorial'));
    const json = JSON.stringify(toJson(table(numbers, 'factorial')));
    expect(page).toContain('0.655');
    expect(markdown).toMatch(/\| literal \| 0\.455 \(.*\) \| 0\.655 \(.*\) \| 0\.355 \(.*\) \|/);
    expect(csv.split('\n')[2]).toMatch(/^literal,0\.455\d*,[\d.]+,[\d.]+,0\.65[45]\d*,/);
    expect(json).toMatch(/"mean":0\.65[45]/);
    for (const { table } of numbers.tables.filter(({ group }) => group !== 'scans'))
      expect(page).toContain(`<caption><span>${table.caption.replaceAll("'", '&#39;')}</span></caption>`);
  });

  it('shows every patient, and says how it was done', () => {
    const page = experimentPage(experiment, numbers, NO_FIGURES, DATE);
    expect(page.match(/<title>a 0\.\d{3}<\/title>/g)).toHaveLength(2 * 3);
    expect(page).toContain('Dice of every patient with the loss literal: 6 patients, means Single 0.455');
    for (const sentence of [
      /6 folds over patients: all visits of a patient are held out together/,
      /Tissue maps were made from the T1 .*; lesions in them were not corrected\./,
      /The others are not corrected for their number/,
    ]) {
      expect(page).toMatch(sentence);
      expect(experimentMarkdown(numbers, experiment)).toMatch(sentence);
    }
    const spm = { ...experiment.plan, settings: { tissue: 'spm' } };
    const correction = { kind: 'correction', id: 'c', needs: [], fold: 'a', seed: 1, by: {} } as const;
    const nested = methodSentences({ ...spm, units: [...spm.units, correction] })[1];
    expect(nested).toMatch(/^Tissue maps are those of spm; .* trained neither on the patient/);
    const printed = methodSentences({ ...spm, protocol: 'paper', units: [correction] })[1];
    expect(printed).toMatch(/trained on every patient, the held-out ones included\.$/);
  });

  it('needs nothing beside it', () => {
    const page = experimentPage(experiment, numbers, NO_FIGURES, DATE);
    expect(page).not.toMatch(/<script|<link|src="(?!data:)|href=|url\(/);
  });
});

describe('binLosses', () => {
  it('keeps short runs and takes the means of equal stretches of long ones', () => {
    expect(binLosses([3, 2, 1])).toEqual([
      { step: 1, loss: 3 },
      { step: 2, loss: 2 },
      { step: 3, loss: 1 },
    ]);
    expect(binLosses([1, 3, 5, 7, 9], 2)).toEqual([
      { step: 3, loss: 3 },
      { step: 5, loss: 8 },
    ]);
  });
});

describe('learningCurves', () => {
  it('draws each run and their mean, and says so to readers who do not see it', () => {
    const run = (from: number) => binLosses([from, from / 2, from / 4]);
    const { text } = learningCurves([run(1), run(3)], { title: 'Loss of two' });
    expect(text).toContain(
      'aria-label="Loss of two: 2 runs, mean loss 2.00 at the start and 0.500 at the end"',
    );
    expect(text.match(/<path [^>]*fill="none"/g)).toHaveLength(3);
    expect(learningCurves([[]], { title: 'None' }).text).toContain('no finite loss was logged');
  });
});

describe('what must not be overstated', () => {
  const opposed: DiceOf = ({ variant }, patient) =>
    0.5 + (variant === 'multi-input' ? 0.1 * (SIX.indexOf(patient) % 2 ? 1 : -1) : 0);

  it('leaves open what the interval leaves open', () => {
    const { answer } = experimentNumbers(madeUpExperiment({ patients: SIX }, opposed));
    expect(answer.headline).toBe(
      'These data do not tell whether tissue serves better as an input or as an output',
    );
    expect(answer.sentences[0]).toMatch(/includes 0: the difference may be chance/);
  });

  it('calls five patients too few, whatever their interval', () => {
    const { answer } = experimentNumbers(madeUpExperiment({ patients: SIX.slice(0, 5) }, additive));
    expect(answer.headline).toMatch(/^Too few patients \(5\) to tell/);
    expect(answer.sentences[0]).toMatch(/the interval excludes 0/);
    expect(
      table(
        experimentNumbers(madeUpExperiment({ patients: SIX.slice(0, 5) }, additive)),
        'variant-differences',
      ).rows[0],
    ).toMatchObject({ shows: 'too few patients' });
  });

  it('asks for a rare p beside the interval, which few patients make too narrow', () => {
    // One of six patients on the other side: the bootstrap excludes 0, sign flips do not.
    const one: DiceOf = ({ variant }, patient) =>
      0.5 + (variant === 'multi-input' ? (patient === 'f' ? -0.02 : 0.03 + 0.01 * SIX.indexOf(patient)) : 0);
    const numbers = experimentNumbers(madeUpExperiment({ patients: SIX }, one));
    const row = table(numbers, 'variant-differences').rows[0]!;
    expect((row.difference as Interval).low).toBeGreaterThan(0);
    expect(row.p).toBe(4 / 64);
    expect(row.shows).toBe('no');
    expect(numbers.answer.headline).toMatch(/^These data do not tell/);
  });

  it('says where losses disagree', () => {
    const split: DiceOf = ({ variant, loss }) =>
      0.5 + (variant === 'multi-input' ? (loss === 'dice' ? 0.2 : -0.2) : 0);
    const { answer } = experimentNumbers(
      madeUpExperiment({ patients: SIX, losses: ['dice', 'literal'] }, split),
    );
    expect(answer.headline).toMatch(/^These data do not tell/);
    expect(answer.sentences[1]).toMatch(/with literal\. The losses disagree, and their mean hides it\.$/);
  });

  it('says which nets did not learn their own training scans', () => {
    const experiment = madeUpExperiment({ patients: SIX }, additive);
    const results = new Map(
      [...experiment.results].map(([id, result]) =>
        id.startsWith('net_multi-output') && !id.includes('_a_')
          ? [id, { ...result, trainDice: 0.1 }]
          : [id, result],
      ),
    );
    const { answer } = experimentNumbers({ ...experiment, results });
    expect(answer.sentences.at(-2)).toMatch(
      /^Nets that hardly fit their own training scans \(Dice there below 0\.3\): 5 of 6 Multi-output\. /,
    );
    expect(experimentNumbers(experiment).answer.sentences.join()).not.toContain('hardly fit');
  });

  it('gives no interval for one patient', () => {
    const experiment = madeUpExperiment({ patients: ['a'] }, additive);
    const numbers = experimentNumbers(experiment);
    expect(numbers.answer.sentences[0]).toMatch(/on one patient: no interval, so nothing follows/);
    expect(experimentMarkdown(numbers, experiment)).toContain('| dice | 0.400 | 0.500 | 0.300 |');
  });

  it('says what is missing of an unfinished one, and reports the rest', () => {
    const half: DiceOf = (net, patient) => (patient === 'f' ? null : additive(net, patient));
    const experiment = madeUpExperiment({ patients: SIX }, half);
    const numbers = experimentNumbers(experiment);
    expect(numbers.answer.sentences[0]).toMatch(/^15 of 18 nets are finished: all of this may change/);
    expect(table(numbers, 'progress').rows[0]).toMatchObject({ 'variant single': '5 of 6' });
    expect(experimentPage(experiment, numbers, NO_FIGURES, DATE)).toContain('<dd>15 of 18</dd>');
    const none = madeUpExperiment({ patients: SIX }, () => null);
    expect(experimentNumbers(none).answer.headline).toBe('No net is finished of the 18 that are planned');
    expect(experimentPage(none, experimentNumbers(none), NO_FIGURES, DATE)).toContain('<dd>none yet</dd>');
  });

  it('escapes names that are markup', () => {
    const patients = ['<img src=x>', 'b|c'];
    const experiment = madeUpExperiment({ patients }, () => 0.5);
    const numbers = experimentNumbers(experiment);
    expect(experimentPage(experiment, numbers, NO_FIGURES, DATE)).not.toContain('<img src=x');
    expect(experimentMarkdown(numbers, experiment)).toContain('b\\|c');
  });
});
