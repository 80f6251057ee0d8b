import { UsageError } from '../../core/errors.ts';
import { setting, worded } from '../../core/wording.ts';
import type { ExperimentUnit } from '../report/experiment-record.ts';

/** Share `k` of `n` of an experiment's units, from 1. */
export interface Shard {
  readonly k: number;
  readonly n: number;
}

/**
 * Which units a process does: all of them, those of a shard, or those that are named. The units of each kind are dealt
 * to the shards in turn, so that shards have about the same work, and each unit is in exactly one.
 *
 * @returns in the experiment's order
 * @throws UsageError for a unit that there is not.
 */
export function unitsOf(
  units: readonly ExperimentUnit[],
  share: { readonly shard?: Shard | undefined; readonly names?: readonly string[] | undefined },
): ExperimentUnit[] {
  const { shard, names } = share;
  const unknown = names?.find((name) => !units.some(({ id }) => id === name));
  if (unknown !== undefined)
    throw new UsageError(`the experiment has no unit ${JSON.stringify(unknown)}`, {
      hint: worded`List the units with ${setting('plan', true)}.`,
    });
  const dealt = new Map<ExperimentUnit['kind'], number>();
  return units.filter((unit) => {
    const turn = dealt.get(unit.kind) ?? 0;
    dealt.set(unit.kind, turn + 1);
    if (shard && turn % shard.n !== shard.k - 1) return false;
    return names?.includes(unit.id) ?? true;
  });
}
