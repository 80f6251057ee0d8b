import { DatasetError } from '../../core/errors.ts';

/** How the raters' masks become one target: a rater's own, all of them, those all agree on, or their mean. */
export type RaterChoice = 'union' | 'intersection' | 'mean' | (string & {});

/**
 * One target out of the raters' masks.
 * @returns undefined where there are none; float32 shares for `mean`, else 0 and 1.
 * @throws DatasetError for a rater that is not there.
 */
export function combineRaters(
  raters: ReadonlyMap<string, Uint8Array>,
  choice: RaterChoice,
  scan: string,
): Uint8Array | Float32Array | undefined {
  const masks = [...raters.values()];
  const [first] = masks;
  if (!first) return undefined;
  switch (choice) {
    case 'union':
      return first.map((_, i) => (masks.some((m) => m[i] !== 0) ? 1 : 0));
    case 'intersection':
      return first.map((_, i) => (masks.every((m) => m[i] !== 0) ? 1 : 0));
    case 'mean':
      return Float32Array.from(first, (_, i) => masks.reduce((sum, m) => sum + m[i]!, 0) / masks.length);
    default: {
      // Raters that are named otherwise are counted: `1` is the first, `2` the second.
      const own = raters.get(choice) ?? (/^[1-9]$/.test(choice) ? masks[Number(choice) - 1] : undefined);
      if (own) return own;
      throw new DatasetError(
        `${scan}: there is no lesion mask of rater ${choice}; there are ${[...raters.keys()].join(', ')}`,
        { hint: 'Choose another rater, or union, intersection or mean.' },
      );
    }
  }
}

/** In a clause, what a mask's reader must know of its values; null for an ordinary one. */
export function describeLabels(labels: readonly number[], what: string): string | null {
  if (labels.length === 0) return `is empty: it marks no ${what}`;
  if (labels.length === 1) return null;
  return `holds the values ${labels.join(', ')}, and all of them count as ${what}`;
}
