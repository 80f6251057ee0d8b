import { z } from 'zod/mini';
import { CheckpointError } from '../../core/errors.ts';
import { sha256OfArrays } from '../../core/hash.ts';
import type { Json } from '../../core/json.ts';
import type { LossScale } from '../optim/loss-scale.ts';
import type { TaskWeights } from '../optim/task-weights.ts';
import {
  checkTensors,
  describeModel,
  metadataOf,
  modelTensors,
  type ParseInfo,
  parameterShapes,
  parseMetadata,
  type StoredInfo,
  type StoredModel,
  takeTensors,
  takeWeights,
} from './checkpoint.ts';
import { readSafetensors, type StoredTensor, writeSafetensors } from './safetensors.ts';
import { checkSeal, SEAL, seal, UNSEALED } from './seal.ts';

/** How far a training run has come, beside its tensors. */
export interface TrainingProgress {
  /** Spent in steps, over all the processes that worked on the run. */
  readonly seconds: number;
  /** Loss of the last step. */
  readonly loss: number;
}

/** Weights that a run holds on to beside those that it trains, such as the best so far. */
export interface KeptWeights {
  /** Weights and running statistics. */
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** What they are, and why. */
  readonly about: Json;
}

/** Everything that a training run needs to go on bit for bit. */
export interface TrainingState<Info extends StoredInfo = StoredInfo> {
  /** Weights and running statistics; the info's settings are the run's own, what is chosen at its end is not yet. */
  readonly model: StoredModel<Info>;
  /** Steps done, at least 1. With the settings it fixes the learning rate. */
  readonly step: number;
  readonly progress: TrainingProgress;
  /** Adam's first and second moments by parameter. */
  readonly adamM: ReadonlyMap<string, Float32Array>;
  readonly adamV: ReadonlyMap<string, Float32Array>;
  /** States of the random generators by purpose, as `Random.state` gives them. */
  readonly random: ReadonlyMap<string, Uint32Array>;
  /** Hash of all settings (see `settingsHash`). */
  readonly configHash: string;
  /** SHA-256 of what is trained on, by scan. */
  readonly data: Readonly<Record<string, string>>;
  /** The kernel variant that each slot got. */
  readonly kernels: Readonly<Record<string, string>>;
  /** The adapter that the steps ran on: another one may round otherwise. */
  readonly adapter: string;
  /** Of a run that stores 16-bit floats. */
  readonly lossScale?: LossScale | undefined;
  /** Of a run that learns the weights of its losses. */
  readonly taskWeights?: TaskWeights | undefined;
  readonly kept?: KeptWeights | undefined;
}

const finite = z.number();
const count = z.int().check(z.minimum(0));
const numbers = z.array(finite).check(z.maxLength(16));
const META = z.object({
  step: z.int().check(z.minimum(1)),
  progress: z.object({
    seconds: finite.check(z.minimum(0)),
    loss: finite,
  }),
  configHash: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
  data: z.record(z.string(), z.string()),
  kernels: z.record(z.string(), z.string()),
  adapter: z.string(),
  lossScale: z.optional(
    z.object({ scale: finite.check(z.minimum(1)), goodSteps: count, skippedSteps: count }),
  ),
  taskWeights: z.optional(z.object({ logVariances: numbers, m: numbers, v: numbers, updates: count })),
  kept: z.optional(z.json()),
});

/** Every array of a state by the name that it is stored under. */
function arraysOf(state: TrainingState): Map<string, Float32Array | Uint32Array> {
  const arrays = new Map<string, Float32Array | Uint32Array>();
  for (const [prefix, part] of [
    ['model', state.model.weights],
    ['adam.m', state.adamM],
    ['adam.v', state.adamV],
    ['random', state.random],
  ] as const)
    for (const [name, data] of part) arrays.set(`${prefix}.${name}`, data);
  if (state.lossScale) {
    const { scale, goodSteps, skippedSteps } = state.lossScale;
    arrays.set('loss-scale', Uint32Array.of(scale, goodSteps, skippedSteps));
  }
  if (state.taskWeights) {
    const { logVariances, m, v, updates } = state.taskWeights;
    const bits = new Uint32Array(Float64Array.of(...logVariances, ...m, ...v, updates).buffer);
    arrays.set('task-weights', bits);
  }
  for (const [name, data] of state.kept?.weights ?? []) arrays.set(`kept.${name}`, data);
  return arrays;
}

/**
 * SHA-256 of weights, running statistics, Adam's moments, random states, the scale of the loss, learned weights of losses
 * and weights that are kept:
 * two runs that have it in common at a step are equal bit for bit from there on.
 */
export async function stateHash(state: TrainingState): Promise<string> {
  return await sha256OfArrays(arraysOf(state));
}

/**
 * A training run as the bytes of a safetensors file with a checksum inside; equal states give equal bytes.
 * @throws CheckpointError where a tensor is missing, surplus, of another size or not finite.
 */
export async function encodeTrainingState(state: TrainingState): Promise<Uint8Array<ArrayBuffer>> {
  const tensors = new Map<string, StoredTensor>();
  for (const [name, tensor] of modelTensors(state.model, 'the run')) tensors.set(`model.${name}`, tensor);
  const parameters = parameterShapes(state.model.info.network);
  for (const [prefix, moments] of [
    ['adam.m', state.adamM],
    ['adam.v', state.adamV],
  ] as const)
    for (const [name, tensor] of checkTensors(parameters, moments, `${prefix} of the run`))
      tensors.set(`${prefix}.${name}`, tensor);
  for (const [name, data] of state.random) tensors.set(`random.${name}`, { shape: [data.length], data });
  const { step, progress, configHash, data, kernels, adapter, lossScale, taskWeights, kept } = state;
  if (kept)
    for (const [name, tensor] of modelTensors({ ...state.model, weights: kept.weights }, 'the run'))
      tensors.set(`kept.${name}`, tensor);
  const { seconds, loss } = progress;
  const content = {
    ...describeModel(state.model.info),
    step,
    progress: { seconds, loss },
    configHash,
    data,
    kernels,
    adapter,
    ...(lossScale ? { lossScale: { ...lossScale } } : {}),
    ...(taskWeights ? { taskWeights: { ...taskWeights } } : {}),
    ...(kept ? { kept: kept.about } : {}),
  };
  const bytes = writeSafetensors(tensors, { ...metadataOf('training', content), [SEAL]: UNSEALED });
  await seal(bytes, 'the run');
  return bytes;
}

/**
 * Reads what {@link encodeTrainingState} wrote.
 * @param path how messages call it.
 * @throws CheckpointError for a file whose bytes do not have its checksum, that is no training state, is of a newer
 *   version, or does not fit the network it describes; FileFormatError.
 */
export async function decodeTrainingState<Info extends StoredInfo>(
  bytes: Uint8Array,
  path: string,
  parse: ParseInfo<Info>,
): Promise<TrainingState<Info>> {
  const { tensors, metadata } = readSafetensors(bytes, path);
  const content = parseMetadata(metadata, 'training', path);
  await checkSeal(bytes, path);
  const info = parse(content.model, path);
  const parsed = META.safeParse(content);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new CheckpointError(`${path}: ${issue?.path.map(String).join('.')}: ${issue?.message}`);
  }
  const part = (prefix: string): Map<string, StoredTensor> => {
    const found = new Map<string, StoredTensor>();
    for (const [name, tensor] of tensors)
      if (name.startsWith(`${prefix}.`)) found.set(name.slice(prefix.length + 1), tensor);
    return found;
  };
  const random = new Map<string, Uint32Array>();
  for (const [name, { data }] of part('random')) {
    if (!(data instanceof Uint32Array)) throw new CheckpointError(`${path}: random.${name} is not U32`);
    random.set(name, data);
  }
  const parameters = parameterShapes(info.network);
  const { lossScale, taskWeights, kept: about, ...rest } = parsed.data;
  return {
    model: { info, weights: takeWeights(info.network, part('model'), path) },
    adamM: takeTensors(parameters, part('adam.m'), `${path}, adam.m`),
    adamV: takeTensors(parameters, part('adam.v'), `${path}, adam.v`),
    random,
    ...rest,
    ...(lossScale ? { lossScale } : {}),
    ...(taskWeights ? { taskWeights } : {}),
    ...(about === undefined
      ? {}
      : { kept: { about, weights: takeWeights(info.network, part('kept'), path) } }),
  };
}
