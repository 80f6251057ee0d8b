import type { Random } from '../../core/random.ts';

/** The four images of an ISBI 2015 scan. */
export const MODALITIES = ['FLAIR', 'T1w', 'PDw', 'T2w'] as const;
export type Modality = (typeof MODALITIES)[number];

/** What one image shows of each tissue, relative to white matter = 1. */
export interface Contrast {
  readonly corticalGrey: number;
  readonly deepGrey: number;
  readonly pallidum: number;
  readonly fluid: number;
  /** A lesion of strength 1 (and, on T1, of blackness 1). */
  readonly lesion: number;
}

/**
 * FLAIR, T1w, T2w: medians over SPM-segmented tissue and consensus lesions of two patients of Lesjak et al.
 * 2017; PDw and the nuclei: usual values at 3 T (putamen and pallidum hold iron, hence darker than cortex on T2).
 */
const TYPICAL: Readonly<Record<Modality, Contrast>> = {
  FLAIR: { corticalGrey: 1.15, deepGrey: 1.1, pallidum: 0.93, fluid: 0.36, lesion: 1.45 },
  T1w: { corticalGrey: 0.78, deepGrey: 0.85, pallidum: 0.94, fluid: 0.25, lesion: 0.55 },
  PDw: { corticalGrey: 1.17, deepGrey: 1.12, pallidum: 1.0, fluid: 1.08, lesion: 1.27 },
  T2w: { corticalGrey: 1.28, deepGrey: 1.14, pallidum: 0.86, fluid: 2.5, lesion: 1.72 },
};

/** A scanner's contrast: the typical one, each tissue's distance from white matter varied by about a tenth. */
export function drawContrast(modality: Modality, random: Random): Contrast {
  const typical = TYPICAL[modality];
  const vary = (value: number): number => 1 + (value - 1) * Math.exp(random.normal(0, 0.08));
  return {
    corticalGrey: vary(typical.corticalGrey),
    deepGrey: vary(typical.deepGrey),
    pallidum: vary(typical.pallidum),
    fluid: Math.max(vary(typical.fluid), 0.12),
    lesion: vary(typical.lesion),
  };
}

/**
 * How strongly things that are no lesions show on an image, relative to white matter = 1. On FLAIR they reach
 * the brightness of lesions, which is why a threshold fails there; the other images tell them apart.
 */
export interface Confounders {
  /** Caps and bands along the ventricles. */
  readonly cap: number;
  /** Slow waves of white-matter brightness (deviation). */
  readonly unevenWhite: number;
  /** Patches of bright cortex: insula, cingulum, temporal lobe (largest). */
  readonly brightCortex: number;
  /** Fluid that moves: how much brighter it gets at most. */
  readonly flow: number;
  /** Septum and fornix between the ventricles. */
  readonly septum: number;
  /** Blotches that one image alone shows (ghosts of pulsation). */
  readonly ghost: number;
  /** Dirty white matter around lesions, at their border. */
  readonly penumbra: number;
}

export const CONFOUNDERS: Readonly<Record<Modality, Confounders>> = {
  FLAIR: {
    cap: 0.32,
    unevenWhite: 0.03,
    brightCortex: 0.12,
    flow: 1,
    septum: 0.25,
    ghost: 0.32,
    penumbra: 0.14,
  },
  T1w: { cap: -0.02, unevenWhite: 0.012, brightCortex: -0.02, flow: 0, septum: 0, ghost: 0, penumbra: 0 },
  PDw: {
    cap: 0.04,
    unevenWhite: 0.015,
    brightCortex: 0.03,
    flow: -0.05,
    septum: 0.03,
    ghost: 0,
    penumbra: 0.02,
  },
  T2w: {
    cap: 0.08,
    unevenWhite: 0.02,
    brightCortex: 0.05,
    flow: -0.25,
    septum: 0.05,
    ghost: 0,
    penumbra: 0.04,
  },
};
