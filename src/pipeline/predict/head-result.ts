import { thresholdMask } from '../../imaging/evaluate/threshold.ts';
import type { HeadDecision } from '../models/model.ts';
import type { Task, TaskHead } from '../task/task.ts';

/** What a network says of a scan by one head. Every map has the same voxels, x fastest. */
export interface HeadMaps {
  readonly head: TaskHead;
  readonly decision: HeadDecision;
  /** By label the probabilities, 0 outside the brain; of values one map under the head's name. */
  readonly maps: ReadonlyMap<string, Float32Array>;
  /** The number of the whole scan, for a head that gives one. */
  readonly value?: number | undefined;
  /**
   * What is decided already, by the steps of a network that was made elsewhere: 0 for the background, then labels by their
   * place from 1. The maps are 1 where their label is.
   */
  readonly decided?: Uint8Array | undefined;
}

/** The same with what is decided by it. */
export interface HeadResult extends HeadMaps {
  /** By label: 1 inside, for a head that decides by thresholds. */
  readonly masks: ReadonlyMap<string, Uint8Array>;
  /** 0 for the background, then labels by their place from 1, for a head that gives a label image. */
  readonly labels?: Uint8Array | undefined;
}

/** Decides about maps of a whole grid. @param brain nothing is decided for a label outside */
export function decide(maps: HeadMaps, brain: Uint8Array): HeadResult {
  const { decision, decided } = maps;
  if (decided) return { ...maps, masks: new Map(), labels: decided };
  const masks = new Map<string, Uint8Array>();
  if (decision.kind === 'threshold')
    for (const [i, [label, map]] of [...maps.maps].entries())
      masks.set(label, thresholdMask(map, decision.thresholds[i]!, brain));
  const all = [...maps.maps.values()];
  const labels =
    decision.kind === 'argmax'
      ? mostProbable(all, brain)
      : decision.kind === 'threshold' && decision.paint
        ? painted(all, decision.thresholds, brain)
        : undefined;
  return { ...maps, masks, labels };
}

/**
 * The most probable of background and labels; of equal ones the background, then the first label.
 * @param maps one per label, of equal lengths
 */
export function mostProbable(maps: readonly Float32Array[], brain: Uint8Array): Uint8Array {
  const labels = new Uint8Array(brain.length);
  for (let i = 0; i < labels.length; i++) {
    if (brain[i] === 0) continue;
    let rest = 1;
    for (const map of maps) rest -= map[i]!;
    let best = rest;
    for (let k = 0; k < maps.length; k++)
      if (maps[k]![i]! > best) {
        best = maps[k]![i]!;
        labels[i] = k + 1;
      }
  }
  return labels;
}

/** Whether a decision gives a label image: one value per voxel. */
export function hasLabelImage(decision: HeadDecision): boolean {
  return decision.kind === 'argmax' || (decision.kind === 'threshold' && decision.paint !== undefined);
}

/** The label images' values of a head's labels: those that are painted, or the labels' own. */
export function imageValues(head: TaskHead, decision: HeadDecision): readonly number[] {
  return (decision.kind === 'threshold' ? decision.paint : undefined) ?? labelValues(head);
}

/**
 * Labels that overlap, painted over each other in their order.
 * @param maps one per label
 * @returns for each voxel 0, or the place of the last label there, from 1
 */
export function painted(
  maps: readonly Float32Array[],
  thresholds: readonly number[],
  brain: Uint8Array,
): Uint8Array {
  const labels = new Uint8Array(brain.length);
  for (const [k, map] of maps.entries())
    for (let i = 0; i < labels.length; i++)
      if (brain[i] !== 0 && map[i]! >= thresholds[k]!) labels[i] = k + 1;
  return labels;
}

/** The value that a label has in label images: that of the images it was learned from, else its place from 1. */
export function labelValues({ labels, target }: TaskHead): readonly number[] {
  return (target.from === 'dseg' ? target.values : undefined) ?? labels.map((_, i) => i + 1);
}

/** A label of a head that decides where its labels are. */
export interface DecidedLabel {
  readonly head: TaskHead;
  readonly label: string;
}

/** Every label that a task decides about, the main head's first. */
export function decidedLabels({ heads }: Pick<Task, 'heads'>): readonly DecidedLabel[] {
  return heads.flatMap((head) =>
    head.decision === 'threshold' || head.decision === 'argmax'
      ? head.labels.map((label) => ({ head, label }))
      : [],
  );
}

/** Where a label is: 1 inside. */
export function maskOf({ masks, labels, head }: HeadResult, label: string): Uint8Array {
  const own = head.labels.indexOf(label) + 1;
  return masks.get(label) ?? Uint8Array.from(labels ?? [], (k) => (k === own ? 1 : 0));
}
