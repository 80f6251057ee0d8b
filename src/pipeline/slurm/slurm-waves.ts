/** Most tasks of one job array: Slurm's own limit where the cluster sets none (MaxArraySize). */
const MOST_TASKS = 1000;

/** A piece of work that one task does. */
export interface SlurmUnit {
  readonly id: string;
  /** Units that must be finished before it begins. */
  readonly needs: readonly string[];
}

/**
 * Groups units into waves: a unit's needs lie in earlier waves, so that each wave can be one job array that starts
 * when the one before it has ended. A unit goes into the last wave that its dependents allow: what needs
 * little then runs beside what needs much, and nothing waits for it.
 *
 * @param units those that are to be run; needs outside of them count as met or as seen to elsewhere
 * @param most units of a wave
 */
export function planWaves<Unit extends SlurmUnit>(
  units: readonly Unit[],
  most: number = MOST_TASKS,
): Unit[][] {
  const dependents = dependentsOf(units);
  // Length of the longest chain of units that wait for a unit.
  const heights = new Map<string, number>();
  const height = (id: string): number => {
    const known = heights.get(id);
    if (known !== undefined) return known;
    const result = Math.max(-1, ...(dependents.get(id) ?? []).map(height)) + 1;
    heights.set(id, result);
    return result;
  };
  const highest = Math.max(-1, ...units.map(({ id }) => height(id)));
  const waves = Array.from({ length: highest + 1 }, (_, i) =>
    units.filter(({ id }) => height(id) === highest - i),
  );
  return waves.flatMap((wave) => chunks(wave, most));
}

/** Units that cannot be finished before one of these, these included: what needs them, and what needs that. */
export function withDependents(units: readonly SlurmUnit[], ids: Iterable<string>): Set<string> {
  const dependents = dependentsOf(units);
  const found = new Set<string>();
  const add = (id: string): void => {
    if (found.has(id)) return;
    found.add(id);
    for (const next of dependents.get(id) ?? []) add(next);
  };
  for (const id of ids) add(id);
  return found;
}

function dependentsOf(units: readonly SlurmUnit[]): Map<string, string[]> {
  const dependents = new Map<string, string[]>(units.map(({ id }) => [id, []]));
  for (const { id, needs } of units) for (const need of needs) dependents.get(need)?.push(id);
  return dependents;
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size);
  return Array.from({ length: count }, (_, i) => items.slice(i * size, (i + 1) * size));
}
