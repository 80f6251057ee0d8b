import type { Triple } from '../../core/shape.ts';

/** How the values of a channel become those that a network reads. */
export type Normalisation =
  /** Minus the mean, divided by the deviation; with `mask` of what is not 0 in the images, holes filled, and there alone. */
  | { readonly scheme: 'zscore'; readonly mask: boolean }
  /** Clipped, minus the mean, divided by the deviation: all of the training scans' foreground. */
  | {
      readonly scheme: 'ct';
      readonly mean: number;
      readonly deviation: number;
      readonly low: number;
      readonly high: number;
    }
  /** The image's least and largest value become 0 and 1. */
  | { readonly scheme: 'rescale' }
  /** Divided by 255. */
  | { readonly scheme: 'rgb' }
  | { readonly scheme: 'none' };

/** Order of a spline: 0 for the nearest value, 1 for linear interpolation, 3 for cubic. */
export type SplineOrder = 0 | 1 | 3;

/** How values are brought to another voxel size. */
export interface Resampling {
  readonly order: SplineOrder;
  /** Along the axis of thick slices, where that is resampled on its own. */
  readonly orderZ: SplineOrder;
  /** Whether it is; null for what the voxel sizes say. */
  readonly separateZ: boolean | null;
}

/**
 * What nnU-Net v2 does around a network, from an image to labels (Isensee 2021 and its code, version 2.5): axes in
 * another order, a cut to what is not 0, normalisation, resampling, tiles with Gaussian weights, mirrored ones too, and
 * the way back. Axes are those of a tensor, [z, y, x], as SimpleITK reads files.
 */
export interface NnUNetSteps {
  readonly kind: 'nnunet';
  /** Whether axes are first brought to x to the right, y to the front, z up (NibabelIOWithReorient). */
  readonly reorient: boolean;
  /** The image's axis that each of the network's axes is: `transpose_forward`. */
  readonly transpose: Triple;
  /** Edges of the network's voxels in mm, along its axes. */
  readonly spacing: Triple;
  /** By channel. */
  readonly normalisation: readonly Normalisation[];
  readonly images: Resampling;
  readonly outputs: Resampling;
  /** Axes of the network along which tiles are mirrored too: 2 to the power of their number are run for each place. */
  readonly mirror: readonly number[];
}

/**
 * What Brainchop does: an image is conformed to a cube of voxels, the network sees it whole, the most probable label wins,
 * and of all that is found the largest piece is kept (Masoud 2023).
 */
export interface BrainchopSteps {
  readonly kind: 'brainchop';
  /** Voxels along each axis of the cube, and their edge in mm: 256 of 1 mm. */
  readonly extent: number;
  readonly spacing: number;
  /** Values of the cube that become 0 and 1: the least and the largest, or these quantiles. */
  readonly range: 'min-max' | readonly [low: number, high: number];
}

/**
 * What is done around a network of this program that sees whole heads: the image is brought to coarse voxels, along its own axes in the
 * order right, front, up, and standardised over its field of view; the network's maps are interpolated back. No brain mask is needed.
 */
export interface WholeHeadSteps {
  readonly kind: 'whole-head';
  /** Edge of a voxel in mm. */
  readonly spacing: number;
}

/** What is done around a network; those that were trained here on brains have none, and the usual preparation. */
export type ModelSteps = NnUNetSteps | BrainchopSteps | WholeHeadSteps;

/** Where a network comes from that was made elsewhere. */
export interface ModelCard {
  /** What made it, and its name there. */
  readonly source: string;
  /** Null where the files do not say. */
  readonly licence: string | null;
  /** What it is good for, and what a user must know, in sentences. */
  readonly about: string;
  /** SHA-256 of the files that it was read from. */
  readonly files: Readonly<Record<string, string>>;
}
