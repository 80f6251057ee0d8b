import { z } from 'zod/mini';
import { CheckpointError, UsageError } from '../../core/errors.ts';
import type { Json } from '../../core/json.ts';
import type { Extents } from '../../core/shape.ts';
import { decodeStored, encodeStored, type StoredModel } from '../../engine/checkpoint/checkpoint.ts';
import {
  decodeTrainingState as decodeState,
  type TrainingState as StoredState,
} from '../../engine/checkpoint/training-state.ts';
import type { NetworkSpec } from '../../engine/nn/network.ts';
import { architectureOf, parseNetworkSpec } from '../../engine/nn/networks/index.ts';
import { findPreset } from '../task/presets.ts';
import { headChannels, inputChannels, parseTask, type Task, type TaskHead } from '../task/task.ts';
import type { ModelCard, ModelSteps } from './steps.ts';
import { CARD_SCHEMA, STEPS_SCHEMA } from './steps-schema.ts';

/** A voxel size that a network learned at. */
export interface TrainedSpacing {
  /** Edges in mm, along the axes as they are stored. */
  readonly mm: readonly [number, number, number];
  /** The training scans of this size. */
  readonly scans: readonly string[];
}

/** How an output of a trained network becomes what is written. */
export type HeadDecision =
  /**
   * A label is where its probability is at or above its threshold; one per label, chosen on the training scans. With
   * `paint` there is a label image beside the masks: labels that overlap are painted over each other in their order,
   * each with its value.
   */
  | {
      readonly kind: 'threshold';
      readonly thresholds: readonly number[];
      readonly paint?: readonly number[] | undefined;
    }
  /** The most probable of background and labels. */
  | { readonly kind: 'argmax' }
  /** Probabilities are written as they are. */
  | { readonly kind: 'probabilities' }
  /** The output times the deviation, plus the mean: both are those of the training scans' values. */
  | { readonly kind: 'value'; readonly mean: number; readonly deviation: number };

/** A task whose channels are known. */
export interface ModelTask extends Task {
  readonly channels: readonly string[];
}

/** What a trained network is, beside its weights. */
export interface ModelInfo {
  /** What it learned; the channels are the image modalities that it reads, in their order. */
  readonly task: ModelTask;
  readonly network: NetworkSpec;
  /** By head. */
  readonly decisions: Readonly<Record<string, HeadDecision>>;
  /** Extents of the patch that it was trained with, and so of the sliding window: [z, y, x], or the edge of a cube. */
  readonly patch: Extents;
  /** Voxel sizes of the training scans, mostly one; missing in models that were made before it was recorded. */
  readonly spacing?: readonly TrainedSpacing[] | undefined;
  /** Channels that a scan may lack: the network was trained with these left out at random, and reads 0 then. */
  readonly optional?: readonly string[] | undefined;
  /** Settings of the run, for the record. */
  readonly settings: Json;
  /** What is done around it, of a network that was made elsewhere; left out for this program's own preparation. */
  readonly steps?: ModelSteps | undefined;
  /** Where it comes from, of a network that was made elsewhere. */
  readonly card?: ModelCard | undefined;
}

/** A trained network as `model.safetensors` holds it. */
export type Model = StoredModel<ModelInfo>;

/** Everything that a training run needs to continue bit for bit. */
export type TrainingState = StoredState<ModelInfo>;

/** The threshold of the main head's first label; undefined if nothing is decided by one. */
export function mainThreshold({
  task,
  decisions,
}: Pick<ModelInfo, 'task' | 'decisions'>): number | undefined {
  const decision = decisions[task.heads[0]!.name];
  return decision?.kind === 'threshold' ? decision.thresholds[0] : undefined;
}

/** The same with another threshold for the main head. @throws UsageError if nothing is decided by one. */
export function withThreshold<Info extends Pick<ModelInfo, 'task' | 'decisions'>>(
  info: Info,
  threshold: number,
): Info {
  const main = info.task.heads[0]!;
  const decision = info.decisions[main.name];
  if (decision?.kind !== 'threshold')
    throw new UsageError(`${info.task.name}: nothing is decided by a threshold`, { hint: 'Leave it out.' });
  const thresholds = decision.thresholds.map(() => threshold);
  return { ...info, decisions: { ...info.decisions, [main.name]: { ...decision, thresholds } } };
}

const extent = z.int().check(z.minimum(1));
const edge = z.number().check(z.gt(0), z.maximum(1000));
const spacing = z.object({ mm: z.tuple([edge, edge, edge]), scans: z.array(z.string()) });
const share = z.number().check(z.minimum(0), z.maximum(1));

const decision = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('threshold'),
    thresholds: z.array(share).check(z.minLength(1)),
    paint: z.optional(z.array(z.int().check(z.minimum(0), z.maximum(65535)))),
  }),
  z.object({ kind: z.literal('argmax') }),
  z.object({ kind: z.literal('probabilities') }),
  z.object({ kind: z.literal('value'), mean: z.number(), deviation: z.number().check(z.gt(0)) }),
]);

const COMMON = {
  network: z.unknown(),
  patch: z.union([extent, z.tuple([extent, extent, extent])]),
  spacing: z.optional(z.array(spacing).check(z.minLength(1))),
  optional: z.optional(z.array(z.string())),
  settings: z.json(),
  steps: z.optional(STEPS_SCHEMA),
  card: z.optional(CARD_SCHEMA),
};
const SCHEMA = z.object({ ...COMMON, task: z.unknown(), decisions: z.record(z.string(), decision) });

/** Of files from before there were tasks: a preset, and the threshold of its main head. */
const OLD = z.object({
  ...COMMON,
  variant: z.string(),
  modalities: z.array(z.string().check(z.minLength(1))).check(z.minLength(1)),
  threshold: share,
});

/**
 * Checks the description of a network that came with a file.
 * @throws CheckpointError naming the field, or what of the task the network does not have.
 */
export function parseModelInfo(value: unknown, path: string): ModelInfo {
  const refuse = (message: string, cause?: unknown): never => {
    throw new CheckpointError(`${path}: the description of the network is wrong: ${message}`, {
      hint: 'The file is damaged or was made by another program.',
      cause,
    });
  };
  const isOld = typeof value === 'object' && value !== null && 'variant' in value;
  const parsed = isOld ? OLD.safeParse(value) : SCHEMA.safeParse(value);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    return refuse(`${issue?.path.map(String).join('.') || 'it'}: ${issue?.message ?? ''}`);
  }
  try {
    const network = parseNetworkSpec(parsed.data.network);
    const info = 'variant' in parsed.data ? fromPreset(parsed.data) : fromTask(parsed.data);
    const { patch, spacing: sizes, optional, settings, steps, card } = parsed.data;
    return requireFit({
      ...info,
      network,
      patch,
      spacing: sizes,
      optional,
      settings,
      steps,
      card,
    });
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return refuse([error.message, error.hint].filter(Boolean).join('. '), error);
  }
}

function fromTask({
  task: given,
  decisions,
}: z.output<typeof SCHEMA>): Pick<ModelInfo, 'task' | 'decisions'> {
  const task = parseTask(given, 'task');
  const { channels } = task;
  if (!channels) throw new UsageError('task: channels is missing');
  for (const head of task.heads) {
    const own = decisions[head.name];
    if (
      own?.kind !== head.decision ||
      (own.kind === 'threshold' &&
        [own.thresholds, own.paint ?? own.thresholds].some(({ length }) => length !== head.labels.length))
    )
      throw new UsageError(`decisions: head ${head.name} has none that is a ${head.decision}`);
  }
  return { task: { ...task, channels }, decisions };
}

function fromPreset({
  variant,
  modalities,
  threshold,
}: z.output<typeof OLD>): Pick<ModelInfo, 'task' | 'decisions'> {
  const task = { ...findPreset(variant).task, channels: modalities };
  const decisions = task.heads.map((head) => [head.name, firstDecision(head, threshold)] as const);
  return { task, decisions: Object.fromEntries(decisions) };
}

/** What is decided about a head before anything is known of its training. */
export function firstDecision({ decision: kind, labels }: TaskHead, threshold = 0.5): HeadDecision {
  if (kind === 'threshold') return { kind, thresholds: labels.map(() => threshold) };
  return kind === 'value' ? { kind, mean: 0, deviation: 1 } : { kind };
}

/** @throws UsageError if the network's input or outputs are not those of the task. */
function requireFit(info: ModelInfo): ModelInfo {
  const { task, network } = info;
  const { inChannels, heads } = architectureOf(network);
  const inputs = inputChannels(task, task.channels);
  if (inChannels !== inputs.length)
    throw new UsageError(
      `the network reads ${inChannels} channels, the task ${inputs.length}: ${inputs.join(', ')}`,
    );
  const { steps, optional = [] } = info;
  const strange = optional.find((name) => !task.channels.includes(name));
  if (strange !== undefined || (optional.length > 0 && optional.length >= task.channels.length))
    throw new UsageError(
      strange === undefined
        ? 'optional: one image at least must be there'
        : `optional: the network reads no ${strange}; it reads ${task.channels.join(', ')}`,
    );
  if (steps?.kind === 'nnunet' && steps.normalisation.length !== inputs.length)
    throw new UsageError(
      `steps: ${steps.normalisation.length} channels are normalised; the network reads ${inputs.length}`,
    );
  for (const head of task.heads) {
    const found = heads.find(({ name }) => name === head.name);
    if (!found || found.channels !== headChannels(head))
      throw new UsageError(
        `head ${head.name} needs ${headChannels(head)} channels; the network has ${found ? found.channels : 'no such head'}`,
        { hint: `Its heads are ${heads.map(({ name, channels }) => `${name} (${channels})`).join(', ')}.` },
      );
  }
  return info;
}

/** A network as the bytes of a file: see {@link encodeStored}. @throws CheckpointError. */
export function encodeModel(model: Model): Uint8Array<ArrayBuffer> {
  return encodeStored(model);
}

/**
 * Reads what {@link encodeModel} wrote, and what it wrote before there were tasks.
 * @param path how messages call it
 * @throws FileFormatError for a damaged file; CheckpointError for one that is no model, of a newer version, or whose
 *   tensors are not those of the network it describes.
 */
export function decodeModel(bytes: Uint8Array, path: string): Model {
  return decodeStored(bytes, path, parseModelInfo);
}

/** Reads a training state. @throws CheckpointError, FileFormatError. */
export async function decodeTrainingState(bytes: Uint8Array, path: string): Promise<TrainingState> {
  return await decodeState(bytes, path, parseModelInfo);
}
