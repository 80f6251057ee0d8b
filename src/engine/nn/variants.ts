import { UsageError } from '../../core/errors.ts';
import type { Head, NetworkSpec } from './network.ts';
import { DEFAULT_KIND, designNetwork } from './networks/index.ts';

/** The paper's three ways to use tissue information: not at all, as inputs, as a second output. */
export const PAPER_VARIANTS = ['single', 'multi-input', 'multi-output'] as const;

/**
 * All variants: the paper's, and the soft sharing of its section II.B. `cross-stitch` learns what `multi-output`
 * learns, with a U-Net for each task and cross-stitch units (Misra et al. 2016) between them.
 */
export const VARIANTS = ['single', 'multi-input', 'multi-output', 'cross-stitch'] as const;
/** One of {@link VARIANTS}. */
export type Variant = (typeof VARIANTS)[number];

/** Tissue classes in the order of channels and labels: SPM's c1, c2, c3. */
export const TISSUES = ['GM', 'WM', 'CSF'] as const;

/** Softmax over {background, lesion}. */
export const LESION_HEAD: Head = { name: 'lesion', channels: 2 };
/** Softmax over {background, GM, WM, CSF}. */
export const TISSUE_HEAD: Head = { name: 'tissue', channels: 4 };

/** Whether a variant reads tissue maps as input channels. */
export function takesTissues(variant: Variant): boolean {
  return variant === 'multi-input';
}

/** Whether a variant learns to predict tissue maps. */
export function predictsTissues(variant: Variant): boolean {
  return variant === 'multi-output' || variant === 'cross-stitch';
}

/** Names of a variant's input channels: the modalities, then the tissue maps where it reads them. */
export function inputChannels(variant: Variant, modalities: readonly string[]): string[] {
  return takesTissues(variant) ? [...modalities, ...TISSUES] : [...modalities];
}

/**
 * A variant as a network of the default kind.
 * @param modalities image modalities, one input channel each
 * @throws UsageError for no modality or widths that no network has.
 */
export function variantConfig(
  variant: Variant,
  modalities: readonly string[],
  widths: { readonly baseChannels: number; readonly levels: number },
): NetworkSpec {
  if (modalities.length === 0) throw new UsageError(`${variant}: at least one modality is needed`);
  const multiple = 2 ** (widths.levels - 1);
  return designNetwork(
    DEFAULT_KIND,
    {
      inChannels: inputChannels(variant, modalities).length,
      baseChannels: widths.baseChannels,
      levels: widths.levels,
      heads: predictsTissues(variant) ? [LESION_HEAD, TISSUE_HEAD] : [LESION_HEAD],
      patch: [multiple, multiple, multiple],
    },
    variant === 'cross-stitch' ? { crossStitch: true } : {},
  );
}
