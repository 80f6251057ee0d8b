import type { Random } from '../../core/random.ts';
import type { AugmentContext } from './augmentation.ts';

/**
 * Draws parameters for each image of a patch.
 * @param probability of the patch to be changed at all
 * @param share of its images that are changed then, each drawn alone
 */
export function drawChannels<Parameters>(
  random: Random,
  { images }: AugmentContext,
  probability: number,
  draw: () => Parameters,
  share: number = 1,
): (Parameters | undefined)[] {
  if (random.uniform() >= probability) return [];
  return Array.from({ length: images }, () => (share === 1 || random.uniform() < share ? draw() : undefined));
}
