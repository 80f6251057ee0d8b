import { canonicalModality, findModality } from '../../imaging/dataset/modality.ts';
import type { ModelInfo } from './model.ts';

/**
 * The images of a scan that a network is to read, in its order: all of them, but for optional ones that are not there.
 * One that is missing and not optional stays in the list, so that reading it says so.
 * @param available the images there are
 */
export function presentChannels(
  { task, optional = [] }: Pick<ModelInfo, 'task' | 'optional'>,
  available: Iterable<string>,
): readonly string[] {
  const there = [...available];
  return task.channels.filter((name) => !optional.includes(name) || findModality(there, name) !== undefined);
}

/**
 * For each image that a network reads, where it is among those of a scan; undefined for an optional one that is missing.
 * A scan with as many images as the network reads has them in its order, whatever they are called.
 */
export function channelPlaces(
  { task, optional = [] }: Pick<ModelInfo, 'task' | 'optional'>,
  found: readonly string[],
): readonly (number | undefined)[] {
  const inOrder = found.map((_, i) => i);
  if (found.length >= task.channels.length || optional.length === 0) return inOrder;
  const names = found.map((name) => canonicalModality(name).toLowerCase());
  const places = task.channels.map((name) => names.indexOf(canonicalModality(name).toLowerCase()));
  // One that must be there is not: the window refuses the number of channels.
  if (places.some((at, i) => at < 0 && !optional.includes(task.channels[i]!))) return inOrder;
  return places.map((at) => (at < 0 ? undefined : at));
}

/** What a result must say where optional images are missing; undefined where none is. */
export function missingNote(
  info: Pick<ModelInfo, 'task' | 'optional'>,
  available: Iterable<string>,
): string | undefined {
  const present = presentChannels(info, available);
  const missing = info.task.channels.filter((name) => !present.includes(name));
  if (missing.length === 0) return undefined;
  return `there is no ${missing.join(' or ')}: the network saw ${present.join(', ')} alone, and finds less well`;
}
