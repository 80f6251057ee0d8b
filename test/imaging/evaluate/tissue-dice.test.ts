import { describe, expect, it } from 'vitest';
import { ShapeError } from '../../../src/core/errors.ts';
import { tissueDice } from '../../../src/imaging/evaluate/tissue-dice.ts';

const of = (GM: number[], WM: number[], CSF: number[]) => ({
  GM: Float32Array.from(GM),
  WM: Float32Array.from(WM),
  CSF: Float32Array.from(CSF),
});

describe('tissueDice', () => {
  it('compares the most probable tissues inside the brain', () => {
    const a = of([0.6, 0.6, 0.1, 0, 0.9], [0.3, 0.3, 0.8, 0, 0], [0.1, 0.1, 0.1, 0, 0.1]);
    const b = of([0.9, 0.2, 0.1, 0, 0], [0.1, 0.7, 0.9, 0, 1], [0, 0.1, 0, 0, 0]);
    // In the brain a is GM GM WM CSF, b is GM WM WM CSF; the last voxel lies outside.
    const dice = tissueDice(a, b, Uint8Array.from([1, 1, 1, 1, 0]));
    expect(dice.GM).toBeCloseTo(2 / 3, 12);
    expect(dice.WM).toBeCloseTo(2 / 3, 12);
    expect(dice.CSF).toBe(1);
  });

  it('refuses arrays of different lengths', () => {
    const maps = of([1], [0], [0]);
    expect(() => tissueDice(maps, maps, new Uint8Array(2))).toThrow(ShapeError);
  });
});
