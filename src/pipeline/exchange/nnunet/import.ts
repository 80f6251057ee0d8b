import { CheckpointError, StorageError, UsageError } from '../../../core/errors.ts';
import type { FileSource } from '../../../core/files.ts';
import { sha256 } from '../../../core/hash.ts';
import { isDict, isList } from '../../../core/pickle.ts';
import { parseRecord } from '../../../core/record.ts';
import { formatShape, sameShape, toExtents } from '../../../core/shape.ts';
import { setting, worded } from '../../../core/wording.ts';
import { parameterShapes } from '../../../engine/checkpoint/checkpoint.ts';
import { entryOf, readTorchFile, TorchTensor } from '../../../engine/checkpoint/torch-file.ts';
import type { NetworkSpec } from '../../../engine/nn/network.ts';
import { architectureOf, parseNetworkSpec } from '../../../engine/nn/networks/index.ts';
import type { Model } from '../../models/model.ts';
import { type Labels, readLabels } from './labels.ts';
import { HEAD, type Plans, readPlans } from './plans.ts';

/** What is imported of a folder, and how. */
export interface NnUNetChoices {
  /** Names of folds, `0` or `all`; those that are trained if left out, and several of them as an ensemble. */
  readonly folds?: readonly string[] | undefined;
  /** Which of a fold's checkpoints (default `final`). */
  readonly checkpoint?: 'final' | 'best' | undefined;
  /** Such as `3d_fullres`; to be said if the folder holds several. */
  readonly configuration?: string | undefined;
  /** Names of the input images in the network's order, where those of nnU-Net are not a data set's. */
  readonly channels?: readonly string[] | undefined;
  /** False to leave out the mirrored tiles (default: as the network was trained). */
  readonly mirror?: boolean | undefined;
}

/** A network that was imported. */
export interface Imported {
  readonly model: Model;
  /** What its user must know, a clause each. */
  readonly notes: readonly string[];
}

const CHECKPOINT = { final: 'checkpoint_final.pth', best: 'checkpoint_best.pth' } as const;

/** Checks nothing: fields are looked at one by one. */
const ANY_JSON = { safeParse: (data: unknown) => ({ success: true as const, data }) };

/**
 * Reads a network of nnU-Net v2 without Python: a data set's results folder, a trainer's folder in it
 * (`TRAINER__PLANS__CONFIGURATION`), with `plans.json`, `dataset.json` and `fold_K/checkpoint_final.pth`.
 *
 * @throws StorageError for files that are missing, naming those that are there; CheckpointError for plans, networks and
 *   weights that are not supported or do not fit, naming the tensor; FileFormatError for damaged files; UsageError for
 *   choices that there are not.
 */
export async function importNnUNet(files: FileSource, choices: NnUNetChoices = {}): Promise<Imported> {
  const { checkpoint = 'final', channels, mirror = true } = choices;
  const base = await findTrainer(files, choices.configuration);
  const at = (path: string): string => [files.name, base, path].filter(Boolean).join('/');
  const below = (path: string): string => [base, path].filter(Boolean).join('/');
  const hashes: Record<string, string> = {};
  const read = async (path: string): Promise<Uint8Array> => {
    const bytes = await files.read(below(path));
    hashes[path] = await sha256(bytes);
    return bytes;
  };
  const json = async (path: string): Promise<unknown> => parseRecord(ANY_JSON, await read(path), at(path));
  const plansJson = await json('plans.json');
  const datasetJson = await json('dataset.json');
  const folds = await chooseFolds(files, base, CHECKPOINT[checkpoint], choices.folds);
  const [trainer = 'nnUNetTrainer', , named] = (base || files.name).split(/[/\\]/).at(-1)!.split('__');
  let plans: Plans | undefined;
  let labels: Labels | undefined;
  let network: NetworkSpec | undefined;
  let axes: readonly number[] | undefined;
  const members: Map<string, Float32Array>[] = [];
  for (const fold of folds) {
    const path = `fold_${fold}/${CHECKPOINT[checkpoint]}`;
    const content = readTorchFile(await read(path), at(path));
    const configuration =
      choices.configuration ?? named ?? String(entryOf(entryOf(content, 'init_args'), 'configuration') ?? '');
    plans ??= readPlans(plansJson, at('plans.json'), configuration);
    labels ??= readLabels(datasetJson, at('dataset.json'), plans.dataset, channels);
    network ??= plans.network(labels.task.channels.length, labels.outChannels);
    axes ??= mirrorAxes(entryOf(content, 'inference_allowed_mirroring_axes'), at(path));
    members.push(takeWeights(network, content, at(path)));
  }
  return assemble(
    { plans: plans!, labels: labels!, network: network!, members },
    {
      trainer,
      folds,
      checkpoint,
      mirror: mirror ? axes! : [],
      hashes,
    },
  );
}

function assemble(
  {
    plans,
    labels,
    network,
    members,
  }: {
    readonly plans: Plans;
    readonly labels: Labels;
    readonly network: NetworkSpec;
    readonly members: readonly ReadonlyMap<string, Float32Array>[];
  },
  how: {
    readonly trainer: string;
    readonly folds: readonly string[];
    readonly checkpoint: string;
    readonly mirror: readonly number[];
    readonly hashes: Readonly<Record<string, string>>;
  },
): Imported {
  const { trainer, folds, checkpoint, mirror, hashes } = how;
  const { task, decision, renamed } = labels;
  const steps = { ...plans.steps, mirror };
  const whole = ensembleOf(network, members);
  const source = `nnU-Net v2, ${plans.dataset}, ${plans.configuration}, ${trainer}, fold ${folds.join(', ')} (${checkpoint})`;
  const about = [
    `It reads ${task.channels.join(', ')}, each as nnU-Net reads it: whole images, as they were in its training (stripped of the skull or not).`,
    `It finds ${task.heads[0]!.labels.join(', ')}.`,
    ...(renamed.length > 0 ? [`Of its labels, ${renamed.join(', ')}.`] : []),
    'It was not trained by this program. Its files do not say under which licence it may be used, nor on whom it was trained: ask where it comes from.',
  ].join(' ');
  return {
    model: {
      info: {
        task,
        network: whole.network,
        decisions: { [HEAD]: decision },
        patch: toExtents(plans.patch),
        settings: {},
        steps,
        card: { source, licence: null, about, files: hashes },
      },
      weights: whole.weights,
    },
    notes: [
      ...(renamed.length > 0 ? [`labels are words here: ${renamed.join(', ')}`] : []),
      ...(folds.length > 1 ? [`${folds.length} folds become one network that averages their outputs`] : []),
      ...(mirror.length > 0
        ? [`each place is predicted ${2 ** mirror.length} times, mirrored along ${mirror.length} axes`]
        : []),
    ],
  };
}

/** Several networks as one. */
function ensembleOf(
  of: NetworkSpec,
  members: readonly ReadonlyMap<string, Float32Array>[],
): { readonly network: NetworkSpec; readonly weights: ReadonlyMap<string, Float32Array> } {
  if (members.length === 1) return { network: of, weights: members[0]! };
  const network = parseNetworkSpec({ kind: 'ensemble', config: { members: members.length, of } });
  const weights = new Map<string, Float32Array>();
  for (const [i, member] of members.entries())
    for (const [name, values] of member) weights.set(`members.${i}.${name}`, values);
  for (const { name, channels } of architectureOf(of).heads)
    weights.set(
      `mean.${name}`,
      Float32Array.from({ length: channels ** 2 }, (_, i) =>
        i % (channels + 1) === 0 ? 1 / members.length : 0,
      ),
    );
  return { network, weights };
}

/** The folder with the plans, below the one that was given. */
async function findTrainer(files: FileSource, configuration: string | undefined): Promise<string> {
  const entries = await files.list('');
  const has = (name: string): boolean => entries.some((entry) => entry.name === name);
  if (has('plans.json')) return '';
  if (entries.some(({ name }) => /^plans\.pkl$|plans.*\.pkl$/.test(name)))
    throw new CheckpointError(
      `${files.name}: holds plans of nnU-Net v1 (plans.pkl); networks of v2 are read`,
      {
        hint: 'Train again with nnU-Net v2, whose folders have plans.json.',
      },
    );
  const trainers = entries
    .filter(({ name, kind }) => kind !== 'file' && name.split('__').length === 3)
    .map(({ name }) => name);
  const fitting = trainers.filter(
    (name) => configuration === undefined || name.split('__')[2] === configuration,
  );
  if (fitting.length === 1) return fitting[0]!;
  const found = trainers.length > 0 ? trainers : entries.map(({ name }) => name).slice(0, 8);
  if (fitting.length > 1)
    throw new UsageError(`${files.name}: holds several trained networks: ${fitting.join(', ')}`, {
      hint: worded`Give one of these folders, or say which with ${setting('configuration')}.`,
    });
  throw new StorageError(
    `${files.name}: there is no plans.json${configuration === undefined ? '' : ` of ${configuration}`}; there is ${found.join(', ') || 'nothing'}`,
    { hint: "Give a results folder of nnU-Net v2: a data set's, or TRAINER__PLANS__CONFIGURATION in it." },
  );
}

/** The folds that are read. @throws StorageError for one that is missing, naming those that are there. */
async function chooseFolds(
  files: FileSource,
  base: string,
  file: string,
  wanted: readonly string[] | undefined,
): Promise<readonly string[]> {
  const there: string[] = [];
  for (const { name, kind } of await files.list(base)) {
    if (kind === 'file' || !name.startsWith('fold_')) continue;
    const inside = await files.list([base, name].filter(Boolean).join('/'));
    if (inside.some((entry) => entry.name === file)) there.push(name.slice('fold_'.length));
  }
  const numbered = there.filter((fold) => fold !== 'all');
  const chosen = wanted ?? (numbered.length > 0 ? numbered : there);
  const missing = chosen.filter((fold) => !there.includes(fold));
  if (chosen.length > 0 && missing.length === 0) return chosen;
  throw new StorageError(
    `${[files.name, base].filter(Boolean).join('/')}: there is no ${missing.length > 0 ? `fold_${missing[0]}/${file}` : `fold with a ${file}`}`,
    {
      hint: there.length > 0 ? `Folds with one: ${there.join(', ')}.` : 'Check that the training has ended.',
    },
  );
}

/** Axes along which tiles may be mirrored; none where the file does not say. */
function mirrorAxes(value: unknown, path: string): readonly number[] {
  if (value === null || value === undefined) return [];
  if (isList(value) && value.every((axis) => axis === 0 || axis === 1 || axis === 2))
    return value as number[];
  throw new CheckpointError(`${path}: inference_allowed_mirroring_axes is ${JSON.stringify(value)}`, {
    hint: 'Axes of a 3D network are 0, 1 and 2.',
  });
}

/** Names that PyTorch puts before those of a network that is compiled or distributed. */
const PREFIX = /^(?:_orig_mod\.|module\.)+/;
/** The library keeps each layer under further names. */
const REPEATED = /(?:^|\.)(?:all_modules\.)|^decoder\.encoder\./;

/**
 * The network's tensors of a checkpoint.
 * @throws CheckpointError naming the tensor that is missing, surplus, or of another shape than the plans say.
 */
function takeWeights(network: NetworkSpec, content: unknown, path: string): Map<string, Float32Array> {
  const saved = entryOf(content, 'network_weights');
  if (!isDict(saved))
    throw new CheckpointError(`${path}: has no network_weights`, {
      hint: 'Give the checkpoint_final.pth of an nnU-Net v2 training.',
    });
  const tensors = new Map<string, unknown>();
  for (const [key, value] of saved) {
    const name = String(key).replace(PREFIX, '');
    if (!REPEATED.test(name)) tensors.set(name, value);
  }
  const hint = 'The checkpoint is of other plans than those beside it.';
  const weights = new Map<string, Float32Array>();
  const shapes = parameterShapes(network);
  for (const [name, shape] of shapes) {
    const tensor = tensors.get(name);
    if (!(tensor instanceof TorchTensor))
      throw new CheckpointError(`${path}: ${name} ${formatShape(shape)} is missing`, { hint });
    if (!sameShape(tensor.shape, shape))
      throw new CheckpointError(
        `${path}: ${name} is ${formatShape(tensor.shape)}, by the plans ${formatShape(shape)}`,
        { hint },
      );
    weights.set(name, tensor.toFloat32());
  }
  for (const name of tensors.keys())
    if (!shapes.has(name))
      throw new CheckpointError(
        `${path}: ${JSON.stringify(name)} is not a tensor of the network of the plans`,
        {
          hint,
        },
      );
  return weights;
}
