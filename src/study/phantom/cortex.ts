import type { Random } from '../../core/random.ts';
import { clamp, ellipse, ellipsoid, smoothMax, smoothMin, smoothStep } from './geometry.ts';
import { Lattice, WaveNoise } from './noise.ts';
import type { Traits } from './traits.ts';

/**
 * The cerebrum's cortex. Two smooth hemispheres, made of lobes and parted by the interhemispheric fissure,
 * are cut by the Sylvian fissures and by sulci: sheets normal to the surface that stand on a labyrinth (the
 * zero set of band-limited noise on the surface) and end at a varying depth. Grey matter is whatever lies
 * within the cortical thickness of these spaces, so the ribbon follows gyral crowns, banks and fundi.
 * Coordinates: model millimetres, x right, y front, z up, origin near the anterior commissure.
 */
export class Cortex {
  readonly #traits: Traits;
  /** Channels: distance to the nearest sulcal sheet, sulcal depth, cortical thickness, crown height (mm). */
  readonly #folds: Lattice;
  readonly #sample: Float64Array = new Float64Array(4);
  /** Thickness of the ribbon at the last point asked for. */
  thickness = 0;

  constructor(traits: Traits, random: Random) {
    this.#traits = traits;
    this.#folds = makeFolds(traits, random);
  }

  /**
   * Distance (mm) from a point to the nearest cerebrospinal fluid outside the cerebrum or in a fissure or
   * sulcus: positive in tissue, negative in fluid. Sets {@link thickness}. `hull` is {@link cerebrumHull}.
   */
  depth(x: number, y: number, z: number, hull: number): number {
    this.#folds.sample(x, y, z, this.#sample);
    const surface = surfaceDepth(x, y, z, hull) + this.#sample[3]!;
    const sheet = this.#sample[0]!;
    const sulcus = this.#sample[1]!;
    this.thickness = this.#sample[2]!;
    const below = Math.max(surface - sulcus, 0);
    const open = this.#traits.sulcusHalfWidth + 1.4 * smoothStep(6, -1, surface);
    const toSulcus = Math.sqrt(sheet * sheet + below * below) - open;
    return smoothMin(smoothMin(surface, toSulcus, 1.2), sylvian(x, y, z, this.#traits), 1.2);
  }
}

/** Distance (mm) to the smooth outside of both hemispheres, before any fissure is cut; negative inside. */
export function cerebrumHull(x: number, y: number, z: number): number {
  const ax = Math.abs(x);
  // Flat-sided in x, and narrower in front than behind.
  const side = Math.max(0, ax * (1 + 0.14 * smoothStep(-10, 60, y)) - 14);
  const main = ellipsoid(side, y + 17, z - 15, 51, 85, 57);
  const occipital = ellipsoid(ax - 18, y + 70, z - 2, 26, 31, 24);
  let hull = smoothMin(main, occipital, 8);
  // Base of the brain: orbital surface in front, diencephalon in the middle, tentorium behind.
  const tentorium = -17 + 19 * Math.exp(-(ax * ax) / 480) * smoothStep(-92, -62, y);
  const base = -23 + 12 * smoothStep(24, 6, y) + (tentorium + 11) * smoothStep(-28, -45, y);
  hull = smoothMax(hull, base - z, 6);
  const temporal = ellipsoid(ax - 44, y + 15, z + 16, 20, 38, 25);
  return smoothMin(hull, temporal, 6);
}

/** Distance (mm, in the mid-sagittal plane) to the outer edge of the corpus callosum; negative below it. */
export function callosalArch(y: number, z: number): number {
  return ellipse(y + 4, z - 3, 38, 25);
}

/** Depth below the smooth surface and the interhemispheric fissure, positive inside. */
function surfaceDepth(x: number, y: number, z: number, hull: number): number {
  const ax = Math.abs(x);
  const arch = callosalArch(y, z);
  const width = 0.7 + 1.5 * smoothStep(-9, 0, hull);
  const fissure = (arch >= 0 ? ax : Math.sqrt(ax * ax + arch * arch)) - width;
  return smoothMin(-hull, fissure, 4);
}

/** Distance to the Sylvian fissure and to the fluid over the insula at its bottom. */
function sylvian(x: number, y: number, z: number, traits: Traits): number {
  const ax = Math.abs(x);
  const floor = z + 8 + 0.36 * (y - 20);
  const ends = Math.max(0, y - 22, -44 - y);
  const medial = Math.max(0, 38 - ax);
  const slit = Math.sqrt(0.88 * floor * floor + medial * medial + ends * ends);
  const plate = Math.max(0, Math.abs(floor - 2) - 11);
  const before = Math.max(0, y - 18, -18 - y);
  const off = ax - 38.5 - 0.1 * Math.abs(floor);
  const insula = Math.sqrt(off * off + plate * plate + before * before);
  return Math.min(slit, insula) - 0.7 - traits.sulcusHalfWidth;
}

function makeFolds(traits: Traits, random: Random): Lattice {
  const lattice = new Lattice([-78, -112, -56], [78, 80, 88], 3, 4);
  const shallow = new Lattice(lattice.min, [78, 80, 88], 3, 1);
  shallow.fill(0, (x, y, z) => surfaceDepth(x, y, z, cerebrumHull(x, y, z)));
  // The zeros of noise of wavelength L lie about L / 2 apart.
  const primary = new WaveNoise(random.fork('gyri'), 2 * traits.gyrusWidth, 24);
  const secondary = new WaveNoise(random.fork('dimples'), traits.gyrusWidth, 16);
  const bend = new WaveNoise(random.fork('bend'), 30, 10);
  const depth = new WaveNoise(random.fork('depth'), 38, 10);
  const thickness = new WaveNoise(random.fork('thickness'), 45, 8);

  // The folding function lives on the surface: a point inside takes the value at its foot there. It is
  // kept in `shallow`'s second life so that its slope can be had by differences.
  const slope = new Float64Array(3);
  const fold = new Lattice(lattice.min, [78, 80, 88], 3, 1);
  fold.fill(0, (x, y, z, index) => {
    const inside = shallow.data[index]!;
    if (inside > 30 || inside < -12) return 3;
    shallow.gradient(0, index, slope);
    const norm = Math.hypot(slope[0]!, slope[1]!, slope[2]!) + 1e-6;
    const lean = 0.16 * inside * bend.at(x, y, z);
    const fx = x - (slope[0]! / norm) * inside + lean;
    const fy = y - (slope[1]! / norm) * inside + lean;
    const fz = z - (slope[2]! / norm) * inside - lean;
    return primary.at(fx, fy, fz) + 0.4 * secondary.at(fx, fy, fz);
  });
  const wave = Math.PI / (1.15 * traits.gyrusWidth);
  const floor = 0.3 * wave;
  lattice.fill(0, (_x, _y, _z, index) => {
    fold.gradient(0, index, slope);
    const steepness = Math.hypot(slope[0]!, slope[1]!, slope[2]!, floor);
    // Exact for a plain wave, where value over slope alone would be the tangent of the distance.
    return Math.atan((wave * fold.data[index]!) / steepness) / wave;
  });
  lattice.fill(1, (x, y, z) => {
    const wanted = 17 + 5 * depth.at(x, y, z);
    // Sulci of the medial wall stop short of the corpus callosum.
    const medial = Math.abs(x) < 22 ? clamp(callosalArch(y, z) / 12) : 1;
    const temporal = 1 - 0.35 * smoothStep(-4, -14, z);
    return clamp(wanted, 6, 27) * medial * temporal;
  });
  lattice.fill(2, (x, y, z) => traits.cortexThickness * clamp(1 + 0.12 * thickness.at(x, y, z), 0.75, 1.25));
  const crown = new WaveNoise(random.fork('crown'), 19, 12);
  lattice.fill(3, (x, y, z) => clamp(0.8 * crown.at(x, y, z) - 0.5, -2.2, 0.8));
  return lattice;
}
