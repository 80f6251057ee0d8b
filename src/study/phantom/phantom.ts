import { UsageError } from '../../core/errors.ts';
import { Random } from '../../core/random.ts';
import { setting, type Wording, worded } from '../../core/wording.ts';
import type { Grid } from '../../imaging/volume/volume.ts';
import { Anatomy, type AnatomyMaps, rasterizeAnatomy } from './anatomy.ts';
import type { Modality } from './contrasts.ts';
import { type Frame, placeGrid } from './frame.ts';
import { type Acquisition, renderModalities } from './imaging.ts';
import { BorderNoise, LesionField } from './lesion-field.ts';
import { loadAtQuantile } from './lesion-statistics.ts';
import { evolveLesions, type Lesion, type LesionSite, planLesions } from './lesions.ts';
import { drawRaters } from './raters.ts';

/** Settings of a phantom. Equal settings give equal bytes. */
export interface PhantomOptions {
  /** Any integer; every seed is another set of patients. */
  readonly seed: number;
  /** Which patient, from 0. Default 0. */
  readonly subjectIndex?: number;
  /** Which visit of the patient, from 0. Default 0. */
  readonly visit?: number;
  /** Voxels along x (right), y (front), z (up). Default 91 x 109 x 91. */
  readonly shape?: readonly [number, number, number];
  /** Edges of a voxel (mm), or one for all three. Default 2. */
  readonly spacing?: number | readonly [number, number, number];
  /** Lesion volume (ml at true brain size) instead of one drawn from the measured distribution (0.3 to 52 ml). */
  readonly lesionLoad?: number;
  /** Noise deviation relative to white matter instead of one drawn from .018 to .032. */
  readonly noise?: number;
  /** Peak-to-peak swing of the bias field instead of one drawn per image from .1 to .2. */
  readonly biasField?: number;
}

/** A phantom scan and everything that is true of it. All arrays have one entry a voxel, x fastest. */
export interface Phantom {
  readonly grid: Grid;
  /** Skull-stripped images: whole numbers, 0 outside the brain, at least 1 inside. */
  readonly modalities: Record<Modality, Float32Array>;
  /** True lesions, 0 or 1. */
  readonly lesions: Uint8Array;
  /** What two raters would draw, 0 or 1. */
  readonly raters: readonly [Uint8Array, Uint8Array];
  /** True fractions of each voxel; they sum to 1 in the brain and lesions count as white matter. */
  readonly tissues: { readonly GM: Float32Array; readonly WM: Float32Array; readonly CSF: Float32Array };
  /** 1 in the brain with the fluid around it. */
  readonly brain: Uint8Array;
}

/** One patient, whose anatomy and lesion plan are made once and scanned at any visit. */
export class PhantomSubject {
  readonly grid: Grid;
  readonly #options: PhantomOptions;
  readonly #frame: Frame;
  readonly #random: Random;
  readonly #maps: AnatomyMaps;
  readonly #site: LesionSite;
  readonly #plan: readonly Lesion[];

  /** @throws UsageError where a setting makes no sense. */
  constructor(options: PhantomOptions) {
    const { shape, spacing, subjectIndex } = checkOptions(options);
    const { grid, frame } = placeGrid(shape, spacing);
    this.#options = options;
    this.grid = grid;
    this.#frame = frame;
    const study = new Random(options.seed);
    this.#random = study.fork(`subject ${subjectIndex}`);
    const anatomy = new Anatomy(this.#random.fork('anatomy'));
    this.#maps = rasterizeAnatomy(anatomy, grid, frame);
    const border = new BorderNoise(this.#random.fork('border'));
    this.#site = { anatomy, maps: this.#maps, grid, frame, border };
    // Steps of the golden ratio spread the loads of any number of patients over the whole distribution.
    const quantile = (study.fork('load').uniform() + subjectIndex * 0.6180339887) % 1;
    // Below some forty voxels there is nothing to segment.
    const least = (40 * frame.voxel ** 3) / 1000;
    const load = Math.max(options.lesionLoad ?? loadAtQuantile(quantile), least);
    this.#plan = planLesions(this.#site, load, this.#random.fork('lesions'));
  }

  /** The scan of a visit, counted from 0. */
  scan(visit: number): Phantom {
    const maps = this.#maps;
    const random = this.#random;
    const lesions = evolveLesions(this.#site, this.#plan, visit, random.fork('course'));
    const field = new LesionField(maps, this.grid, this.#frame, this.#site.border);
    lesions.forEach((lesion, i) => {
      field.stamp(lesion, i + 1);
    });
    const [nx, ny] = this.grid.shape;
    const { origin, step } = this.#frame;
    const position = (index: number, out: Float64Array): void => {
      const row = Math.floor(index / nx);
      out[0] = origin[0] + (index - row * nx) * step[0];
      out[1] = origin[1] + (row % ny) * step[1];
      out[2] = origin[2] + Math.floor(row / ny) * step[2];
    };
    const now = random.fork(`visit ${visit}`);
    const scene = { grid: this.grid, frame: this.#frame, maps, lesions, field, position };
    const acquire = (draw: Random): Acquisition => ({
      noise: this.#options.noise ?? draw.uniform(0.018, 0.032),
      biasField: this.#options.biasField ?? draw.uniform(0.1, 0.2),
    });
    const truth = new Uint8Array(maps.brain.length);
    for (const index of maps.voxels) if (field.inside[index]! > 0) truth[index] = 1;
    return {
      grid: this.grid,
      modalities: renderModalities(scene, random.fork('imaging'), now, acquire),
      lesions: truth,
      raters: drawRaters(field, lesions, maps, position, this.#frame, now.fork('raters')),
      tissues: trueTissues(maps, truth),
      brain: maps.brain.slice(),
    };
  }
}

/**
 * Makes one scan of one phantom patient with multiple sclerosis: FLAIR, T1w, PDw and T2w, lesions, two raters and
 * tissue fractions. For several visits of a patient make a {@link PhantomSubject} once and scan it.
 * @throws UsageError where a setting makes no sense.
 */
export function makePhantom(options: PhantomOptions): Phantom {
  return new PhantomSubject(options).scan(options.visit ?? 0);
}

function trueTissues(maps: AnatomyMaps, truth: Uint8Array): Phantom['tissues'] {
  const count = truth.length;
  const tissues = { GM: new Float32Array(count), WM: new Float32Array(count), CSF: new Float32Array(count) };
  for (const index of maps.voxels) {
    if (truth[index] === 1) {
      tissues.WM[index] = 1;
      continue;
    }
    const grey = maps.corticalGrey[index]! + maps.deepGrey[index]! + maps.pallidum[index]!;
    tissues.GM[index] = grey;
    tissues.WM[index] = maps.white[index]!;
    tissues.CSF[index] = Math.max(0, 1 - grey - maps.white[index]!);
  }
  return tissues;
}

/** Fewest voxels along an axis that still hold anatomy. */
const MIN_EXTENT = 16;

function checkOptions(options: PhantomOptions): {
  shape: readonly [number, number, number];
  spacing: readonly [number, number, number];
  subjectIndex: number;
} {
  const { shape = [91, 109, 91], spacing = 2, subjectIndex = 0, visit = 0 } = options;
  const refuse = (name: string, rule: string, value: unknown, hint: string | Wording): never => {
    throw new UsageError(`phantom: ${name} must be ${rule}, not ${String(value)}`, { hint });
  };
  if (!Number.isInteger(options.seed))
    refuse('seed', 'a whole number', options.seed, worded`Give ${setting('seed', 1)}, say.`);
  if (!Number.isInteger(subjectIndex) || subjectIndex < 0) {
    refuse('subjectIndex', 'a whole number from 0', subjectIndex, 'The first patient is 0.');
  }
  if (!Number.isInteger(visit) || visit < 0) {
    refuse('visit', 'a whole number from 0', visit, 'The first visit is 0.');
  }
  if (shape.length !== 3 || shape.some((n) => !Number.isInteger(n) || n < MIN_EXTENT)) {
    refuse(
      'shape',
      `three whole numbers of at least ${MIN_EXTENT}`,
      shape,
      worded`Try ${setting('shape', '91,109,91')}.`,
    );
  }
  const edges = typeof spacing === 'number' ? ([spacing, spacing, spacing] as const) : spacing;
  if (edges.length !== 3 || edges.some((mm) => !(mm > 0 && mm <= 20))) {
    refuse('spacing', 'positive and at most 20 mm', spacing, worded`Try ${setting('spacing', 2)}.`);
  }
  const { lesionLoad, noise, biasField } = options;
  if (lesionLoad !== undefined && !(lesionLoad > 0 && lesionLoad <= 100)) {
    refuse('lesionLoad', 'above 0 and at most 100 ml', lesionLoad, 'Real loads run from 0.3 to 52 ml.');
  }
  if (noise !== undefined && !(noise >= 0 && noise <= 1)) {
    refuse('noise', 'between 0 and 1', noise, 'Real scans have about 0.03.');
  }
  if (biasField !== undefined && !(biasField >= 0 && biasField <= 1)) {
    refuse('biasField', 'between 0 and 1', biasField, '0.2 swings from 0.9 to 1.1.');
  }
  return { shape, spacing: edges, subjectIndex };
}
