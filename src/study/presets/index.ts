import { UsageError } from '../../core/errors.ts';
import type { NetworkSpec } from '../../engine/nn/network.ts';
import type { Segmentation } from '../../pipeline/predict/segment.ts';
import { type Preset, registerPresets } from '../../pipeline/task/presets.ts';
import type { Task } from '../../pipeline/task/task.ts';
import { networkOf } from '../../pipeline/train/network.ts';
import { LESION_HEAD, MULTI_TASK, TISSUE_HEAD, TISSUE_MAPS } from './heads.ts';
import { SHARING_PRESETS } from './sharing.ts';

export { LESION_HEAD, LESION_TARGET, TISSUE_HEAD, TISSUE_MAPS } from './heads.ts';

/** The paper's three ways to use tissue information: not at all, as inputs, as a second output. */
export const PAPER_VARIANTS = ['single', 'multi-input', 'multi-output'] as const;

/**
 * All presets: the paper's, and the soft sharing of its section II.B. `cross-stitch` learns what `multi-output` learns,
 * with a U-Net for each task and cross-stitch units (Misra et al. 2016) between them.
 */
export const VARIANTS = ['single', 'multi-input', 'multi-output', 'cross-stitch'] as const;
/** Further ways to share between the tasks of `multi-output`: see `SHARING_PRESETS`. */
const SHARING_VARIANTS = ['soft', 'sluice'] as const;
/** The name of a preset that experiments compare. */
export type Variant = (typeof VARIANTS)[number] | (typeof SHARING_VARIANTS)[number];

/** All that an experiment may compare. */
export const EXPERIMENT_VARIANTS: readonly Variant[] = [...VARIANTS, ...SHARING_VARIANTS];

/** Presets that answer one question together, by the family's name. */
export const PRESET_FAMILIES: Readonly<Record<'paper' | 'sharing', readonly Variant[]>> = {
  /** Does information about tissues help, and where? */
  paper: PAPER_VARIANTS,
  /** Does it matter how networks share? Every way to share, with the paper's three. */
  sharing: EXPERIMENT_VARIANTS,
};

function task(name: Variant, parts: Partial<Task> = {}): Task {
  return { name, channels: null, maps: null, heads: [LESION_HEAD], centre: null, ...parts };
}

/** The paper's set-ups: tasks, with networks and settings. */
export const PRESETS: readonly (Preset & { readonly name: Variant })[] = [
  {
    name: 'single',
    title: 'lesions from images alone',
    task: task('single'),
    network: { kind: 'unet', given: {} },
    settings: {},
  },
  {
    name: 'multi-input',
    title: 'lesions from images and tissue maps',
    task: task('multi-input', { maps: TISSUE_MAPS }),
    network: { kind: 'unet', given: {} },
    settings: MULTI_TASK,
  },
  {
    name: 'multi-output',
    title: 'lesions and tissues from images',
    task: task('multi-output', { heads: [LESION_HEAD, TISSUE_HEAD] }),
    network: { kind: 'unet', given: {} },
    settings: MULTI_TASK,
  },
  {
    name: 'cross-stitch',
    title: 'lesions and tissues by two stitched networks',
    task: task('cross-stitch', { heads: [LESION_HEAD, TISSUE_HEAD] }),
    network: { kind: 'unet', given: { crossStitch: true } },
    settings: MULTI_TASK,
  },
];

/** What settings were called when every task was about lesions. */
export const OLD_SETTINGS: Readonly<Record<string, string>> = {
  tissue: 'maps',
  tissueWeight: 'auxiliaryWeight',
  lesionShare: 'foregroundShare',
};

registerPresets([...PRESETS, ...SHARING_PRESETS], OLD_SETTINGS);

/** A preset that is one of the paper's set-ups. */
export function presetOf(variant: Variant): Preset {
  return [...PRESETS, ...SHARING_PRESETS].find(({ name }) => name === variant)!;
}

/** Whether a preset reads tissue maps as input channels. */
export function takesTissues(variant: Variant): boolean {
  return presetOf(variant).task.maps !== null;
}

/** Whether a preset learns to predict tissue maps. */
export function predictsTissues(variant: Variant): boolean {
  return presetOf(variant).task.heads.includes(TISSUE_HEAD);
}

/** Lesions of a segmentation: the first label of its main head. */
export interface Lesions {
  /** 1 inside. */
  readonly mask: Uint8Array;
  readonly probabilities: Float32Array;
}

/** What a preset's network says of lesions. */
export function lesionsOf({ heads }: Segmentation): Lesions {
  const { masks, maps } = heads.get(LESION_HEAD.name)!;
  const [label] = LESION_HEAD.labels;
  return { mask: masks.get(label!)!, probabilities: maps.get(label!)! };
}

/** A preset as a network: for those who have no settings of a run. @throws UsageError for widths that no network has. */
export function variantConfig(
  variant: Variant,
  modalities: readonly string[],
  widths: { readonly baseChannels: number; readonly levels: number },
): NetworkSpec {
  if (modalities.length === 0) throw new UsageError(`${variant}: at least one modality is needed`);
  const patch = 2 ** (widths.levels - 1);
  return networkOf({
    preset: variant,
    task: null,
    network: null,
    networkConfig: null,
    modalities,
    patch,
    ...widths,
  });
}
