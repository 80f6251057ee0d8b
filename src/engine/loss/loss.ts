import { z } from 'zod/mini';
import { UsageError } from '../../core/errors.ts';
import type { InputOf, ObjectSchema, OutputOf } from '../../core/schema.ts';
import type { Shape } from '../../core/shape.ts';
import type { Tape } from '../tape/tape.ts';
import type { Tensor } from '../tape/tensor.ts';

// zod's small form has no language of its own.
z.config(z.locales.en());

/**
 * What turns an output into a prediction, and so what its target is:
 * - `softmax`: logits [N, L, D, H, W] of labels that exclude one another, background first. The target [N, L - 1, D, H, W]
 *   holds the probabilities of the foreground labels; the background's is 1 - their sum.
 * - `sigmoid`: logits [N, L, D, H, W] of regions that may overlap. The target, of the same shape, holds the probability
 *   of each region.
 * - `none`: values [N, C, D, H, W] or [N, C]. The target has the same shape.
 */
export type Activation = 'softmax' | 'sigmoid' | 'none';

/** What a loss compares. */
export interface LossInputs<A extends Activation = Activation> {
  readonly output: Tensor;
  readonly target: Tensor;
  readonly activation: A;
  /** Weight of each voxel, [N, 1, D, H, W]; only for losses that take one. */
  readonly mask?: Tensor;
}

/** A loss with its settings, ready to be recorded. */
export interface BoundLoss {
  readonly name: string;
  readonly activation: Activation;
  /** All settings of the loss, defaults included. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** Shape of the target for an output. */
  targetShape(output: Shape): Shape;
  /**
   * Records the loss of one output as a scalar [1].
   * @param mask weight of each voxel, [N, 1, D, H, W]
   * @throws ShapeError for shapes that do not fit; UsageError for a mask that the loss does not take.
   */
  record(tape: Tape, output: Tensor, target: Tensor, mask?: Tensor): Tensor;
}

/** What `defineLoss` makes a loss of. */
export interface LossDefinition<Checked extends ObjectSchema, A extends Activation> {
  /** `dice-ce`: in task files, settings and messages. */
  readonly name: string;
  /** `Dice + cross entropy`. */
  readonly title: string;
  /** What outputs it works on, the default first. */
  readonly activations: readonly [A, ...A[]];
  /** Whether it takes a weight per voxel. */
  readonly takesMask?: boolean;
  /** Its settings: each with its description, bounds and default. */
  readonly schema: Checked;
  /** Records it as a scalar [1]. */
  record(tape: Tape, inputs: LossInputs<A>, settings: OutputOf<Checked>): Tensor;
}

/** A loss of the registry. Called, it takes its settings: `diceCe({ pool: 'batch' })`. */
export interface Loss<Settings = never> {
  (settings?: Settings & { readonly activation?: Activation }): BoundLoss;
  readonly name: string;
  readonly title: string;
  readonly activations: readonly Activation[];
  readonly takesMask: boolean;
  readonly schema: ObjectSchema;
  /**
   * The same for settings from a file.
   * @param activation default: the first of `activations`
   * @throws UsageError naming the loss, the setting, the rule and the value.
   */
  bind(settings: unknown, activation?: Activation): BoundLoss;
}

/**
 * Makes a loss that can be called with its settings, bound from a file, and listed in the registry.
 *
 * @example
 * export const meanError = defineLoss({
 *   name: 'mean-error', title: 'Mean error', activations: ['none'], schema: z.strictObject({}),
 *   record: (tape, { output, target }) => tape.apply(meanErrorOp, [output], { target }),
 * });
 */
export function defineLoss<Checked extends ObjectSchema, A extends Activation>(
  definition: LossDefinition<Checked, A>,
): Loss<InputOf<Checked>> {
  const { name, title, activations, takesMask = false, schema } = definition;
  const bind = (given: unknown, wanted: Activation = activations[0]): BoundLoss => {
    const activation = activations.find((each) => each === wanted);
    if (activation === undefined)
      throw new UsageError(`loss ${name}: works on ${activations.join(' or ')}, not on ${wanted}`, {
        hint: `Give the output another activation, or choose another loss.`,
      });
    const settings = parseSettings(name, schema, given);
    return {
      name,
      activation,
      settings: { ...settings } as Readonly<Record<string, unknown>>,
      targetShape: (output) => targetShape(activation, output),
      record: (tape, output, target, mask) => {
        if (mask && !takesMask) throw new UsageError(`loss ${name}: takes no mask`);
        return definition.record(tape, { output, target, activation, ...(mask ? { mask } : {}) }, settings);
      },
    };
  };
  const call = ({ activation, ...settings }: { readonly activation?: Activation } = {}): BoundLoss =>
    bind(settings, activation);
  Object.defineProperty(call, 'name', { value: name });
  return Object.assign(call, { title, activations, takesMask, schema, bind });
}

function targetShape(activation: Activation, output: Shape): Shape {
  if (activation !== 'softmax') return output;
  const [items, labels, ...volume] = output as [number, number, ...number[]];
  return [items, labels - 1, ...volume];
}

function parseSettings<Checked extends ObjectSchema>(
  name: string,
  schema: Checked,
  settings: unknown,
): OutputOf<Checked> {
  const parsed = schema.safeParse(settings);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  const names = Object.keys(schema.shape);
  const hint = names.length === 0 ? 'It has no settings.' : `Its settings are ${names.join(', ')}.`;
  if (issue.code === 'unrecognized_keys')
    throw new UsageError(`loss ${name}: there is no setting ${JSON.stringify(issue.keys?.[0])}`, { hint });
  const key = issue.path[0];
  if (key === undefined)
    throw new UsageError(`loss ${name}: settings are an object, not ${JSON.stringify(settings)}`, { hint });
  const value = JSON.stringify((settings as Record<PropertyKey, unknown>)[key]);
  const rule = issue.message.replace(/^Invalid (input|option): /, '');
  throw new UsageError(`loss ${name}: ${String(key)} is ${value}; ${rule}`, { hint });
}
