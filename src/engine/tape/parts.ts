import type { Command } from './command.ts';
import type { Limits } from './split.ts';
import { bindingBytes } from './split.ts';
import { type Tensor, viewOf } from './tensor.ts';

/** What a command does that only adds up: `to` [samples, ...] = sum over p of `from` [samples, parts, ...], in order. */
export interface PartsSum {
  readonly from: Tensor;
  readonly parts: number;
  readonly to: Tensor;
}

/** What a command can do besides: read parts of `of` instead of `of` itself. */
export interface PartsReader {
  readonly of: Tensor;
  /**
   * The command that adds the parts up as it reads them.
   * @param needed whether something else reads the sum, so that the command has to store it
   * @returns undefined if it cannot
   */
  read(sum: PartsSum, needed: boolean): Command | undefined;
}

/**
 * The same computation without the commands that only add up parts, where the next command that touches the sum can do
 * so as it reads: a dispatch less, and one pass over the tensor.
 * @param keep tensors that the host reads
 */
export function readParts(
  commands: readonly Command[],
  limits: Limits,
  keep: readonly Tensor[] = [],
): Command[] {
  const steps: (Command | undefined)[] = [...commands];
  const whole = ({ bindings }: Command): boolean =>
    bindings.every((binding) => !viewOf(binding.tensor) && bindingBytes(binding) <= limits.maxBindingBytes);
  const touches = (command: Command | undefined, t: Tensor): boolean =>
    command?.bindings.some(({ tensor }) => (viewOf(tensor)?.of ?? tensor) === t) ?? false;
  for (const [i, { sum }] of commands.entries()) {
    if (sum?.to.placement !== 'arena') continue;
    const next = commands.findIndex((command, k) => k > i && touches(command, sum.to));
    const reader = steps[next];
    if (reader?.parts?.of !== sum.to || !whole(commands[i]!) || !whole(reader)) continue;
    const needed =
      keep.includes(sum.to) || commands.some((command, k) => k > next && touches(command, sum.to));
    const command = reader.parts.read(sum, needed);
    if (!command || !whole(command)) continue;
    steps[i] = undefined;
    steps[next] = command;
  }
  return steps.filter((command) => command !== undefined);
}
