import { UsageError } from '../../core/errors.ts';
import type { Augmentation, BoundAugmentation } from './augmentation.ts';
import { IN_ORDER } from './augmentations.ts';

const registered = new Map<string, Augmentation>(IN_ORDER.map((each) => [each.name, each]));

/** The word for none at all. */
export const NO_AUGMENTATION = 'none';

/**
 * Adds an augmentation of one's own, which settings may then name; it is applied after the others.
 * @throws UsageError for a name that is taken.
 */
export function registerAugmentation(own: Augmentation): void {
  if (registered.has(own.name) || own.name === NO_AUGMENTATION)
    throw new UsageError(`there is an augmentation ${JSON.stringify(own.name)} already`, {
      hint: 'Give yours another name.',
    });
  registered.set(own.name, own);
}

/** Every augmentation, in the order in which they are applied. */
export function allAugmentations(): readonly Augmentation[] {
  return [...registered.values()];
}

/**
 * The augmentations of these names with their settings, in the order in which they are applied.
 * @param settings of all of them, and others
 * @throws UsageError for an unknown name, or for a setting.
 */
export function bindAugmentations(
  names: readonly string[],
  settings: Readonly<Record<string, unknown>> = {},
): BoundAugmentation[] {
  for (const name of names)
    if (name !== NO_AUGMENTATION && !registered.has(name))
      throw new UsageError(`there is no augmentation ${JSON.stringify(name)}`, {
        hint: `Augmentations are ${[...registered.keys()].join(', ')}.`,
      });
  return allAugmentations()
    .filter(({ name }) => names.includes(name))
    .map((each) => {
      const own = Object.entries(settings).filter(([key]) => key in each.schema.shape);
      return each.bind(Object.fromEntries(own));
    });
}
