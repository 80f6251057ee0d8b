import { describe, expect, it } from 'vitest';
import { timeInTurns } from '../../../src/engine/tune/in-turns.ts';

describe('timeInTurns', () => {
  const run = async (
    single: Readonly<Record<string, number>>,
    later: Readonly<Record<string, readonly number[]>>,
    rounds = 3,
  ): Promise<{ left: string[]; asked: Record<string, number[]> }> => {
    const asked: Record<string, number[]> = {};
    const contenders = Object.entries(single).map(([variant, ms]) => ({ variant, times: [ms] }));
    const left = await timeInTurns(contenders, 'guess', rounds, async ({ variant }, repeats) => {
      asked[variant] = [...(asked[variant] ?? []), repeats];
      return later[variant]![asked[variant].length - 1]!;
    });
    return { left: left.map(({ variant }) => variant), asked };
  };

  it('gives the best guess a round, however slow its first run was', async () => {
    const { left, asked } = await run({ guess: 97, other: 28 }, { guess: [20, 20, 21], other: [27] });
    expect(left).toEqual(['guess']);
    expect(asked).toEqual({ guess: [1], other: [1] });
  });

  it('leaves others out after a single run that is far from the best, and the guess after a round', async () => {
    const times = { guess: [40], near: [10, 10, 10], far: [] };
    const { left, asked } = await run({ guess: 40, near: 10, far: 17 }, times);
    expect(left).toEqual(['near']);
    expect(Object.keys(asked)).toEqual(['guess', 'near']);
  });

  it('counts the best time of each, and repeats short runs', async () => {
    const times = { guess: [1, 9, 1], other: [1.1, 1, 9] };
    const { left, asked } = await run({ guess: 1, other: 1 }, times);
    expect(left).toEqual(['guess', 'other']);
    expect(asked.guess).toEqual([4, 4, 4]);
  });
});
