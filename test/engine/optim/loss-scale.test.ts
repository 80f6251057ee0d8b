import { describe, expect, it } from 'vitest';
import { firstLossScale, type LossScale, nextLossScale } from '../../../src/engine/optim/loss-scale.ts';

describe('the scale of a loss', () => {
  it('is halved by each step that overflows, down to 1', () => {
    let state: LossScale = { scale: 8, goodSteps: 5, skippedSteps: 2 };
    const scales: number[] = [];
    for (let i = 0; i < 5; i++) {
      state = nextLossScale(state, false);
      scales.push(state.scale);
    }
    expect(scales).toEqual([4, 2, 1, 1, 1]);
    expect(state).toEqual({ scale: 1, goodSteps: 0, skippedSteps: 7 });
  });

  it('doubles after so many good steps in a row, up to the largest', () => {
    const scaling = { start: 4, interval: 3, most: 16 };
    let state = firstLossScale(scaling);
    const scales: number[] = [];
    for (const finite of [true, true, false, ...new Array<true>(9).fill(true)]) {
      state = nextLossScale(state, finite, scaling);
      scales.push(state.scale);
    }
    expect(scales).toEqual([4, 4, 2, 2, 2, 4, 4, 4, 8, 8, 8, 16]);
    for (let i = 0; i < 3; i++) state = nextLossScale(state, true, scaling);
    expect(state).toEqual({ scale: 16, goodSteps: 0, skippedSteps: 1 });
  });

  it('starts with one that a gradient of 1 survives', () => {
    expect(firstLossScale().scale).toBeLessThan(2 * 65504);
  });
});
