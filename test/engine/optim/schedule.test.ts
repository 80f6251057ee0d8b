import { describe, expect, it } from 'vitest';
import {
  constantSchedule,
  cosineSchedule,
  polynomialSchedule,
  warmUp,
} from '../../../src/engine/optim/schedule.ts';

describe('schedules', () => {
  it('constant: the same rate always', () => {
    expect([0, 7, 1e6].map(constantSchedule(5e-4))).toEqual([5e-4, 5e-4, 5e-4]);
  });

  it('cosine: rate, the middle, the final rate, and that ever after', () => {
    const schedule = cosineSchedule(1, 100, 0.2);
    expect(schedule(0)).toBe(1);
    expect(schedule(50)).toBeCloseTo(0.6, 12);
    expect(schedule(100)).toBeCloseTo(0.2, 12);
    expect(schedule(1000)).toBeCloseTo(0.2, 12);
    for (let step = 1; step <= 100; step++) expect(schedule(step)).toBeLessThan(schedule(step - 1));
  });

  it('polynomial: nnU-Net’s (1 - t)^0.9', () => {
    const schedule = polynomialSchedule(0.01, 1000);
    expect(schedule(0)).toBe(0.01);
    expect(schedule(500)).toBeCloseTo(0.01 * 0.5 ** 0.9, 15);
    expect(schedule(999)).toBeCloseTo(0.01 * 0.001 ** 0.9, 15);
    expect([1000, 2000].map(schedule)).toEqual([0, 0]);
  });

  it('warm-up: a straight rise, then the other schedule from its own start', () => {
    const schedule = warmUp(4, cosineSchedule(1, 10));
    expect([0, 1, 2, 3].map(schedule).map((rate) => Math.round(rate * 1e12) / 1e12)).toEqual([
      0.2, 0.4, 0.6, 0.8,
    ]);
    expect(schedule(4)).toBe(1);
    expect(schedule(9)).toBeCloseTo(0.5, 12);
    expect(warmUp(0, constantSchedule(2))(0)).toBe(2);
  });

  it('refuses what cannot be meant', () => {
    expect(() => constantSchedule(-1)).toThrow(/learning rate is at least 0 and finite; got -1/);
    expect(() => constantSchedule(Number.NaN)).toThrow(/got NaN/);
    expect(() => cosineSchedule(1, 0)).toThrow(/steps is an integer of at least 1; got 0/);
    expect(() => polynomialSchedule(1, 2.5)).toThrow(/got 2.5/);
    expect(() => warmUp(-1, constantSchedule(1))).toThrow(
      /warm-up steps is an integer of at least 0; got -1/,
    );
  });
});
