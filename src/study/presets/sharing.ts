import type { Preset } from '../../pipeline/task/presets.ts';
import { LESION_HEAD, MULTI_TASK, TISSUE_HEAD } from './heads.ts';

/**
 * Further ways to share between the tasks of the paper's `multi-output`, which its sections II and III describe and do not
 * compare: lesions and tissues from images.
 */
export const SHARING_PRESETS: readonly Preset[] = [
  {
    name: 'soft',
    title: 'lesions and tissues by a network each, whose parameters are kept alike (Duong 2015)',
    task: { name: 'soft', channels: null, maps: null, heads: [LESION_HEAD, TISSUE_HEAD], centre: null },
    network: { kind: 'unet-soft', given: {} },
    settings: MULTI_TASK,
  },
  {
    name: 'sluice',
    title:
      'lesions and tissues by a network each, with learned mixtures of their subspaces and levels (Ruder 2019)',
    task: { name: 'sluice', channels: null, maps: null, heads: [LESION_HEAD, TISSUE_HEAD], centre: null },
    network: { kind: 'unet-sluice', given: {} },
    settings: MULTI_TASK,
  },
];
