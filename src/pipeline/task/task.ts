import { z } from 'zod/mini';
import { UsageError } from '../../core/errors.ts';
import { findLoss } from '../../engine/loss/index.ts';
import type { Activation, BoundLoss } from '../../engine/loss/loss.ts';
import { generalizedDice } from '../../engine/loss/paper.ts';
import { labelInNames } from '../../imaging/dataset/prediction-path.ts';
import type { TargetRequest, TargetSource } from '../../imaging/dataset/targets.ts';

/**
 * What a network learns, and where from: which images go in, which labels or values come out, where their targets lie,
 * which loss each output gets, and how probabilities become labels. A JSON file describes it:
 *
 * @example
 * {
 *   "name": "brain",
 *   "channels": ["T1w"],
 *   "heads": [
 *     {
 *       "name": "matter",
 *       "labels": ["GM", "WM", "CSF"],
 *       "target": { "from": "dseg", "values": [2, 3, 1] },
 *       "loss": { "name": "generalized-dice", "crossEntropy": 1 }
 *     },
 *     { "name": "bleeding", "labels": ["bleeding"], "target": { "from": "mask" }, "weight": 2 }
 *   ],
 *   "centre": { "head": "bleeding" }
 * }
 */
export interface Task {
  /** A word: it names runs, and networks in lists. */
  readonly name: string;
  /** Image modalities in the order of the input channels; null (default) for those that all the scans share. */
  readonly channels: readonly string[] | null;
  /** Probability maps that are input channels after the images; null (default) for none. */
  readonly maps: TaskMaps | null;
  /** The first is the main one. */
  readonly heads: readonly TaskHead[];
  /** What a share of the patches is centred on; null for the main head's labels. */
  readonly centre: TaskCentre | null;
}

/** Maps that a network reads beside the images. */
export interface TaskMaps {
  /** A word for messages. */
  readonly name: string;
  readonly labels: readonly string[];
  /** Whether the labels make up the whole brain, so that their probabilities sum to 1 in it. */
  readonly complete: boolean;
}

/** How an output becomes what is written: see {@link TaskHead.decision}. */
export type Decision = 'threshold' | 'argmax' | 'probabilities' | 'value';

/** One output of a network. */
export interface TaskHead {
  /** A word: in the names of tensors and files. */
  readonly name: string;
  /** Foreground labels in order; empty for values. */
  readonly labels: readonly string[];
  /** What turns the network's output into probabilities: `softmax` (labels exclude one another), `sigmoid`, `none`. */
  readonly activation: Activation;
  readonly target: TargetSource;
  /** A loss of the registry with its settings; null for the run's, or mean squared error for values. */
  readonly loss: Readonly<Record<string, unknown>> | null;
  /** Of its loss in the sum. */
  readonly weight: number;
  /**
   * - `threshold`: each label is where its probability is at or above a threshold, which training chooses.
   * - `argmax`: the most probable of background and labels.
   * - `probabilities`: nothing is decided, the maps are written as they are.
   * - `value`: the output itself.
   */
  readonly decision: Decision;
}

/** Labels that patches are centred on. */
export interface TaskCentre {
  readonly head: string;
  /** Null for all labels of the head. */
  readonly labels: readonly string[] | null;
}

/** The name of a network's input among a batch's tensors, which no head may have. */
const RESERVED = 'input';

const word = z
  .string()
  .check(z.regex(/^[A-Za-z][A-Za-z0-9]{0,31}$/, 'a word of up to 32 letters and digits'));
const label = z.string().check(z.regex(/^[A-Za-z0-9]{1,32}$/, 'a word of up to 32 letters and digits'));
const labels = z.array(label).check(z.minLength(1), z.maxLength(31));
const value = z.int().check(z.minimum(1), z.maximum(65535));
const shortText = z.string().check(z.minLength(1), z.maxLength(200));

const target = z.discriminatedUnion('from', [
  z.strictObject({ from: z.literal('mask'), labels: z.optional(labels) }),
  z.strictObject({
    from: z.literal('dseg'),
    values: z.optional(z.array(value).check(z.minLength(1), z.maxLength(31))),
    source: z.optional(shortText),
  }),
  z.strictObject({ from: z.literal('probseg'), complete: z.optional(z.boolean()) }),
  z.strictObject({ from: z.literal('map'), suffix: label }),
  z.strictObject({ from: z.literal('column'), column: shortText }),
]);

const head = z.strictObject({
  name: word,
  labels: z._default(z.union([labels, z.array(label).check(z.maxLength(0))]), []),
  activation: z.optional(z.enum(['softmax', 'sigmoid', 'none'])),
  target,
  loss: z._default(z.nullable(z.record(z.string(), z.json())), null),
  weight: z._default(z.number().check(z.minimum(0), z.maximum(1e6)), 1),
  decision: z.optional(z.enum(['threshold', 'argmax', 'probabilities', 'value'])),
});

/** Bounds keep a forged file from asking for what no machine holds. */
const TASK = z.strictObject({
  name: z.string().check(z.regex(/^[A-Za-z][\w-]{0,63}$/, 'a word of up to 64 letters, digits, - and _')),
  channels: z._default(z.nullable(z.array(shortText).check(z.minLength(1), z.maxLength(64))), null),
  maps: z._default(
    z.nullable(z.strictObject({ name: word, labels, complete: z._default(z.boolean(), false) })),
    null,
  ),
  heads: z.array(head).check(z.minLength(1), z.maxLength(16)),
  centre: z._default(
    z.nullable(z.strictObject({ head: word, labels: z._default(z.nullable(labels), null) })),
    null,
  ),
});

/**
 * Checks a task and fills in the defaults.
 * @param source how messages call it: the file's name
 * @throws UsageError naming the field and the rule, and listing what exists.
 */
export function parseTask(input: unknown, source: string): Task {
  const parsed = TASK.safeParse(input);
  if (!parsed.success) throw fieldError(parsed.error.issues[0]!, input, source);
  const { heads, centre, channels, ...rest } = parsed.data;
  const task: Task = { ...rest, channels, heads: heads.map((each) => completeHead(each, source)), centre };
  requireDistinct(channels ?? [], 'channel', `${source}: channels`);
  requireDistinct(task.maps?.labels ?? [], 'label', `${source}: maps`);
  requireDistinct(
    [...task.heads.map(({ name }) => name), ...(task.maps ? [task.maps.name] : [])],
    'name',
    `${source}: heads and maps`,
  );
  // Labels name files, of whichever head they are.
  requireDistinct(
    task.heads.flatMap((own) => own.labels.map(labelInNames)),
    'label',
    `${source}: heads`,
  );
  for (const own of task.heads) {
    if (own.name.toLowerCase() === RESERVED)
      throw new UsageError(`${source}: no head may be called ${RESERVED}`, { hint: 'Give it another name.' });
    lossOf(own, undefined, source);
  }
  requireCentre(task, source);
  return task;
}

/** Whether a head's target is one number per voxel or per scan, not labels. */
export function isValueHead({ target: { from } }: Pick<TaskHead, 'target'>): boolean {
  return from === 'map' || from === 'column';
}

/** Whether a head's target is one number for the whole scan. */
export function isScanValue({ target: { from } }: Pick<TaskHead, 'target'>): boolean {
  return from === 'column';
}

/** Channels of a network's output for a head: with softmax one for the background too. */
export function headChannels(own: TaskHead): number {
  if (isValueHead(own)) return 1;
  return own.activation === 'softmax' ? own.labels.length + 1 : own.labels.length;
}

/** What is loaded as a head's target. */
export function targetRequest(own: TaskHead): TargetRequest {
  const { name, labels: of, target: from, activation } = own;
  return { name, labels: of, source: from, exclusive: activation === 'softmax' };
}

/** Names of a network's input channels: the modalities, then the maps. */
export function inputChannels({ maps }: Task, modalities: readonly string[]): string[] {
  return [...modalities, ...(maps?.labels ?? [])];
}

/** The head and the labels that a share of the patches is centred on; undefined if no head has labels. */
export function centreOf({ heads, centre }: Task): { head: TaskHead; labels: readonly string[] } | undefined {
  const found = centre ? heads.find(({ name }) => name === centre.head) : heads.find((h) => !isValueHead(h));
  return found && { head: found, labels: centre?.labels ?? found.labels };
}

/**
 * The loss of a head.
 * @param run settings of the run's loss, for a head of labels that exclude one another and that names none: a head's own
 *   settings go before them
 * @throws UsageError for a loss or a setting that does not exist, or that does not work on such outputs.
 */
export function lossOf(
  own: TaskHead,
  run: Readonly<Record<string, unknown>> | undefined,
  source = 'the task',
): BoundLoss {
  const { name: named, ...settings } = own.loss ?? {};
  const { name: usual = 'generalized-dice', ...shared } = own.activation === 'softmax' ? (run ?? {}) : {};
  const fallback = { softmax: usual, sigmoid: 'dice-ce', none: 'mse' }[own.activation];
  const name = String(named ?? fallback);
  try {
    const inherited = named === undefined || named === usual ? shared : {};
    const loss = findLoss(name);
    // A head that names no loss may change the usual one's settings; another loss of the run need not have them.
    const lacking = (key: string): boolean =>
      named === undefined && !(key in loss.schema.shape) && key in generalizedDice.schema.shape;
    const fitting = Object.entries(settings).filter(([key]) => !lacking(key));
    return loss.bind({ ...inherited, ...Object.fromEntries(fitting) }, own.activation);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`${source}: head ${own.name}: ${error.message}`, {
      hint: error.hint,
      cause: error,
    });
  }
}

type ParsedHead = z.output<typeof head>;

function completeHead(given: ParsedHead, source: string): TaskHead {
  const values = isValueHead(given);
  const refuse = (rule: string, hint: string): UsageError =>
    new UsageError(`${source}: head ${given.name}: ${rule}`, { hint });
  if (values && given.labels.length > 0)
    throw refuse(`values from a ${given.target.from} have no labels`, 'Leave labels out.');
  if (!values && given.labels.length === 0)
    throw refuse('labels is missing', 'List the foreground labels: ["GM", "WM", "CSF"].');
  const activation = given.activation ?? (values ? 'none' : 'softmax');
  if (values !== (activation === 'none'))
    throw refuse(
      `activation ${activation} does not go with a target from ${given.target.from}`,
      `Choose ${values ? 'none' : 'softmax or sigmoid'}, or leave it out.`,
    );
  const decision = given.decision ?? defaultDecision(given, values, activation);
  const allowed = decisionsOf(values, activation);
  if (!allowed.includes(decision))
    throw refuse(
      `decision ${decision} does not go with ${values ? 'values' : activation}`,
      `Choose ${allowed.join(' or ')}, or leave it out.`,
    );
  if (decision === 'threshold' && activation === 'softmax' && given.labels.length > 1)
    throw refuse(
      'a threshold decides about one label, or about labels that may overlap (sigmoid)',
      'Choose argmax, or leave it out.',
    );
  const { target: from } = given;
  const names = from.from === 'mask' ? from.labels : from.from === 'dseg' ? from.values : undefined;
  if (names && names.length !== given.labels.length)
    throw refuse(
      `the target names ${names.length} ${from.from === 'mask' ? 'labels' : 'values'} for ${given.labels.length} labels`,
      'Give one per label, in their order.',
    );
  if (names) requireDistinct(names.map(String), 'value', `${source}: head ${given.name}: target`);
  return { ...given, activation, decision };
}

function defaultDecision({ labels: of }: ParsedHead, values: boolean, activation: Activation): Decision {
  if (values) return 'value';
  return of.length === 1 || activation === 'sigmoid' ? 'threshold' : 'argmax';
}

function decisionsOf(values: boolean, activation: Activation): readonly Decision[] {
  if (values) return ['value'];
  return activation === 'sigmoid' ? ['threshold', 'probabilities'] : ['threshold', 'argmax', 'probabilities'];
}

function requireDistinct(names: readonly string[], what: string, where: string): void {
  const twice = names.find((name, i) => names.findIndex((n) => n.toLowerCase() === name.toLowerCase()) !== i);
  if (twice !== undefined)
    throw new UsageError(`${where}: the ${what} ${JSON.stringify(twice)} is there twice`, {
      hint: 'Names that differ in case only count as the same: file systems may not tell them apart.',
    });
}

function requireCentre({ heads, centre }: Task, source: string): void {
  if (!centre) return;
  const usable = heads.filter((each) => !isValueHead(each));
  const found = usable.find(({ name }) => name === centre.head);
  if (!found)
    throw new UsageError(`${source}: centre: there is no head ${JSON.stringify(centre.head)} with labels`, {
      hint: `Heads with labels: ${usable.map(({ name }) => name).join(', ') || 'none'}.`,
    });
  const unknown = centre.labels?.find((name) => !found.labels.includes(name));
  if (unknown !== undefined)
    throw new UsageError(`${source}: centre: head ${found.name} has no label ${JSON.stringify(unknown)}`, {
      hint: `Its labels are ${found.labels.join(', ')}.`,
    });
}

const FIELDS: Readonly<Record<string, readonly string[]>> = {
  task: Object.keys(TASK.shape),
  head: Object.keys(head.shape),
};

function fieldError(issue: z.core.$ZodIssue, input: unknown, source: string): UsageError {
  const path = issue.path.map(String);
  const where = path.length === 0 ? source : `${source}: ${path.join('.')}`;
  if (issue.code === 'unrecognized_keys') {
    const known =
      path.length === 0 ? FIELDS.task : path.length === 2 && path[0] === 'heads' ? FIELDS.head : [];
    return new UsageError(
      `${where}: there is no field ${issue.keys.map((key) => JSON.stringify(key)).join(', ')}`,
      {
        hint: known!.length > 0 ? `Fields are ${known!.join(', ')}.` : 'Take it out.',
      },
    );
  }
  if (issue.code === 'invalid_union' && path.at(-1) === 'from')
    return new UsageError(`${where}: from is not known`, {
      hint: 'A target is from mask, dseg, probseg, map or column.',
    });
  const found = issue.path.reduce<unknown>(
    (at, key) =>
      typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[key] : undefined,
    input,
  );
  if (found === undefined)
    return new UsageError(path.length === 0 ? `${source} is not a task` : `${where} is missing`, {
      hint: 'A task is a JSON object with name, channels and heads.',
    });
  const shown = JSON.stringify(found) ?? String(found);
  return new UsageError(
    `${where} is ${shown.length > 60 ? `${shown.slice(0, 57)}...` : shown}; ${issue.message.replace(/^Invalid (input|option|string): /, '')}`,
    { hint: 'Correct the task.' },
  );
}
