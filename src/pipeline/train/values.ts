import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import type { HeadDecision } from '../models/model.ts';
import { firstDecision } from '../models/model.ts';
import { isValueHead, type Task, type TaskHead } from '../task/task.ts';

/** How values are standardised, so that losses of all heads have about one size. */
export interface ValueScale {
  readonly mean: number;
  readonly deviation: number;
}

/** Mean and deviation of a head's values: one per scan, or one per brain voxel of all scans. */
export function valueScale({ name }: TaskHead, scans: readonly PreparedScan[]): ValueScale {
  let [count, sum, squares] = [0, 0, 0];
  const add = (value: number): void => {
    count++;
    sum += value;
    squares += value * value;
  };
  for (const { targets, brain } of scans) {
    const target = targets?.get(name);
    if (target?.value !== undefined) add(target.value);
    else if (target) for (let i = 0; i < brain.length; i++) if (brain[i] !== 0) add(target.data[i]!);
  }
  const mean = count === 0 ? 0 : sum / count;
  const deviation = Math.sqrt(Math.max(0, squares / Math.max(1, count) - mean * mean));
  // A map of one value leaves nothing to scale by.
  return { mean, deviation: deviation > 1e-12 * Math.max(1, Math.abs(mean)) ? deviation : 1 };
}

/** What is decided about each head before the training's end. */
export function startingDecisions(
  { heads }: Task,
  scans: readonly PreparedScan[],
): Record<string, HeadDecision> {
  return Object.fromEntries(
    heads.map((head) => [
      head.name,
      isValueHead(head) ? { kind: 'value', ...valueScale(head, scans) } : firstDecision(head),
    ]),
  );
}
