import type { Emitter, Variant } from '../tape/op.ts';
import type { Tape } from '../tape/tape.ts';

/** One question of a recording: which variant for a slot. */
export interface Choice {
  readonly slot: string;
  /** Names of the variants that can run, best guess first. */
  readonly candidates: readonly string[];
  /** What the recording was told, or the best guess. */
  readonly chosen: string;
  /** Commands that the tape held when it was asked: the chosen variant's own come next. */
  readonly first: number;
}

/** Records every choice that a tape makes from now on, in order; what it chooses stays the same. */
export function watchChoices(tape: Tape): readonly Choice[] {
  const choices: Choice[] = [];
  const { choose } = tape.emitter;
  const watching: Emitter['choose'] = <V extends Variant>(slot: string, candidates: readonly V[]): V => {
    const first = tape.commands.length;
    const chosen = choose(slot, candidates);
    choices.push({ slot, candidates: candidates.map(({ name }) => name), chosen: chosen.name, first });
    return chosen;
  };
  Object.assign(tape.emitter, { choose: watching });
  return choices;
}

/**
 * Index behind the last command of the variant that was chosen: its commands are those of the slot's op (the slot
 * begins with the op's name) up to the next choice. Bias gradients have one form and are no variant's.
 */
export function endOfChoice(tape: Tape, choices: readonly Choice[], index: number): number {
  const { slot, first } = choices[index]!;
  const op = slot.slice(0, slot.indexOf('/') + 1);
  const limit = choices[index + 1]?.first ?? tape.commands.length;
  let end = first;
  while (end < limit) {
    const { label } = tape.commands[end]!;
    if (!label.startsWith(op) || label.includes('_bias')) break;
    end++;
  }
  return end;
}
