import { UsageError } from '../../core/errors.ts';
import { canonicalJson, toJson } from '../../core/json.ts';
import type { Gpu } from '../../engine/gpu/gpu.ts';
import type { LoadedScan } from '../../imaging/dataset/load-scan.ts';
import { fullBox, uncrop } from '../../imaging/volume/crop.ts';
import type { Voxels } from '../../imaging/volume/voxels.ts';
import type { HeadDecision, Model } from '../models/model.ts';
import type { HeadMaps } from './head-result.ts';
import type { Predictor } from './predictor.ts';
import { type BoxSegmentation, type SegmentOptions, segmentBox, withPredictor } from './segment.ts';
import type { WindowSnapshot } from './sliding-window.ts';

/** How far an ensemble has come with a scan. */
export interface EnsembleSnapshot {
  /** Networks that are done. */
  members: number;
  /** What they came to, summed; undefined before the first. */
  sum: BoxSegmentation | undefined;
  /** Of the network that runs. */
  readonly window: WindowSnapshot;
}

/** A scan that nothing is done about yet. */
export function freshSnapshot(): EnsembleSnapshot {
  return { members: 0, sum: undefined, window: { tiles: 0, sums: undefined } };
}

/**
 * Refuses an ensemble of networks that learned different things.
 * @param models by how messages call them
 * @throws UsageError naming the first that differs, and in what, or that gives labels alone.
 */
export function requireSameTask(models: readonly (readonly [name: string, model: Model])[]): void {
  const [[firstName, first], ...others] = models as [(typeof models)[number], ...typeof models];
  const wanted = first.info.task;
  const labelling = others.length > 0 && models.find(([, { info }]) => info.steps?.kind === 'brainchop');
  if (labelling)
    throw new UsageError(`${labelling[0]} gives labels and no probabilities: it is in no ensemble`, {
      hint: 'Predict with it alone.',
    });
  for (const [name, { info }] of others) {
    const fields = ['channels', 'maps', 'heads'] as const;
    const other = fields.find(
      (field) => canonicalJson(toJson(info.task[field])) !== canonicalJson(toJson(wanted[field])),
    );
    if (other === undefined) continue;
    const told = { channels: 'images that they read', maps: 'maps that they read', heads: 'outputs' }[other];
    throw new UsageError(
      `${firstName} and ${name} cannot be put together: ${told} differ (${wanted.name}, ${info.task.name})`,
      { hint: 'An ensemble is made of networks of one task, such as those of several seeds or folds.' },
    );
  }
}

/** Puts networks on the GPU for as long as `work` takes. @throws as `withPredictor`. */
export async function withPredictors<T>(
  gpu: Gpu,
  models: readonly Model[],
  work: (predictors: readonly Predictor[]) => Promise<T>,
  options: Pick<SegmentOptions, 'tile' | 'kernels' | 'precision'> = {},
): Promise<T> {
  const add = async (predictors: readonly Predictor[]): Promise<T> => {
    const model = models[predictors.length];
    if (!model) return await work(predictors);
    return await withPredictor(gpu, model, (predictor) => add([...predictors, predictor]), options);
  };
  return await add([]);
}

/**
 * The mean of what several networks say of a scan: of probabilities, of values, and of the thresholds that they decide by.
 * One network's is as it says it, in its box; several ones' are of the scan's whole grid.
 * @param snapshot kept up to date; with it a run on another device goes on
 * @throws as `segmentBox`.
 */
export async function segmentEnsemble(
  predictors: readonly Predictor[],
  models: readonly Model[],
  scan: LoadedScan<Voxels>,
  options: Omit<SegmentOptions, 'snapshot'>,
  snapshot: EnsembleSnapshot,
): Promise<BoxSegmentation> {
  const count = models.length;
  while (snapshot.members < count) {
    const at = snapshot.members;
    const { onTile } = options;
    const found = await segmentBox(predictors[at]!, models[at]!, scan, {
      ...options,
      snapshot: snapshot.window,
      onTile: (done, total) => onTile?.(at * total + done, count * total),
    });
    if (count === 1) return found;
    snapshot.sum = addUp(snapshot.sum, onWholeGrid(found, scan));
    snapshot.members = at + 1;
    Object.assign(snapshot.window, { tiles: 0, sums: undefined });
  }
  return divided(snapshot.sum!, count);
}

function onWholeGrid(
  { box, heads, resampled }: BoxSegmentation,
  { grid }: LoadedScan<Voxels>,
): BoxSegmentation {
  const whole = [...heads].map(([name, head]): [string, HeadMaps] => [
    name,
    { ...head, maps: new Map([...head.maps].map(([label, map]) => [label, uncrop(map, box, grid).data])) },
  ]);
  return { box: fullBox(grid), heads: new Map(whole), resampled };
}

function addUp(sum: BoxSegmentation | undefined, more: BoxSegmentation): BoxSegmentation {
  if (!sum) return more;
  for (const [name, head] of more.heads)
    for (const [label, map] of head.maps) {
      const into = sum.heads.get(name)!.maps.get(label)!;
      for (let i = 0; i < map.length; i++) into[i]! += map[i]!;
    }
  const heads = [...sum.heads].map(([name, head]): [string, HeadMaps] => {
    const other = more.heads.get(name)!;
    const value = head.value === undefined ? undefined : head.value + (other.value ?? 0);
    return [name, { ...head, decision: addThresholds(head.decision, other.decision), value }];
  });
  return { ...sum, heads: new Map(heads) };
}

function addThresholds(a: HeadDecision, b: HeadDecision): HeadDecision {
  if (a.kind !== 'threshold' || b.kind !== 'threshold') return a;
  return { ...a, thresholds: a.thresholds.map((at, k) => at + b.thresholds[k]!) };
}

function divided(sum: BoxSegmentation, count: number): BoxSegmentation {
  const heads = [...sum.heads].map(([name, head]): [string, HeadMaps] => {
    for (const map of head.maps.values()) for (let i = 0; i < map.length; i++) map[i]! /= count;
    const { decision, value } = head;
    const mean: HeadDecision =
      decision.kind === 'threshold'
        ? { ...decision, thresholds: decision.thresholds.map((at) => at / count) }
        : decision;
    return [name, { ...head, decision: mean, value: value === undefined ? undefined : value / count }];
  });
  return { ...sum, heads: new Map(heads) };
}
