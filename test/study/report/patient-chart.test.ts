import { describe, expect, it } from 'vitest';
import { bootstrapMean, meanByPatient, type Observation } from '../../../src/imaging/evaluate/bootstrap.ts';
import { type ChartGroup, patientChart } from '../../../src/study/report/patient-chart.ts';

const group = (label: string, values: Readonly<Record<string, number>>): ChartGroup => {
  const observations = Object.entries(values).map(
    ([patient, value]): Observation => ({ patient, session: null, value }),
  );
  return { label, estimate: bootstrapMean(observations), byPatient: meanByPatient(observations) };
};

describe('patientChart', () => {
  const groups = [group('Single', { a: 0.2, b: 0.4, c: 0.6 }), group('Multi-input', { a: 0.5, b: 0.1 })];
  const { text } = patientChart(groups, 'Dice of all');
  const numbers = (pattern: RegExp): number[][] =>
    [...text.matchAll(pattern)].map((match) => match.slice(1).map(Number));

  it('puts every patient at the height of its value, and the mean beside', () => {
    const points = numbers(/<circle cx="([\d.]+)" cy="([\d.]+)" r="3"/g);
    const means = numbers(/<circle cx="([\d.]+)" cy="([\d.]+)" r="4.5"/g);
    expect(points).toHaveLength(5);
    // The axis ends at 0.6: 0.2 is a third of its 172 pixels above 198.
    expect(points.slice(0, 3).map(([, y]) => y)).toEqual([140.7, 83.3, 26]);
    expect(means.map(([, y]) => y)).toEqual([83.3, 112]);
    for (const [i, [x]] of means.entries()) expect(x! - points[3 * i]![0]!).toBeCloseTo(14, 5);
  });

  it('joins the values of one patient, and draws the interval where there is one', () => {
    const lines = [...text.matchAll(/<path d="(M[^"HV]*)" fill="none"[^>]*><title>(\w)/g)];
    expect(lines.map(([, path, patient]) => [patient, path!.split('L').length])).toEqual([
      ['a', 2],
      ['b', 2],
      ['c', 1],
    ]);
    expect(text.match(/stroke-width="2"/g)).toHaveLength(2);
    expect(patientChart([group('One', { a: 0.5 })], 'x').text).not.toContain('stroke-width="2"');
  });

  it('says what it shows to readers who do not see it, and escapes names', () => {
    expect(text).toContain('aria-label="Dice of all: 3 patients, means Single 0.400, Multi-input 0.300"');
    expect(patientChart([group('<b>', { '<i>': 1.1 })], 'x').text).not.toMatch(/<[bi]>/);
  });
});
