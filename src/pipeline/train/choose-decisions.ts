import type { AbortSignal } from '../../core/globals.ts';
import { scanName } from '../../imaging/dataset/dataset.ts';
import type { PreparedScan } from '../../imaging/dataset/preprocess.ts';
import { diceOfCounts } from '../../imaging/evaluate/metrics.ts';
import { ThresholdSearch } from '../../imaging/evaluate/threshold.ts';
import type { HeadDecision } from '../models/model.ts';
import { mostProbable } from '../predict/head-result.ts';
import { channelsOf, type Predictor } from '../predict/predictor.ts';
import { isScanValue, type Task, type TaskHead } from '../task/task.ts';

/** What a network's outputs become, and how well they fit the scans that it is chosen by. */
export interface ChosenDecisions {
  /** By head. */
  readonly decisions: Readonly<Record<string, HeadDecision>>;
  /** Mean Dice over the scans and labels of the main head; null if it has none, or decides nothing. */
  readonly dice: number | null;
  /** The same by label; empty if there is none. */
  readonly diceByLabel: Readonly<Record<string, number>>;
  /** Mean absolute error of the main head's values on the scans; null if it has labels. */
  readonly error: number | null;
}

/** How predictions of the scans are made and told of. */
interface ChooseOptions {
  readonly overlap: number;
  readonly signal?: AbortSignal | undefined;
  onScan?(done: number, total: number, scan: string): void;
}

/**
 * Predicts scans, of training or of validation, and chooses by them what is to be chosen: thresholds.
 * @param starting decisions before the training's end, with the scale of values
 */
export async function chooseDecisions(
  predictor: Predictor,
  task: Task,
  scans: readonly PreparedScan[],
  starting: Readonly<Record<string, HeadDecision>>,
  { overlap, signal, onScan }: ChooseOptions,
): Promise<ChosenDecisions> {
  const judges = task.heads.map((head) => judgeOf(head, starting[head.name]!));
  for (const [i, scan] of scans.entries()) {
    const maps = await predictor.predict(scan, {
      overlap,
      onTile: (done, total) => onScan?.(i + done / total, scans.length, scanName(scan)),
      signal,
    });
    for (const judge of judges) judge.add(maps.get(judge.head.name)!, scan);
  }
  const results = judges.map((judge) => [judge.head.name, judge.result()] as const);
  const main = results[0]![1];
  return {
    decisions: Object.fromEntries(results.map(([name, { decision }]) => [name, decision])),
    dice: main.dice ?? null,
    diceByLabel: Object.fromEntries((main.dices ?? []).map((dice, k) => [task.heads[0]!.labels[k]!, dice])),
    error: main.error ?? null,
  };
}

/** What is found out about one head. */
interface Judge {
  readonly head: TaskHead;
  add(maps: readonly Float32Array[], scan: PreparedScan): void;
  result(): {
    readonly decision: HeadDecision;
    readonly dice?: number;
    /** By label. */
    readonly dices?: readonly number[];
    readonly error?: number;
  };
}

function judgeOf(head: TaskHead, starting: HeadDecision): Judge {
  switch (starting.kind) {
    case 'threshold':
      return thresholdJudge(head);
    case 'argmax':
      return argmaxJudge(head);
    case 'value':
      return valueJudge(head, starting);
    case 'probabilities':
      return { head, add: () => {}, result: () => ({ decision: starting }) };
  }
}

function thresholdJudge(head: TaskHead): Judge {
  const searches = head.labels.map(() => new ThresholdSearch());
  return {
    head,
    add: (maps, scan) =>
      searches.forEach((search, k) => {
        search.add(maps[k]!, truthOf(scan, head, k), scan.brain);
      }),
    result: () => {
      const best = searches.map((search) => search.best());
      return {
        decision: { kind: 'threshold', thresholds: best.map(({ threshold }) => threshold) },
        dice: best.reduce((sum, { dice }) => sum + dice, 0) / best.length,
        dices: best.map(({ dice }) => dice),
      };
    },
  };
}

function argmaxJudge(head: TaskHead): Judge {
  const found: number[] = [];
  return {
    head,
    add: (maps, scan) => {
      const labels = mostProbable(maps, scan.brain);
      head.labels.forEach((_, k) => {
        const truth = truthOf(scan, head, k);
        let [both, predicted, actual] = [0, 0, 0];
        for (let i = 0; i < labels.length; i++) {
          const own = labels[i] === k + 1;
          if (own) predicted++;
          if (truth[i] !== 0) actual++;
          if (own && truth[i] !== 0) both++;
        }
        found.push(diceOfCounts(both, predicted, actual));
      });
    },
    result: () => ({
      decision: { kind: 'argmax' },
      dice: meanOf(found),
      // Scan by scan, label by label.
      dices: head.labels.map((_, k) => meanOf(found.filter((__, i) => i % head.labels.length === k))),
    }),
  };
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function valueJudge(head: TaskHead, decision: Extract<HeadDecision, { readonly kind: 'value' }>): Judge {
  let [sum, count] = [0, 0];
  const add = (output: number, truth: number): void => {
    sum += Math.abs(output * decision.deviation + decision.mean - truth);
    count++;
  };
  return {
    head,
    add: ([map], { targets, brain }) => {
      const target = targets?.get(head.name);
      if (!target || !map) return;
      if (isScanValue(head)) add(map[0]!, target.value ?? Number.NaN);
      else for (let i = 0; i < brain.length; i++) if (brain[i] !== 0) add(map[i]!, target.data[i]!);
    },
    result: () => ({ decision, error: sum / Math.max(1, count) }),
  };
}

/** A label's target as a mask: voxels whose probability (share of raters) is at least half. */
function truthOf({ targets, brain, shape }: PreparedScan, { name }: TaskHead, k: number): Uint8Array {
  const data = targets?.get(name)?.data;
  if (!data) return new Uint8Array(brain.length);
  if (data instanceof Uint8Array) return data.subarray(k * brain.length, (k + 1) * brain.length);
  return Uint8Array.from(channelsOf(data, shape)[k]!, (p) => (p >= 0.5 ? 1 : 0));
}
