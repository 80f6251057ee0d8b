/** A candidate and its times so far, in milliseconds: at first that of a single run. */
export interface Timing {
  readonly variant: string;
  readonly times: number[];
}

/**
 * Only what is within such a factor of the best is timed again: the first after a single run, the others after a round
 * each, the last from there on. The best time of a candidate counts, since other programs only ever lengthen it.
 */
const NEAR = [1.6, 1.3, 1.15] as const;
/** Work between two waits, in milliseconds. */
const LONG_ENOUGH = 4;

/**
 * Times in turns those that are near the best, fewer from round to round; short runs are repeated between two waits.
 * The best guess is timed in the first round whatever its single run said: it is the first to run on a slot's data, and
 * finds caches and memory cold.
 * @param time milliseconds of one of `repeats` runs
 * @returns those that were near to the end
 */
export async function timeInTurns<T extends Timing>(
  contenders: readonly T[],
  guess: string,
  rounds: number,
  time: (contender: T, repeats: number) => Promise<number>,
): Promise<readonly T[]> {
  let left = contenders;
  for (let turn = 0; turn <= rounds; turn++) {
    const best = Math.min(...left.map(({ times }) => Math.min(...times)));
    const near = NEAR[Math.min(turn, NEAR.length - 1)]! * best;
    left = left.filter(
      ({ variant, times }) => (turn === 0 && variant === guess) || Math.min(...times) <= near,
    );
    if (left.length === 1 || turn === rounds) break;
    for (const contender of left) {
      const { times } = contender;
      const repeats = Math.max(1, Math.round(LONG_ENOUGH / Math.max(0.05, Math.min(...times))));
      const ms = await time(contender, repeats);
      // The single run before is no measure beside several.
      if (turn === 0) times.length = 0;
      times.push(ms);
    }
  }
  return left;
}
