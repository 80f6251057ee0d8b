import { ShapeError } from '../../core/errors.ts';
import { formatShape, type Shape, type Triple, toTriple } from '../../core/shape.ts';
import type { Tensor } from './tensor.ts';

/** `2x4x8x8x8, 16x4x3x3x3`: input shapes in a message. */
export function formatShapes(shapes: readonly Shape[]): string {
  return shapes.length === 0 ? 'no inputs' : shapes.map(formatShape).join(', ');
}

/** The inputs, if their number lies in [least, most]. @throws ShapeError */
export function expectInputs(
  op: string,
  inputs: readonly Shape[],
  least: number,
  most: number = least,
): readonly Shape[] {
  let rule = `takes ${least} to ${most} inputs`;
  if (most === least) rule = `takes ${least} input${least === 1 ? '' : 's'}`;
  if (most === Number.POSITIVE_INFINITY) rule = `takes ${least} inputs or more`;
  if (inputs.length < least || inputs.length > most) throw new ShapeError(op, rule, formatShapes(inputs));
  return inputs;
}

/** [batch, channels, depth, height, width] of an activation. @throws ShapeError for another rank or an empty extent. */
export function expectActivation(
  op: string,
  shape: Shape | undefined,
  inputs: readonly Shape[],
): readonly [number, number, number, number, number] {
  if (shape?.length !== 5 || shape.some((extent) => !Number.isInteger(extent) || extent < 1))
    throw new ShapeError(
      op,
      'an activation is [batch, channels, depth, height, width], each at least 1',
      formatShapes(inputs),
    );
  return shape as [number, number, number, number, number];
}

/** Checks a rule about the inputs of an op. @throws ShapeError if it does not hold. */
export function expectRule(op: string, holds: boolean, rule: string, inputs: readonly Shape[]): void {
  if (!holds) throw new ShapeError(op, rule, formatShapes(inputs));
}

/** A tensor among an op's attributes. @throws ShapeError for anything else, and if it was left out. */
export function expectTensor(
  op: string,
  name: string,
  attribute: Tensor | undefined,
  inputs: readonly Shape[],
): Tensor {
  const given: unknown = attribute;
  if (typeof given === 'object' && given !== null && 'shape' in given) return attribute!;
  const here = given === undefined ? 'left out' : JSON.stringify(given);
  throw new ShapeError(op, `the attribute \`${name}\` is a tensor (here ${here})`, formatShapes(inputs));
}

/** A number for each axis of a volume: one for all of them, or [z, y, x]. */
export type PerAxis = number | Triple;

/**
 * A setting of an op as [z, y, x].
 * @param limits the least and the most that each number may be
 * @throws ShapeError for anything else
 */
export function expectAxes(
  op: string,
  name: string,
  setting: PerAxis,
  [least, most]: readonly [number, number],
  inputs: readonly Shape[],
): Triple {
  const axes = toTriple(setting);
  const holds =
    Array.isArray(axes) &&
    axes.length === 3 &&
    axes.every((each) => Number.isInteger(each) && each >= least && each <= most);
  const range = most === Number.POSITIVE_INFINITY ? `of at least ${least}` : `from ${least} to ${most}`;
  const rule = `${name} is a whole number ${range}, or [z, y, x] of such (here ${JSON.stringify(setting)})`;
  if (!holds) throw new ShapeError(op, rule, formatShapes(inputs));
  return axes;
}
