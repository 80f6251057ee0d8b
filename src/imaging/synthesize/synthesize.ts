import { Random } from '../../core/random.ts';
import { resize, resizedGrid } from '../volume/resize.ts';
import type { Grid } from '../volume/volume.ts';
import { type Anatomy, LABELS } from './anatomy.ts';
import {
  type Acquisition,
  type Contrast,
  drawAcquisition,
  drawContrast,
  SYNTHETIC_MODALITIES,
  type SyntheticModality,
} from './contrast.ts';
import { drawDeformation } from './deform.ts';
import { boxMean, chamferDistance, gaussian, SmoothField } from './fields.ts';
import { placeLesions } from './lesions.ts';

/** Settings of one synthetic scan. */
export interface SynthesisOptions {
  /** Seed of this scan: equal seeds give equal bits. */
  readonly seed: number;
  /** Edge of the voxels in mm; at least that of the label map. */
  readonly voxel: number;
  /** Share of scans without any lesion. */
  readonly healthy: number;
}

/** A synthetic scan on one grid. */
export interface SyntheticScan {
  readonly grid: Grid;
  /** Name of the label map. */
  readonly source: string;
  readonly images: Readonly<Record<SyntheticModality, Float32Array>>;
  readonly lesions: Uint8Array;
  readonly brain: Uint8Array;
  readonly contrasts: Readonly<Record<SyntheticModality, Contrast>>;
  readonly acquisitions: Readonly<Record<SyntheticModality, Acquisition>>;
}

/** White matter's mean in the images, so that whole numbers are fine enough. */
const SCALE = 1000;

/**
 * Makes a scan from a brain's label map, after SynthSeg (Billot et al. 2023) and WMH-SynthSeg (Laso et al. 2024), with
 * contrasts like FLAIR's and T1w's: lesions are placed, the map is deformed, tissues get intensities, and the scanner's
 * blur, thick slices, bias field and noise follow. It runs on the processor, some seconds for a brain at 1 mm.
 * @param donors brains whose lesions may be moved into this one
 */
export function synthesize(
  brain: Anatomy,
  donors: readonly Anatomy[],
  { seed, voxel, healthy }: SynthesisOptions,
): SyntheticScan {
  const random = new Random(seed);
  const { shape, spacing } = brain.grid;
  const isHealthy = random.uniform() < healthy;
  const { ids, count } = placeLesions(random.fork('lesions'), brain, donors, isHealthy);
  const from = drawDeformation(random.fork('deformation'), brain.grid);
  const tissue = new Uint8Array(from.length);
  const lesionIds = new Uint16Array(from.length);
  const lesions = new Uint8Array(from.length);
  const depth = new Float32Array(from.length).fill(1e6);
  for (let i = 0; i < from.length; i++) {
    const source = from[i]!;
    if (source < 0) continue;
    tissue[i] = brain.tissue[source]!;
    lesionIds[i] = ids[source]!;
    lesions[i] = lesionIds[i]! > 0 ? 1 : 0;
    depth[i] = brain.depth[source]!;
  }
  const toLesion = count > 0 ? chamferDistance(lesions, shape) : undefined;
  // A lesion that is bright in one image is marked in the other too, mostly.
  const marks = Float32Array.from({ length: count + 1 }, () => random.uniform(0.5, 1.4));
  const grid = resizedGrid(brain.grid, [
    Math.max(voxel, spacing[0]),
    Math.max(voxel, spacing[1]),
    Math.max(voxel, spacing[2]),
  ]);
  const atLeastHalf = (mask: Uint8Array): Uint8Array =>
    Uint8Array.from(resize(mask, brain.grid, grid), (share) => (share >= 0.5 ? 1 : 0));
  const inside = atLeastHalf(tissue.map((value) => (value === LABELS.outside ? 0 : 1)));
  const images = {} as Record<SyntheticModality, Float32Array>;
  const contrasts = {} as Record<SyntheticModality, Contrast>;
  const acquisitions = {} as Record<SyntheticModality, Acquisition>;
  for (const modality of SYNTHETIC_MODALITIES) {
    const own = random.fork(modality);
    const contrast = drawContrast(own, modality);
    const acquisition = drawAcquisition(own);
    const painted = paint(own, brain.grid, contrast, { tissue, lesionIds, depth, toLesion, marks });
    const image = resize(acquire(own, painted, brain.grid, acquisition), brain.grid, grid);
    const noise = new Float32Array(image.length);
    for (let i = 0; i < noise.length; i++) noise[i] = own.normal();
    if (acquisition.noiseBlur > 0) {
      gaussian(noise, grid.shape, acquisition.noiseBlur);
      const power = Math.sqrt(noise.reduce((sum, v) => sum + v * v, 0) / noise.length);
      for (let i = 0; i < noise.length; i++) noise[i]! /= power;
    }
    images[modality] = image.map((value, i) =>
      inside[i] === 0
        ? 0
        : Math.max(1, Math.min(32767, Math.round(Math.abs(SCALE * (value + acquisition.noise * noise[i]!))))),
    );
    contrasts[modality] = contrast;
    acquisitions[modality] = acquisition;
  }
  const lesionMask = atLeastHalf(lesions).map((value, i) => value & inside[i]!);
  return { grid, source: brain.name, images, lesions: lesionMask, brain: inside, contrasts, acquisitions };
}

interface Layers {
  readonly tissue: Uint8Array;
  readonly lesionIds: Uint16Array;
  readonly depth: Float32Array;
  readonly toLesion: Float32Array | undefined;
  readonly marks: Float32Array;
}

/** Intensities of tissues and lesions on the label map's grid, before the scanner. */
function paint(
  random: Random,
  { shape }: Grid,
  contrast: Contrast,
  { tissue, lesionIds, depth, toLesion, marks }: Layers,
): Float32Array {
  const [nx, ny, nz] = shape;
  const slow = new SmoothField(random, shape, random.uniform(12, 30));
  const fast = new SmoothField(random, shape, random.uniform(2.5, 6));
  const capField = new SmoothField(random, shape, 18);
  const reach = random.uniform(1, 2.5);
  const haloReach = random.uniform(1, 3.5);
  const own = marks.map((mark) => mark * random.uniform(0.75, 1.25));
  const hollow = random.uniform() < 0.15;
  const means = [0, contrast.CSF, contrast.GM, contrast.WM];
  const uneven = [0, contrast.uneven.CSF, contrast.uneven.GM, contrast.uneven.WM];
  const out = new Float32Array(nx * ny * nz);
  let i = 0;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, i++) {
        const label = tissue[i]!;
        if (label === LABELS.outside) continue;
        let value = means[label]! + uneven[label]! * (slow.at(x, y, z) + 0.7 * fast.at(x, y, z));
        const id = lesionIds[i]!;
        if (id > 0) {
          // In a large lesion the middle may have dissolved: fluid-like.
          const texture = 1 + 0.15 * fast.at(x, y, z);
          const centre = hollow && slow.at(x, y, z) > 0.8 ? 0.5 : 1;
          value = contrast.WM + contrast.lesion * own[id]! * texture * centre;
        } else if (label === LABELS.WM) {
          if (contrast.cap !== 0 && depth[i]! < 8)
            value +=
              contrast.cap * Math.max(0, 1 + 0.6 * capField.at(x, y, z)) * Math.exp(-depth[i]! / reach);
          if (toLesion && toLesion[i]! < 10)
            value += contrast.lesion * contrast.halo * Math.exp(-(toLesion[i]! - 1) / haloReach);
        }
        out[i] = value;
      }
  return out;
}

/** Point spread, thick slices and bias field. */
function acquire(
  random: Random,
  image: Float32Array,
  { shape, spacing }: Grid,
  { blur, slices, bias, biasExtent }: Acquisition,
): Float32Array {
  gaussian(image, shape, blur);
  if (slices) thicken(image, shape, slices.axis, slices.mm / spacing[slices.axis]!);
  const field = new SmoothField(random, shape, biasExtent);
  const [nx, ny, nz] = shape;
  let i = 0;
  for (let z = 0; z < nz; z++)
    for (let y = 0; y < ny; y++)
      for (let x = 0; x < nx; x++, i++) if (image[i] !== 0) image[i]! *= Math.exp(bias * field.at(x, y, z));
  return image;
}

/** Means over slices, and linear interpolation back between their middles. */
function thicken(image: Float32Array, shape: Grid['shape'], axis: 0 | 1 | 2, width: number): void {
  if (width <= 1) return;
  boxMean(image, shape, axis, width);
  const strides = [1, shape[0], shape[0] * shape[1]] as const;
  const stride = strides[axis];
  const count = shape[axis];
  const line = new Float32Array(count);
  const [a, b] = ([0, 1, 2] as const).filter((each) => each !== axis) as [0 | 1 | 2, 0 | 1 | 2];
  for (let v = 0; v < shape[b]; v++)
    for (let u = 0; u < shape[a]; u++) {
      const first = u * strides[a] + v * strides[b];
      for (let i = 0; i < count; i++) line[i] = image[first + i * stride]!;
      for (let i = 0; i < count; i++) {
        const slice = Math.floor(i / width) * width;
        const low = Math.min(count - 1, Math.round(slice));
        const high = Math.min(count - 1, Math.round(slice + width));
        const share = high > low ? Math.min(1, Math.max(0, (i - low) / (high - low))) : 0;
        image[first + i * stride] = line[low]! + share * (line[high]! - line[low]!);
      }
    }
}
