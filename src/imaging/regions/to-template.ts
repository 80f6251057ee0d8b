import { gunzipSync } from 'fflate';
import type { AbortSignal } from '../../core/globals.ts';
import { type Compare, type Registration, registerVolumes } from '../register/register.ts';
import { axisAlignedGrid, type Grid, type Volume, voxelCount } from '../volume/volume.ts';
import { brainOverlap } from './atlas-maps.ts';
import { TEMPLATE } from './template.ts';

/**
 * Dice of the scan's brain and the template's under the transform, at least. Five right scans had 0.92 to 0.96, one whose mask
 * misses frontal cortex 0.89, half a brain 0.69.
 */
const LEAST_DICE = 0.9;
/** Lengths that a transform may give to a millimetre of the scan: right scans had 0.99 to 1.31, scans upside down or back to front more than 1.46. */
const STRETCH = [0.75, 1.4] as const;
/** Normalised mutual information in the brain, at least: right scans had 1.037 to 1.064. */
const LEAST_INFORMATION = 1.03;
/** Finer than the template's voxels by far. */
const PRECISION_MM = 0.2;

/** How a scan lies to the template, or why that is not known. */
export type Placement =
  | { readonly toTemplate: Float64Array; readonly registration: Registration; readonly dice: number }
  | { readonly toTemplate?: undefined; readonly reason: string };

/** An image of a scan and its brain, one value per voxel of the grid. */
export interface BrainImage {
  readonly grid: Grid;
  readonly data: Float32Array;
  readonly brain: Uint8Array;
}

/**
 * Registers a scan's brain to the ICBM 2009a template with 12 degrees of freedom, and judges what comes of it: regions by
 * a wrong transform would be wrong, so an implausible one is not given.
 *
 * @returns the transform from the scan's world to the template's (mm, RAS+, column-major), or the reason that there is none, a clause
 * @throws OutOfMemoryError, GpuError, DeviceLostError
 */
export async function placeInTemplate(
  compare: Compare,
  { grid, data, brain }: BrainImage,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<Placement> {
  const inside = data.map((v, i) => (brain[i] === 0 ? 0 : v));
  if (!inside.some((v) => v !== 0)) return { reason: 'the image has no brain' };
  const registration = await registerVolumes(compare, { grid, data: inside }, templateImage(), {
    degreesOfFreedom: 12,
    precision: PRECISION_MM,
    finest: 3,
    mask: brain,
    signal,
  });
  const { transform, information } = registration;
  const dice = brainOverlap(grid, transform, brain);
  const [least, most] = stretches(transform);
  if (least < STRETCH[0] || most > STRETCH[1])
    return {
      reason: `the scan would have to be stretched by ${least.toFixed(2)} to ${most.toFixed(2)} to fit the template`,
    };
  if (dice < LEAST_DICE)
    return {
      reason: `the brain covers the template's by a Dice of ${dice.toFixed(2)}, and ${LEAST_DICE} is needed`,
    };
  if (information < LEAST_INFORMATION)
    return {
      reason: `the image is not like the template (mutual information ${information.toFixed(3)}, and ${LEAST_INFORMATION} is needed)`,
    };
  return { toTemplate: transform, registration, dice };
}

let volume: Volume<Uint8Array> | undefined;

/** A T1w of the template's brain at 3 mm, 0 outside; unpacked once. */
export function templateImage(): Volume<Uint8Array> {
  volume ??= {
    grid: axisAlignedGrid(TEMPLATE.shape, [3, 3, 3], TEMPLATE.origin),
    data: gunzipSync(Uint8Array.from(atob(TEMPLATE.levels), (c) => c.charCodeAt(0))),
  };
  if (volume.data.length !== voxelCount(volume.grid)) throw new Error('the template does not have its shape');
  return volume;
}

/** The smallest and the largest factor by which an affine transform changes lengths: its singular values. */
function stretches(transform: Readonly<Float64Array>): readonly [number, number] {
  // Eigenvalues of the symmetric A'A by their trigonometric formula (Smith 1961).
  const column = (c: number): number[] => [0, 1, 2].map((r) => transform[c * 4 + r]!);
  const dot = (a: number, b: number): number => column(a).reduce((sum, v, i) => sum + v * column(b)[i]!, 0);
  const [xx, yy, zz, xy, xz, yz] = [dot(0, 0), dot(1, 1), dot(2, 2), dot(0, 1), dot(0, 2), dot(1, 2)];
  const mean = (xx + yy + zz) / 3;
  const [a, b, c] = [xx - mean, yy - mean, zz - mean];
  const p = Math.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6);
  if (p === 0) return [Math.sqrt(mean), Math.sqrt(mean)];
  const determinant = a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz);
  const angle = Math.acos(Math.max(-1, Math.min(1, determinant / (2 * p ** 3)))) / 3;
  const most = mean + 2 * p * Math.cos(angle);
  const least = mean + 2 * p * Math.cos(angle + (2 * Math.PI) / 3);
  return [Math.sqrt(Math.max(0, least)), Math.sqrt(most)];
}
