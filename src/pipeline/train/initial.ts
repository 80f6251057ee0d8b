import { CheckpointError } from '../../core/errors.ts';
import { canonicalJson, toJson } from '../../core/json.ts';
import { Random } from '../../core/random.ts';
import { type Shape, sizeOf, type Triple } from '../../core/shape.ts';
import { initialValues } from '../../engine/nn/init.ts';
import type { Head, NetworkSpec } from '../../engine/nn/network.ts';
import {
  architectureOf,
  configWithoutEnds,
  declarationOf,
  withEnds,
} from '../../engine/nn/networks/index.ts';
import type { ParameterSpec } from '../../engine/nn/scope.ts';
import { canonicalModality } from '../../imaging/dataset/modality.ts';
import type { Model, ModelInfo } from '../models/model.ts';
import { presetNames } from '../task/presets.ts';
import { headChannels, inputChannels, type Task } from '../task/task.ts';
import { networkOf } from './network.ts';
import { type ResolvedTrainSettings, type TrainSettings, taskOf, trainSettings } from './settings.ts';

/** What a trained network begins a run of its own with. */
export interface InitialWeights {
  /** Every parameter and running statistic of the run's network. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** What could not be taken as it is, a sentence each. */
  readonly notes: readonly string[];
}

/**
 * The settings that a model brings to a run that begins from it: what it learned, its network and its patch.
 * @param other whether the run has another task or other images: then the network's input and outputs follow from these
 * @throws CheckpointError for the mean of several networks, which is not trained.
 */
export function settingsOfModel(info: ModelInfo, other = false): Partial<TrainSettings> {
  const { task, network, patch } = info;
  if (network.kind === 'ensemble')
    throw new CheckpointError('the network is the mean of several, which cannot be trained as one', {
      hint: 'Begin from one of them: import one fold alone, or give one run.',
    });
  const { preset, task: own, baseChannels, levels } = settingsBefore(info);
  return {
    preset,
    task: preset === null ? (own ?? task) : null,
    network: network.kind,
    networkConfig: other ? configWithoutEnds(network) : { ...network.config },
    modalities: task.channels,
    baseChannels,
    levels,
    patch,
  };
}

/** The settings of the run that made a model; of one that was made elsewhere only its task. */
function settingsBefore(info: ModelInfo): TrainSettings {
  const recorded = info.settings as Partial<TrainSettings>;
  if (recorded.task != null || !presetNames().includes(info.task.name))
    return trainSettings({ ...recorded, preset: null, task: recorded.task ?? info.task });
  return trainSettings({ preset: info.task.name, ...recorded });
}

/**
 * What a run's network begins with, from a model: tensors of the same name and shape as they are, those at the input
 * by the images' names, those at the outputs by the labels' names. Weights of images that the model does not read are 0,
 * so that the network begins with what it knew; all else that is new is drawn from the seed, as without a model.
 * @param spacing voxel size that the run's network is designed for
 * @throws CheckpointError if nothing of the model fits.
 */
export function initialWeights(
  { info, weights: old }: Model,
  settings: ResolvedTrainSettings,
  spacing?: Triple,
): InitialWeights {
  const task = taskOf(settings);
  const now = networkOf(settings, spacing);
  const channels = channelMap(info, task, settings.modalities);
  const labels = labelMap(info.task, task);
  const inputs = inputTensors(now);
  const was = new Map(specsOf(info.network).map((spec) => [spec.name, spec.shape]));
  const outputs = outputTensors(now);
  const random = new Random(settings.seed).fork('weights');
  const drawn = new Map<string, Float32Array>();
  const weights = new Map<string, Float32Array>();
  const fresh: string[] = [];
  for (const { name, shape, init } of specsOf(now)) {
    const start = initialValues(shape, init, random, drawn);
    drawn.set(name, start);
    const source = old.get(name);
    const before = was.get(name);
    const head = outputs.get(name);
    const rows = head === undefined ? undefined : labels.get(head);
    const plan =
      source === undefined || before === undefined || (head !== undefined && rows === undefined)
        ? undefined
        : {
            rows: rows ?? sameLength(before[0], shape[0]),
            columns: inputs.has(name) ? channels : sameLength(before[1], shape[1]),
          };
    const values = plan && remap(source!, before!, start, shape, plan);
    if (!values) fresh.push(name);
    weights.set(name, values ?? start);
  }
  if (fresh.length === weights.size)
    throw new CheckpointError('nothing of the network to begin from fits that of the run', {
      hint: `It is of the kind ${info.network.kind}, that of the run of ${now.kind}: leave the kind and the widths of the network to the model.`,
    });
  return {
    weights,
    notes: [...describeChange(info, task, settings, { channels, labels }), ...describeFresh(fresh)],
  };
}

type Places = readonly (number | undefined)[];

/** For each input channel of a run, where it is among the model's. */
function channelMap(info: ModelInfo, task: Task, modalities: readonly string[]): Places {
  const word = (name: string): string => canonicalModality(name).toLowerCase();
  const before = inputChannels(info.task, info.task.channels).map(word);
  const at = inputChannels(task, modalities).map((name) => before.indexOf(word(name)));
  return at.map((place) => (place < 0 ? undefined : place));
}

/** For each output channel of a run's heads, where it is in the model's; a head of which nothing is known is left out. */
function labelMap(before: Task, task: Task): ReadonlyMap<string, Places> {
  const found = new Map<string, Places>();
  for (const head of task.heads) {
    const alone = before.heads.length === 1 && task.heads.length === 1;
    const old = before.heads.find(({ name }) => name === head.name) ?? (alone ? before.heads[0] : undefined);
    if (!old || old.activation !== head.activation) continue;
    if (canonicalJson(toJson(old.labels)) === canonicalJson(toJson(head.labels))) {
      found.set(head.name, identity(headChannels(head)));
      continue;
    }
    const first = head.activation === 'softmax' ? 1 : 0;
    const rows = head.labels.map((label) => {
      const at = old.labels.indexOf(label);
      return at < 0 ? undefined : at + first;
    });
    if (rows.some((row) => row !== undefined)) found.set(head.name, [...(first ? [0] : []), ...rows]);
  }
  return found;
}

/** Inner widths are taken as they are, or not at all. */
function sameLength(before = 1, length = 1): Places {
  return before === length ? identity(length) : [];
}

function identity(length: number): number[] {
  return Array.from({ length }, (_, i) => i);
}

function specsOf(network: NetworkSpec): readonly ParameterSpec[] {
  const { parameters, state } = declarationOf(network);
  return [...parameters, ...state];
}

/** Names of the tensors that have an axis of input channels: those that another input would make larger. */
function inputTensors(network: NetworkSpec): Set<string> {
  const { inChannels, heads } = architectureOf(network);
  return grown(network, withEnds(network, { inChannels: inChannels + 1, heads }));
}

/** The head of each tensor that has an axis of output channels. */
function outputTensors(network: NetworkSpec): Map<string, string> {
  const { inChannels, heads } = architectureOf(network);
  const found = new Map<string, string>();
  for (const head of heads) {
    const larger = (each: Head): Head => (each === head ? { ...each, channels: each.channels + 1 } : each);
    for (const name of grown(network, withEnds(network, { inChannels, heads: heads.map(larger) })))
      found.set(name, head.name);
  }
  return found;
}

function grown(network: NetworkSpec, other: NetworkSpec): Set<string> {
  const shapes = new Map(specsOf(other).map(({ name, shape }) => [name, sizeOf(shape)]));
  const differs = ({ name, shape }: ParameterSpec): boolean => shapes.get(name) !== sizeOf(shape);
  return new Set(
    specsOf(network)
      .filter(differs)
      .map(({ name }) => name),
  );
}

/**
 * A tensor [rows, columns, …] from another: rows and columns by their places there. A row that is not there keeps what
 * it has; a column that is not there is 0, unless none is there.
 * @returns undefined if the tensors do not have the same other axes, or nothing is taken
 */
function remap(
  source: Float32Array,
  before: Shape,
  start: Float32Array,
  shape: Shape,
  { rows, columns }: { readonly rows: Places; readonly columns: Places },
): Float32Array | undefined {
  const rest = sizeOf(shape.slice(2));
  if (before.length !== shape.length || sizeOf(before.slice(2)) !== rest) return undefined;
  const [height = 1, width = 1] = shape;
  const [oldHeight = 1, oldWidth = 1] = before;
  if (rows.length !== height || columns.length !== width) return undefined;
  const beyond = (places: Places, count: number): boolean =>
    places.some((place) => place !== undefined && place >= count);
  if (beyond(rows, oldHeight) || beyond(columns, oldWidth)) return undefined;
  if (columns.every((from) => from === undefined)) return undefined;
  const values = start.slice();
  for (const [row, from] of rows.entries()) {
    if (from === undefined) continue;
    for (const [column, place] of columns.entries()) {
      const at = (row * width + column) * rest;
      if (place === undefined) values.fill(0, at, at + rest);
      else {
        const begin = (from * oldWidth + place) * rest;
        values.set(source.subarray(begin, begin + rest), at);
      }
    }
  }
  return values;
}

/** What a user must know of the differences between a model and the run that begins from it. */
function describeChange(
  info: ModelInfo,
  task: Task,
  { modalities }: ResolvedTrainSettings,
  { channels, labels }: { readonly channels: Places; readonly labels: ReadonlyMap<string, Places> },
): string[] {
  const notes: string[] = [];
  const inputs = inputChannels(task, modalities);
  const before = inputChannels(info.task, info.task.channels);
  const unknown = inputs.filter((_, i) => channels[i] === undefined);
  const unread = before.filter((_, i) => !channels.includes(i));
  if (unknown.length > 0)
    notes.push(
      unknown.length === inputs.length
        ? `the network to begin from reads none of ${inputs.join(', ')}: its first layer begins at random`
        : `${unknown.join(', ')} is new to the network: it begins with weights of 0`,
    );
  if (unread.length > 0) notes.push(`${unread.join(', ')} is no longer read`);
  for (const head of task.heads) {
    const rows = labels.get(head.name);
    const first = head.activation === 'softmax' ? 1 : 0;
    const fresh = head.labels.filter((_, i) => rows?.[i + first] === undefined);
    if (fresh.length > 0 && rows)
      notes.push(`${fresh.join(', ')} is new to the network: it begins at random`);
    else if (!rows) notes.push(`the output ${head.name} is new to the network: it begins at random`);
  }
  if (info.steps)
    notes.push(
      'the network was made elsewhere: here its images are prepared as those of every network that is trained by this program, in training and later in prediction, not by its own steps',
    );
  return notes;
}

function describeFresh(names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const shown = names.slice(0, 4).join(', ');
  const rest = names.length > 4 ? `, and ${names.length - 4} more` : '';
  return [`tensors that begin at random, since the network to begin from has none that fit: ${shown}${rest}`];
}
