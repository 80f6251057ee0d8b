import { describe, expect, it } from 'vitest';
import { firstTaskWeights, nextTaskWeights, taskFactors } from '../../../src/engine/optim/task-weights.ts';

describe('learned weights of losses', () => {
  it('are those of PyTorch after ten steps of Adam', () => {
    // s = zeros(2), Adam([s], lr=0.01); ten times: loss = [0.9 - 0.05 t, 0.2 + 0.01 t], and a step on
    // (w * (exp(-s) * loss + s / 2)).sum() with w = [1, 0.25], in float64.
    const weights = [1, 0.25];
    let state = firstTaskWeights(2);
    for (let t = 0; t < 10; t++)
      state = nextTaskWeights(state, [0.9 - 0.05 * t, 0.2 + 0.01 * t], weights, 0.01);
    const [first, second] = state.logVariances;
    expect(first).toBeCloseTo(0.08368260012573722, 12);
    expect(second).toBeCloseTo(-0.09801428155846999, 12);
    expect(taskFactors(state)).toEqual([Math.exp(-first!), Math.exp(-second!)]);
  });

  it('move down the slope of what is minimised', () => {
    const losses = [0.8, 0.1, 0.5];
    const weights = [1, 2, 0];
    const total = (s: readonly number[]): number =>
      s.reduce((sum, each, i) => sum + weights[i]! * (Math.exp(-each) * losses[i]! + each / 2), 0);
    const at = [0.3, -0.2, 0.1];
    const zeros = [0, 0, 0];
    const { m } = nextTaskWeights(
      { logVariances: at, m: zeros, v: zeros, updates: 0 },
      losses,
      weights,
      1e-3,
    );
    const h = 1e-6;
    at.forEach((_, i) => {
      const moved = (by: number): number[] => at.map((each, j) => each + (i === j ? by : 0));
      // After one step Adam's first moment is a tenth of the gradient.
      expect(10 * m[i]!).toBeCloseTo((total(moved(h)) - total(moved(-h))) / (2 * h), 8);
    });
  });

  it('of constant losses tend to half of their inverse', () => {
    const losses = [0.8, 0.1];
    let state = firstTaskWeights(2);
    for (let t = 0; t < 4000; t++) state = nextTaskWeights(state, losses, [1, 1], 5e-3);
    taskFactors(state).forEach((factor, i) => {
      expect(factor * losses[i]!).toBeCloseTo(0.5, 3);
    });
  });
});
