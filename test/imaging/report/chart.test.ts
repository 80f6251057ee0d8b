import { describe, expect, it } from 'vitest';
import { learningCurve } from '../../../src/imaging/report/chart.ts';

const texts = (svg: string): string[] => [...svg.matchAll(/<text[^>]*>([^<]*)<\/text>/g)].map((m) => m[1]!);
const paths = (svg: string): number[][][] =>
  [...svg.matchAll(/<path d="(M[^"]*L[^"]*)"/g)].map((m) =>
    [...m[1]!.matchAll(/[ML]([\d.-]+) ([\d.-]+)/g)].map((p) => [Number(p[1]), Number(p[2])]),
  );

describe('learningCurve', () => {
  const losses = Array.from({ length: 100 }, (_, i) => 0.9 - 0.006 * i + (i % 2 ? 0.02 : -0.02));

  it('draws the raw and the smoothed curve inside the axes', () => {
    const { text } = learningCurve(losses, { title: 'Loss' });
    const [raw, smooth] = paths(text);
    expect([raw!.length, smooth!.length]).toEqual([100, 100]);
    for (const [x, y] of [...raw!, ...smooth!]) {
      expect(x).toBeGreaterThanOrEqual(46);
      expect(x).toBeLessThanOrEqual(340);
      expect(y).toBeGreaterThanOrEqual(28);
      expect(y).toBeLessThanOrEqual(182);
    }
    const rough = (path: number[][]): number =>
      path.slice(11, -10).reduce((sum, p, i) => sum + Math.abs(p[1]! - path[i + 10]![1]!), 0);
    expect(rough(smooth!)).toBeLessThan(rough(raw!) / 3);
  });

  it('labels round ticks that enclose the values, and the axes', () => {
    const labels = texts(learningCurve(losses, { title: 'Loss', yLabel: 'generalised Dice loss' }).text);
    expect(labels).toEqual([
      'generalised Dice loss',
      '0.2',
      '0.4',
      '0.6',
      '0.8',
      '1.0',
      '0',
      '50',
      '100',
      'step',
    ]);
  });

  it('says in words what it shows', () => {
    const { text } = learningCurve(losses, { title: 'Loss of "single"' });
    expect(text).toContain('role="img"');
    expect(text).toContain(
      'aria-label="Loss of &quot;single&quot;: 100 steps, mean loss 0.873 at the start and 0.333 at the end"',
    );
  });

  it('has a log axis with powers of ten, and leaves out what it cannot show', () => {
    const { text } = learningCurve([100, 10, 0, -1, 0.1, 0.012], { title: 'Loss', scale: 'log' });
    const labels = texts(text);
    expect(labels).toContain('loss (log scale)');
    for (const tick of ['0.01', '0.1', '1', '10', '100']) expect(labels).toContain(tick);
    expect(paths(text)[0]).toHaveLength(4);
  });

  it('keeps the spread of a long run in few points', () => {
    const long = Array.from({ length: 50_000 }, (_, i) => (i === 33_333 ? 5 : Math.sin(i)));
    const { text } = learningCurve(long, { title: 'Loss' });
    expect(text.length).toBeLessThan(30_000);
    const top = Math.min(...paths(text)[0]!.map((p) => p[1]!));
    // The axis goes from -2 to 6: the one loss of 5 stands an eighth below its top.
    expect(top).toBeCloseTo(28 + (182 - 28) / 8, 0);
  });

  it('places losses at the steps they were logged at', () => {
    const { text } = learningCurve([1, 0.5], { title: 'Loss', steps: [100, 200] });
    expect(paths(text)[0]!.map((p) => p[0])).toEqual([193, 340]);
  });

  it('stands one value, equal values and none that is finite', () => {
    for (const values of [[0.3], [0, 0, 0], [1e-9, 2e-9]])
      expect(learningCurve(values, { title: 'Loss' }).text).not.toMatch(/NaN|Infinity/);
    for (const scale of ['linear', 'log'] as const)
      expect(learningCurve([0.3, 0.3], { title: 'Loss', scale }).text).not.toMatch(/NaN|Infinity/);
    expect(texts(learningCurve([Number.NaN], { title: 'Loss' }).text)).toEqual(['no finite loss was logged']);
  });
});
