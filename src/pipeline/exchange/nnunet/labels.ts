import { CheckpointError, FileFormatError } from '../../../core/errors.ts';
import type { HeadDecision, ModelTask } from '../../models/model.ts';
import { parseTask } from '../../task/task.ts';
import { Fields } from './fields.ts';
import { HEAD } from './plans.ts';

/** What `dataset.json` says of what goes in and comes out. */
export interface Labels {
  readonly task: ModelTask;
  readonly decision: HeadDecision;
  /** Of the network. */
  readonly outChannels: number;
  /** Names that were shortened to words, with what they were. */
  readonly renamed: readonly string[];
}

/** Where a label image holds what a voxel is not to be learned from. */
const IGNORE = 'ignore';

/**
 * Reads `dataset.json` of nnU-Net v2. Labels that are numbers exclude one another: the network ends with a softmax, and
 * a voxel gets the most probable. Labels that are lists are regions: the network has an output for each, and those of at
 * least one half are painted over each other in the order of `regions_class_order`.
 *
 * @param value the JSON
 * @param path how messages call the file
 * @param name of the data set
 * @param channels other names for its channels, in its order: those by which a data set's images are found
 * @throws CheckpointError for a file of nnU-Net v1, and for channels that do not fit; FileFormatError.
 */
export function readLabels(value: unknown, path: string, name: string, channels?: readonly string[]): Labels {
  const dataset = new Fields(value, path);
  if (!dataset.has('channel_names'))
    throw new CheckpointError(
      `${path}: ${dataset.has('modality') ? 'is of nnU-Net v1: it has modality and no channel_names' : 'has no channel_names'}`,
      { hint: 'Give the dataset.json of an nnU-Net v2 results folder.' },
    );
  const names = channelNames(dataset, path);
  if (channels && channels.length !== names.length)
    throw new CheckpointError(
      `${path}: the network reads ${names.length} channels (${names.join(', ')}), and ${channels.length} are named`,
      { hint: 'Name one for each, in that order.' },
    );
  const given = dataset.object('labels');
  const entries = given.names
    .filter((label) => label !== IGNORE)
    .map((label) => ({ label, values: valuesOf(given.raw(label), label, path) }));
  const foreground = entries.filter(({ values }) => values.some((v) => v !== 0));
  const regions = entries.some(({ values }) => values.length > 1);
  if (!regions) foreground.sort((a, b) => a.values[0]! - b.values[0]!);
  const words = foreground.map(({ label }, i) => wordOf(label, i));
  const taken = words.map((word, i) => (words.indexOf(word) === i ? word : `${word.slice(0, 28)}${i + 1}`));
  const head = regions
    ? { labels: taken, activation: 'sigmoid', target: { from: 'mask' }, decision: 'threshold' }
    : {
        labels: taken,
        activation: 'softmax',
        target: { from: 'dseg', values: foreground.map(({ values }) => values[0]!) },
        // Of one label the same as the most probable, and a mask that has a threshold.
        decision: taken.length === 1 ? 'threshold' : 'argmax',
      };
  const order = regions ? dataset.numbers('regions_class_order') : undefined;
  if (order && order.length !== taken.length)
    throw new FileFormatError(
      path,
      `regions_class_order has ${order.length} values for ${taken.length} regions`,
      { hint: 'It has one for each region that is not the background.' },
    );
  const task = parseTask(
    {
      name:
        name
          .replace(/[^\w-]/g, '-')
          .replace(/^[^A-Za-z]+/, '')
          .slice(0, 64) || 'nnunet',
      channels: [...(channels ?? names)],
      heads: [{ name: HEAD, ...head }],
    },
    path,
  );
  const thresholds = taken.map(() => 0.5);
  return {
    task: { ...task, channels: task.channels! },
    decision:
      head.decision === 'argmax' ? { kind: 'argmax' } : { kind: 'threshold', thresholds, paint: order },
    outChannels: regions ? taken.length : taken.length + 1,
    renamed: foreground.flatMap(({ label }, i) => (label === taken[i] ? [] : [`${taken[i]} is ${label}`])),
  };
}

/** By their numbers, which are keys. */
function channelNames(dataset: Fields, path: string): string[] {
  const channels = dataset.object('channel_names');
  return channels.names.map((_, i) => {
    if (!channels.has(String(i)))
      throw new FileFormatError(path, `channel_names has ${channels.names.join(', ')}, and no ${i}`, {
        hint: 'Channels are numbered from 0.',
      });
    return channels.text(String(i));
  });
}

function valuesOf(value: unknown, label: string, path: string): number[] {
  const values: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (values.length === 0 || !values.every((v) => typeof v === 'number' && Number.isInteger(v) && v >= 0))
    throw new FileFormatError(path, `the label ${JSON.stringify(label)} is ${JSON.stringify(value)}`, {
      hint: 'Labels are whole numbers, regions lists of them.',
    });
  return values as number[];
}

/** A label as a word: `left kidney` is `leftKidney`. */
function wordOf(label: string, place: number): string {
  const word = label
    .split(/[^A-Za-z0-9]+/)
    .filter(Boolean)
    .map((part, i) => (i === 0 ? part : part[0]!.toUpperCase() + part.slice(1)))
    .join('');
  return word.slice(0, 32) || `label${place + 1}`;
}
