import { describe, expect, it } from 'vitest';
import { Random } from '../../../src/core/random.ts';
import { describeStart, StartCheck } from '../../../src/pipeline/train/start-check.ts';
import { tinySettings } from './fixture.ts';

const settings = { lr: 5e-4, clip: 12 };

/** Losses of 90 steps with noise, from one value to another. */
function steps(
  from: number,
  to: number,
  noise: number,
  gradNorm = 1,
  skipped = false,
): Parameters<typeof describeStart>[0] {
  const random = new Random(3);
  return Array.from({ length: 90 }, (_, i) => ({
    loss: from + ((to - from) * i) / 89 + random.normal(0, noise),
    gradNorm,
    ...(skipped ? { skipped: true as const } : {}),
  }));
}

describe('the look at the first steps', () => {
  it('finds nothing where the loss falls, with noise too', () => {
    expect(describeStart(steps(0.98, 0.9, 0), settings)).toBeUndefined();
    expect(describeStart(steps(0.98, 0.6, 0.1), settings)).toBeUndefined();
  });

  it.each([
    ['flat', steps(0.98, 0.9799, 0.0001), 'it is flat: the learning rate 0.0005 is small'],
    ['rising', steps(0.9, 0.99, 0.01), 'it rises: the learning rate 0.0005 is too large'],
    ['without gradients', steps(0.98, 0.98, 0, 1e-9), 'gradients are almost nothing (norm 1.0e-9)'],
    ['clipped', steps(0.98, 0.98, 0, 40), 'most gradients are clipped at 12'],
    ['noisy', steps(0.7, 0.69, 0.2), 'it differs more from patch to patch than it falls'],
    ['passed over', steps(0.98, 0.98, 0, 1, true), 'most steps were passed over'],
  ] as const)('tells why it does not: %s', (_, seen, reason) => {
    const text = describeStart(seen, settings)!;
    expect(text).toContain('the network has hardly left its start: the loss was 0.');
    expect(text).toContain(reason);
  });

  it('comes once, after a twentieth of the run, and not in a run that is resumed', () => {
    const seen = steps(0.98, 0.98, 0).map((step, i) => ({ ...step, step: i + 1 }));
    const all = { ...tinySettings(), subjects: [], modalities: [] };
    const found = (before: number): number[] => {
      const check = new StartCheck(all, before);
      return seen.flatMap((step) => {
        check.add(step);
        return check.finding(step.step / 1400) === undefined ? [] : [step.step];
      });
    };
    expect(found(0)).toEqual([70]);
    expect(found(10)).toEqual([]);
  });
});
