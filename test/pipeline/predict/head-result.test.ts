import { describe, expect, it } from 'vitest';
import {
  decide,
  decidedLabels,
  labelValues,
  maskOf,
  mostProbable,
} from '../../../src/pipeline/predict/head-result.ts';
import { parseTask } from '../../../src/pipeline/task/task.ts';

const floats = (...values: number[]): Float32Array => Float32Array.from(values);
const { heads } = parseTask(
  {
    name: 'x',
    heads: [
      { name: 'parts', labels: ['a', 'b'], target: { from: 'dseg', values: [5, 3] } },
      { name: 'regions', labels: ['c', 'd'], activation: 'sigmoid', target: { from: 'mask' } },
      { name: 'tissue', labels: ['e'], target: { from: 'probseg' }, decision: 'probabilities' },
      { name: 'value', target: { from: 'map', suffix: 'T1map' } },
    ],
  },
  'x',
);
const [parts, regions, , value] = heads as [
  (typeof heads)[0],
  (typeof heads)[0],
  (typeof heads)[0],
  (typeof heads)[0],
];

describe('the most probable label', () => {
  it('is one of background and labels; of equal ones the background, then the first', () => {
    const [a, b] = [floats(0.6, 0.2, 0.25, 0.4, 0.5, 0.6), floats(0.1, 0.7, 0.25, 0.4, 0, 0.1)];
    const brain = Uint8Array.of(1, 1, 1, 1, 1, 0);
    expect([...mostProbable([a, b], brain)]).toEqual([1, 2, 0, 1, 0, 0]);
  });
});

describe('what is decided about maps', () => {
  const brain = Uint8Array.of(1, 1, 0);

  it('is a label image if labels exclude one another, and a mask of each follows from it', () => {
    const maps = new Map([
      ['a', floats(0.8, 0.1, 0.9)],
      ['b', floats(0.1, 0.6, 0)],
    ]);
    const result = decide({ head: parts, decision: { kind: 'argmax' }, maps }, brain);
    expect([...result.labels!]).toEqual([1, 2, 0]);
    expect([...maskOf(result, 'a')]).toEqual([1, 0, 0]);
    expect([...maskOf(result, 'b')]).toEqual([0, 1, 0]);
  });

  it('is a mask per region by its own threshold, inside the brain', () => {
    const maps = new Map([
      ['c', floats(0.5, 0.2, 1)],
      ['d', floats(0.5, 0.2, 1)],
    ]);
    const result = decide(
      { head: regions, decision: { kind: 'threshold', thresholds: [0.5, 0.1] }, maps },
      brain,
    );
    expect(result.labels).toBeUndefined();
    expect([...maskOf(result, 'c')]).toEqual([1, 0, 0]);
    expect([...maskOf(result, 'd')]).toEqual([1, 1, 0]);
  });

  it('is nothing for values', () => {
    const maps = new Map([['value', floats(1, 2, 3)]]);
    const result = decide({ head: value, decision: { kind: 'value', mean: 0, deviation: 1 }, maps }, brain);
    expect(result.labels).toBeUndefined();
    expect(result.masks.size).toBe(0);
  });
});

describe('labels of a task', () => {
  it('are those of heads that decide, the main head’s first', () => {
    expect(decidedLabels({ heads }).map(({ head, label }) => `${head.name} ${label}`)).toEqual([
      'parts a',
      'parts b',
      'regions c',
      'regions d',
    ]);
  });

  it('have the values of the files that they were learned from, else their places', () => {
    expect(labelValues(parts)).toEqual([5, 3]);
    expect(labelValues(regions)).toEqual([1, 2]);
  });
});
