import type { PassInput, PatchKernel } from './augmentation.ts';

/**
 * Leaves count, mean, deviation, smallest and largest value of a channel inside the brain behind the two channels of the
 * scratch buffer: five floats from place 8 * slot on.
 */
export const statisticsKernel: PatchKernel = {
  kernel: { file: 'augment-statistics.wgsl', entry: 'statistics' },
  bindings: ['values', 'scratch'],
  workgroups: () => [1, 1, 1],
};

/** What {@link statisticsKernel} is given. @param slot 0 or 1 */
export function statisticsPass(slot: 0 | 1): PassInput {
  return { params: { slot } };
}
