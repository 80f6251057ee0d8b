import type { TargetRequest } from '../../imaging/dataset/targets.ts';
import { TISSUES } from '../../imaging/dataset/tissue-maps.ts';
import { type TaskHead, type TaskMaps, targetRequest } from '../../pipeline/task/task.ts';

/** Softmax over {background, lesion}. */
export const LESION_HEAD: TaskHead = {
  name: 'lesion',
  labels: ['lesion'],
  activation: 'softmax',
  target: { from: 'mask' },
  loss: null,
  weight: 1,
  decision: 'threshold',
};

/** The mask of lesions as something to load. */
export const LESION_TARGET: TargetRequest = targetRequest(LESION_HEAD);

/**
 * Softmax over {background, GM, WM, CSF}. The paper adds the TPR term for "our main task", the lesions; tissues get the
 * overlap loss alone. They are a means to an end: nothing is decided about them.
 */
export const TISSUE_HEAD: TaskHead = {
  name: 'tissue',
  labels: TISSUES,
  activation: 'softmax',
  target: { from: 'probseg', complete: true },
  loss: { tpr: 'off' },
  weight: 1,
  decision: 'probabilities',
};

/** Tissue maps as input channels. */
export const TISSUE_MAPS: TaskMaps = { name: 'tissue', labels: TISSUES, complete: true };

/** The paper adds the TPR term to its multi-task nets; printed, it rewards misses (see the loss's documentation). */
export const MULTI_TASK = { tpr: '1-tpr' } as const;
