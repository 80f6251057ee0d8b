import type { Random } from '../../core/random.ts';

/** Images that are synthesised. */
export const SYNTHETIC_MODALITIES = ['FLAIR', 'T1w'] as const;
/** One of them. */
export type SyntheticModality = (typeof SYNTHETIC_MODALITIES)[number];

/** Intensities of an image, white matter being 1 on average. */
export interface Contrast {
  readonly CSF: number;
  readonly GM: number;
  readonly WM: number;
  /** What a lesion adds to white matter at its most, on average. */
  readonly lesion: number;
  /** What white matter next to a ventricle gains, and next to a lesion as a share of what the lesion has. */
  readonly cap: number;
  readonly halo: number;
  /** Deviations of slow changes within fluid, grey and white matter. */
  readonly uneven: { readonly CSF: number; readonly GM: number; readonly WM: number };
}

/**
 * Draws the intensities of one image. In FLAIR fluid is dark, grey matter a little brighter than white, and a lesion
 * brighter than both, by much or by little; in T1w white matter is brightest, and a lesion lies between just below it
 * and fluid. Ranges are wider than what one scanner gives.
 */
export function drawContrast(random: Random, modality: SyntheticModality): Contrast {
  if (modality === 'FLAIR') {
    const GM = random.uniform(1.02, 1.4);
    return {
      CSF: random.uniform(0.1, 0.55),
      GM,
      WM: 1,
      lesion: Math.max(GM - 1, 0) + random.uniform(0.12, 0.75),
      cap: random.uniform() < 0.6 ? random.uniform(0, 0.3) : 0,
      halo: random.uniform(0, 0.35),
      uneven: {
        CSF: random.uniform(0.03, 0.2),
        GM: random.uniform(0.02, 0.1),
        WM: random.uniform(0.01, 0.05),
      },
    };
  }
  const GM = random.uniform(0.55, 0.88);
  const CSF = random.uniform(0.12, Math.min(0.5, GM - 0.1));
  return {
    CSF,
    GM,
    WM: 1,
    lesion: -random.uniform(0.05, 0.9) * (1 - CSF) * 0.8,
    cap: -(random.uniform() < 0.6 ? random.uniform(0, 0.12) : 0),
    halo: random.uniform(0, 0.3),
    uneven: {
      CSF: random.uniform(0.02, 0.1),
      GM: random.uniform(0.02, 0.07),
      WM: random.uniform(0.01, 0.04),
    },
  };
}

/** What the scanner does to an image. */
export interface Acquisition {
  /** Deviation of the point spread, in voxels of the label map. */
  readonly blur: number;
  /** Deviation of noise, and the deviation (voxels) of the filter that it went through, 0 for none. */
  readonly noise: number;
  readonly noiseBlur: number;
  /** Deviation of the logarithm of the bias field, and its extent in voxels. */
  readonly bias: number;
  readonly biasExtent: number;
  /** A slice in mm along one axis of voxels, if they are thick. */
  readonly slices: { readonly axis: 0 | 1 | 2; readonly mm: number } | undefined;
}

/** Draws what the scanner does to one image. */
export function drawAcquisition(random: Random): Acquisition {
  const isThick = random.uniform() < 0.3;
  return {
    blur: random.uniform(0.45, 1.1),
    noise: random.uniform(0.005, 0.045),
    noiseBlur: random.uniform() < 0.5 ? random.uniform(0.5, 1) : 0,
    bias: random.uniform(0, 0.18),
    biasExtent: random.uniform(60, 140),
    slices: isThick
      ? { axis: random.uniform() < 0.7 ? 2 : (random.integer(2) as 0 | 1), mm: random.uniform(2, 5) }
      : undefined,
  };
}
