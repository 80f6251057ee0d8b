import { UsageError } from '../../core/errors.ts';
import type { Loss } from './loss.ts';
import * as losses from './losses.ts';

/** Every loss by a short name: `loss.generalizedDice({ weights: 'simple' })`. */
export * as loss from './losses.ts';

const registered = new Map<string, Loss>(Object.values(losses).map((each) => [each.name, each]));

/** Adds a loss of one's own, which task files and settings may then name. @throws UsageError for a name that is taken. */
export function registerLoss(own: Loss): void {
  if (registered.has(own.name))
    throw new UsageError(`there is a loss ${JSON.stringify(own.name)} already`, {
      hint: 'Give yours another name.',
    });
  registered.set(own.name, own);
}

/** Every loss, those of `registerLoss` last. */
export function allLosses(): readonly Loss[] {
  return [...registered.values()];
}

/** A loss by its name, such as `dice-ce`. @throws UsageError listing what exists. */
export function findLoss(name: string): Loss {
  const found = registered.get(name);
  if (found) return found;
  throw new UsageError(`there is no loss ${JSON.stringify(name)}`, {
    hint: `Losses are ${[...registered.keys()].join(', ')}.`,
  });
}
