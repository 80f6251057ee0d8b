import { StorageError } from '../../core/errors.ts';
import { type FolderLock, LockedFiles } from '../../core/locked-files.ts';
import { sleep } from '../../core/sleep.ts';
import { setting, worded } from '../../core/wording.ts';
import type { ExperimentUnit } from '../report/experiment-record.ts';
import { runUnit } from './run-unit.ts';
import type { UnitContext } from './unit-context.ts';
import { readUnitResult } from './unit-files.ts';

/** Milliseconds between two looks at what other processes have finished. */
const POLL_MS = 2000;

/** What runs units one after the other. */
export interface ExperimentContext extends UnitContext {
  /**
   * Takes a unit for this process; left out where no other process works in the folder.
   * @returns the lock; or, in words, who has it
   */
  lock?(unit: string): Promise<FolderLock | string>;
  /**
   * Told before each unit that is worked on, and after the last.
   * @param done of the units that were not finished when the work began, those that are now
   * @param total units that were not finished when the work began
   */
  onUnit?(done: number, total: number, unit: ExperimentUnit | undefined): void;
  /** Told, once each time that it changes, what other processes are waited for. */
  onWait?(text: string): void;
}

/** What {@link runUnits} came to. */
export interface UnitsDone {
  /** Units that this process did. */
  readonly done: readonly string[];
  /** Units that were finished already, or that another process finished meanwhile. */
  readonly skipped: readonly string[];
}

/**
 * Does units of an experiment in their order, on one device. Finished ones are skipped, interrupted ones go on, and one
 * that another process has is waited for, as is what a unit needs from other processes.
 *
 * @param units those of this process, in the experiment's order
 * @param waits false: a unit that another process has, or whose needs are not finished, is an error
 * @throws StorageError for what is not waited for; whatever a unit throws, and the signal's reason.
 */
export async function runUnits(
  units: readonly ExperimentUnit[],
  context: ExperimentContext,
  waits: boolean,
): Promise<UnitsDone> {
  const finished = new Set<string>();
  const isFinished = async (id: string): Promise<boolean> => {
    if (!finished.has(id) && (await readUnitResult(context.out, id))) finished.add(id);
    return finished.has(id);
  };
  const done: string[] = [];
  const skipped: string[] = [];
  const countFinished = (): number => units.filter(({ id }) => finished.has(id)).length;
  // All are looked for at once: those behind an unfinished one must not count as done by this process later.
  for (const { id } of units) if (await isFinished(id)) skipped.push(id);
  const before = skipped.length;
  let pending = units.filter(({ id }) => !finished.has(id));
  let waited = '';
  while (pending.length > 0) {
    const reasons: string[] = [];
    let advanced = false;
    for (const unit of pending) {
      context.signal?.throwIfAborted();
      if (await isFinished(unit.id)) {
        skipped.push(unit.id);
        advanced = true;
        continue;
      }
      const missing: string[] = [];
      for (const need of unit.needs) if (!(await isFinished(need))) missing.push(need);
      if (missing.length > 0) {
        reasons.push(`${unit.id} needs ${missing.join(', ')}`);
        continue;
      }
      const lock = await context.lock?.(unit.id);
      if (typeof lock === 'string') {
        reasons.push(`${unit.id}: ${lock}`);
        continue;
      }
      try {
        // Another process may have finished it since it was looked for.
        if (await isFinished(unit.id)) skipped.push(unit.id);
        else {
          context.onUnit?.(countFinished() - before, units.length - before, unit);
          await runUnit(unit, lock ? { ...context, out: new LockedFiles(context.out, lock) } : context);
          finished.add(unit.id);
          done.push(unit.id);
        }
      } finally {
        await lock?.release();
      }
      advanced = true;
      break;
    }
    pending = pending.filter(({ id }) => !finished.has(id));
    if (advanced) continue;
    if (!waits) throw unmet(reasons);
    const text = reasons.join('; ');
    if (text !== waited) context.onWait?.(text);
    waited = text;
    await sleep(POLL_MS, context.signal);
  }
  context.onUnit?.(units.length - before, units.length - before, undefined);
  return { done, skipped };
}

function unmet(reasons: readonly string[]): StorageError {
  const [first, ...rest] = reasons;
  return new StorageError(`${first}${rest.length > 0 ? `; and ${rest.length} more units wait` : ''}`, {
    hint: worded`Run what is needed first, or leave ${setting('units')} out: units then run in order.`,
  });
}
