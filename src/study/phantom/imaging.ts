import type { Random } from '../../core/random.ts';
import type { Grid } from '../../imaging/volume/volume.ts';
import type { AnatomyMaps } from './anatomy.ts';
import { CONFOUNDERS, drawContrast, MODALITIES, type Modality } from './contrasts.ts';
import type { Frame } from './frame.ts';
import { clamp, smoothStep } from './geometry.ts';
import type { LesionField } from './lesion-field.ts';
import type { Lesion } from './lesions.ts';
import { Lattice, valueNoise, WaveNoise } from './noise.ts';

/** The box (model mm) that brains lie in, with room for noise. */
const LOW = [-96, -126, -88] as const;
const HIGH = [96, 92, 100] as const;
/** Width (mm) over which a lesion fades into white matter. */
const SOFT_EDGE = 1.8;
/** Reach (mm) of the dirty white matter around a lesion. */
const PENUMBRA = 4;

/** How an image is spoilt. */
export interface Acquisition {
  /** Deviation of the noise in each channel of the Rician sum, relative to white matter. */
  readonly noise: number;
  /** Peak-to-peak swing of the bias field: 0.2 runs from 0.9 to 1.1. */
  readonly biasField: number;
}

/** A subject's anatomy with one visit's lesions. */
export interface Scene {
  readonly grid: Grid;
  readonly frame: Frame;
  readonly maps: AnatomyMaps;
  readonly lesions: readonly Lesion[];
  readonly field: LesionField;
  /** Model position (mm) of a voxel. */
  readonly position: (index: number, out: Float64Array) => void;
}

/** Slow fields that belong to the subject, seen by all images of all visits. */
interface Tendencies {
  /** Per brain voxel: cap (0..1), slow white-matter wave (about N(0, 1)), bright cortex (0..1), septum (0..1). */
  readonly cap: Float32Array;
  readonly white: Float32Array;
  readonly cortex: Float32Array;
  readonly septum: Float32Array;
}

/**
 * Images of a scene: tissue and lesion intensities mixed by partial volume, confounders, texture, the scanner's
 * blur, a smooth multiplicative bias field, Rician noise and a gain; whole numbers of at least 1 in the brain,
 * 0 outside it.
 * @param subject draws what stays the same at every visit. @param visit draws what does not.
 */
export function renderModalities(
  scene: Scene,
  subject: Random,
  visit: Random,
  acquire: (random: Random) => Acquisition,
): Record<Modality, Float32Array> {
  const tendencies = drawTendencies(scene, subject.fork('tendencies'));
  const images = {} as Record<Modality, Float32Array>;
  for (const modality of MODALITIES) {
    const own = subject.fork(`contrast ${modality}`);
    const now = visit.fork(`image ${modality}`);
    const image = mixTissues(scene, tendencies, modality, own, now.fork('texture'));
    blur(image, scene.grid.shape, 0.4);
    const gain = 400 * Math.exp(own.normal(0, 0.3)) * Math.exp(now.normal(0, 0.05));
    spoil(image, scene, acquire(now.fork('acquisition')), gain, now.fork('scanner'));
    images[modality] = image;
  }
  return images;
}

function drawTendencies(scene: Scene, random: Random): Tendencies {
  const { maps, position } = scene;
  const slow = new Lattice(LOW, HIGH, 6, 3);
  const caps = new WaveNoise(random.fork('caps'), 40, 10);
  const waves = new WaveNoise(random.fork('white'), 60, 10, 0.5);
  const limbic = new WaveNoise(random.fork('cortex'), 42, 10, 0.4);
  slow.fill(0, (x, y, z) => caps.at(x, y, z));
  slow.fill(1, (x, y, z) => waves.at(x, y, z));
  slow.fill(2, (x, y, z) => limbic.at(x, y, z));
  const width = random.uniform(2.2, 3.8);
  const count = maps.voxels.length;
  const out = {
    cap: new Float32Array(count),
    white: new Float32Array(count),
    cortex: new Float32Array(count),
    septum: new Float32Array(count),
  };
  const values = new Float64Array(3);
  const point = new Float64Array(3);
  for (let n = 0; n < count; n++) {
    const index = maps.voxels[n]!;
    position(index, point);
    slow.sample(point[0]!, point[1]!, point[2]!, values);
    const distance = Math.max(0, maps.ventricleDistance[index]!) / width;
    const x = Math.abs(point[0]!);
    if (distance < 3) {
      // Caps sit at the tips of the horns; a thin band may run along the whole wall.
      const tips = smoothStep(6, 26, point[1]!) + smoothStep(-34, -52, point[1]!);
      const strength = clamp(0.3 + 0.45 * tips + 0.4 * values[0]!, 0.05, 1);
      out.cap[n] = strength * Math.exp(-distance * distance);
      if (x < 4 && point[2]! > 0 && point[2]! < 26) out.septum[n] = smoothStep(4, 1, x);
    }
    out.white[n] = values[1]!;
    out.cortex[n] = clamp(0.25 + 0.5 * values[2]!, 0, 1);
  }
  return out;
}

/** Relative intensities (white matter = 1) before the scanner spoils them. */
function mixTissues(
  scene: Scene,
  tendencies: Tendencies,
  modality: Modality,
  own: Random,
  now: Random,
): Float32Array {
  const { maps, lesions, field, frame, position } = scene;
  const contrast = drawContrast(modality, own.fork('tissues'));
  const confounders = CONFOUNDERS[modality];
  const grain = valueNoise(now.fork('grain'), LOW, HIGH, 3.2);
  const flow = new Lattice(LOW, HIGH, 5);
  const eddies = new WaveNoise(now.fork('flow'), 26, 10, 0.4);
  flow.fill(0, (x, y, z) => smoothStep(0.3, 1.6, eddies.at(x, y, z)));
  const ghosts = confounders.ghost === 0 ? undefined : drawGhosts(scene, now.fork('ghosts'));
  const conspicuity = modality === 'FLAIR' ? flairConspicuity(scene) : 1;
  const lesionLevel = 1 + (contrast.lesion - 1) * conspicuity;
  const levels = lesionLevels(lesions, modality, lesionLevel, own.fork('lesions'));
  const soft = Math.max(frame.voxel, SOFT_EDGE);
  const image = new Float32Array(maps.brain.length);
  const point = new Float64Array(3);
  const value = new Float64Array(1);
  for (let n = 0; n < maps.voxels.length; n++) {
    const index = maps.voxels[n]!;
    position(index, point);
    const [x, y, z] = point as unknown as readonly [number, number, number];
    const cortical = maps.corticalGrey[index]!;
    const deep = maps.deepGrey[index]!;
    const pale = maps.pallidum[index]!;
    const white = maps.white[index]!;
    const fluid = 1 - cortical - deep - pale - white;
    grain.sample(x, y, z, value);
    const texture = 1 + 0.022 * value[0]!;
    let signal =
      cortical * (contrast.corticalGrey + confounders.brightCortex * tendencies.cortex[n]!) +
      deep * contrast.deepGrey +
      pale * contrast.pallidum;
    const cap = confounders.cap * tendencies.cap[n]!;
    const septum = confounders.septum * tendencies.septum[n]!;
    signal +=
      white * (1 + Math.max(cap, septum) + Math.min(cap, 0) + confounders.unevenWhite * tendencies.white[n]!);
    if (fluid > 0.01) {
      flow.sample(x, y, z, value);
      signal += fluid * contrast.fluid * (1 + confounders.flow * value[0]!);
    }
    if (ghosts) signal += confounders.ghost * ghosts[index]! * (1 - fluid);
    signal *= texture;
    const inside = field.inside[index]!;
    if (inside > -PENUMBRA) signal += confounders.penumbra * white * Math.min(1, 1 + inside / PENUMBRA);
    if (inside > -soft / 2) {
      const coverage = clamp(0.5 + inside / soft);
      // Full strength is reached some way inside; the core of a large lesion is the strongest.
      const depth = 0.75 + 0.25 * smoothStep(0, 3, inside);
      const level = 1 + (levels[field.owner[index]! - 1]! - 1) * depth;
      signal += coverage * (level * (1 + 1.6 * (texture - 1)) - signal);
    }
    image[index] = signal;
  }
  return image;
}

/**
 * How far lesions stand out on FLAIR. A large confluent load is easy to threshold and a small one nearly
 * impossible, and coarse voxels average noise and confounders away; this evens both out in part, so that the
 * best threshold stays poor (Dice about .3 to .6) over loads and voxel sizes.
 */
function flairConspicuity({ field, maps, frame }: Scene): number {
  let voxels = 0;
  for (const index of maps.voxels) if (field.inside[index]! > 0) voxels++;
  const ml = Math.max((voxels * frame.voxel ** 3) / 1000, 0.2);
  return (1.12 - 0.085 * Math.log(ml)) * Math.min(1.12, (2 / frame.voxel) ** 0.35);
}

/** What each lesion shows on one image, relative to white matter = 1. */
function lesionLevels(
  lesions: readonly Lesion[],
  modality: Modality,
  level: number,
  random: Random,
): Float64Array {
  return Float64Array.from(lesions, (lesion) => {
    const strength = modality === 'T1w' ? lesion.blackHole : lesion.strength;
    return 1 + (level - 1) * strength * Math.exp(random.normal(0, 0.1));
  });
}

/** A map of soft blotches (0..1) anywhere in the brain, about the size of lesions. */
function drawGhosts(scene: Scene, random: Random): Float32Array {
  const { maps, grid, frame } = scene;
  const [nx, ny, nz] = grid.shape;
  const map = new Float32Array(maps.brain.length);
  const count = 14 + random.integer(22);
  for (let n = 0; n < count; n++) {
    const at = maps.voxels[random.integer(maps.voxels.length)]!;
    const centre = [at % nx, Math.floor(at / nx) % ny, Math.floor(at / (nx * ny))] as const;
    const radii = frame.step.map((step) => Math.max(random.uniform(2, 5.5) / step, 0.7)) as [
      number,
      number,
      number,
    ];
    const strength = random.uniform(0.5, 1.2);
    const reach = radii.map((r) => Math.ceil(2 * r)) as [number, number, number];
    for (let k = Math.max(0, centre[2] - reach[2]); k <= Math.min(nz - 1, centre[2] + reach[2]); k++) {
      for (let j = Math.max(0, centre[1] - reach[1]); j <= Math.min(ny - 1, centre[1] + reach[1]); j++) {
        for (let i = Math.max(0, centre[0] - reach[0]); i <= Math.min(nx - 1, centre[0] + reach[0]); i++) {
          const d2 =
            ((i - centre[0]) / radii[0]) ** 2 +
            ((j - centre[1]) / radii[1]) ** 2 +
            ((k - centre[2]) / radii[2]) ** 2;
          const index = (k * ny + j) * nx + i;
          map[index] = Math.max(map[index]!, strength * Math.exp(-d2));
        }
      }
    }
  }
  return map;
}

/** The scanner's point spread: a separable Gaussian of `sigma` voxels, three taps wide. */
function blur(image: Float32Array, shape: readonly [number, number, number], sigma: number): void {
  const [nx, ny] = shape;
  const side = Math.exp(-1 / (2 * sigma * sigma));
  const centre = 1 / (1 + 2 * side);
  const flank = side * centre;
  for (const stride of [1, nx, nx * ny]) {
    // In place: the value before is kept from being overwritten in a ring as long as the stride.
    const ring = new Float32Array(stride);
    for (let i = 0; i < image.length; i++) {
      const slot = i % stride;
      const value = image[i]!;
      const ahead = i + stride < image.length ? image[i + stride]! : 0;
      image[i] = centre * value + flank * (ring[slot]! + ahead);
      ring[slot] = value;
    }
  }
}

/** Bias field, Rician noise, gain and rounding, inside the brain; zero outside it. */
function spoil(
  image: Float32Array,
  scene: Scene,
  acquisition: Acquisition,
  gain: number,
  random: Random,
): void {
  const { maps, position } = scene;
  const bias = drawBias(acquisition.biasField, random.fork('bias'));
  const noise = random.fork('noise');
  const point = new Float64Array(3);
  const factor = new Float64Array(1);
  for (const index of maps.voxels) {
    position(index, point);
    bias.sample(point[0]!, point[1]!, point[2]!, factor);
    const signal = image[index]! * factor[0]!;
    // One polar draw is two independent normal deviates: real and imaginary noise.
    const radius = acquisition.noise * Math.sqrt(-2 * Math.log((noise.uint32() + 0.5) / 4294967296));
    const angle = noise.uniform(0, 2 * Math.PI);
    const real = signal + radius * Math.cos(angle);
    const imaginary = radius * Math.sin(angle);
    image[index] = Math.max(1, Math.round(gain * Math.sqrt(real * real + imaginary * imaginary)));
  }
  for (let i = 0; i < image.length; i++) if (maps.brain[i] === 0) image[i] = 0;
}

/** A smooth field with mean about 1 whose extremes within the brain's box are `swing` apart. */
function drawBias(swing: number, random: Random): Lattice {
  const lattice = new Lattice(LOW, HIGH, 16);
  const wave = new WaveNoise(random, 190, 8, 0.3);
  lattice.fill(0, (x, y, z) => wave.at(x, y, z));
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  // Extremes over an ellipsoid the size of a brain: the box's corners hold no tissue.
  for (let k = 0, index = 0; k < lattice.extent[2]; k++) {
    for (let j = 0; j < lattice.extent[1]; j++) {
      for (let i = 0; i < lattice.extent[0]; i++, index++) {
        const [u, v, w] = [(LOW[0] + 16 * i) / 70, (LOW[1] + 16 * j + 17) / 88, (LOW[2] + 16 * k - 6) / 72];
        if (u * u + v * v + w * w > 1) continue;
        low = Math.min(low, lattice.data[index]!);
        high = Math.max(high, lattice.data[index]!);
      }
    }
  }
  for (let i = 0; i < lattice.data.length; i++) {
    lattice.data[i] = 1 + swing * ((lattice.data[i]! - low) / (high - low) - 0.5);
  }
  return lattice;
}
