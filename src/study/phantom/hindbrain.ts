import type { Random } from '../../core/random.ts';
import { ellipsoid, type Limb, limb, smoothMin, smoothStep } from './geometry.ts';
import { WaveNoise } from './noise.ts';

const MEDULLA: Limb = { a: [0, -35, -42], b: [0, -44, -62], ra: 9.5, rb: 7 };
const PEDUNCLE: Limb = { a: [13, -32, -32], b: [21, -57, -36], ra: 6.5, rb: 4.5 };
const CRUS: Limb = { a: [9, -20, -16], b: [18, -12, 2], ra: 7, rb: 8 };

/** Angle between two folia of the cerebellum, seen from the fourth ventricle (radians). */
const FOLIUM = 0.16;
const FOLIUM_DEPTH = 12;
/** Thickness of the cerebellar cortex (mm): the white core of a folium ends below its crown. */
export function folialThickness(hull: number): number {
  return 1.6 + 2 * smoothStep(-11, -4, hull);
}

/** Distance (mm) to the cerebellum's smooth outside; negative inside. */
export function cerebellumHull(x: number, y: number, z: number): number {
  const ax = Math.abs(x);
  const hemisphere = ellipsoid(ax - 22, y + 64, z + 36, 29, 28, 22);
  const vermis = ellipsoid(x, y + 62, z + 26, 15, 24, 25);
  return smoothMin(hemisphere, vermis, 5);
}

/** Distance (mm) to the midbrain, pons and medulla and to the white matter that ties them to the rest. */
export function brainStem(x: number, y: number, z: number): number {
  const ax = Math.abs(x);
  const midbrain = ellipsoid(x, y + 24, z + 11, 17, 13, 13);
  const pons = ellipsoid(x, y + 26, z + 31, 17, 13, 15);
  const stem = smoothMin(smoothMin(midbrain, pons, 5), limb(x, y, z, MEDULLA), 5);
  return Math.min(smoothMin(stem, limb(ax, y, z, CRUS), 4), limb(ax, y, z, PEDUNCLE));
}

/** The cerebellum's folia: fissures that fan out from the fourth ventricle, gently warped. */
export class Folia {
  readonly #wobble: WaveNoise;

  constructor(random: Random) {
    this.#wobble = new WaveNoise(random.fork('folia'), 45, 6);
  }

  /** Distance (mm) to the nearest fluid, positive in tissue. `hull` is {@link cerebellumHull}. */
  depth(x: number, y: number, z: number, hull: number): number {
    const dy = y + 44;
    const dz = z + 33;
    const radius = Math.sqrt(dy * dy + dz * dz);
    const turn = (Math.atan2(dz, -dy) + 0.09 * this.#wobble.at(x, y, z)) / FOLIUM;
    const sheet = radius * FOLIUM * (turn - Math.round(turn));
    const below = Math.max(-hull - FOLIUM_DEPTH, 0);
    return smoothMin(-hull, Math.sqrt(sheet * sheet + below * below) - 0.1, 0.5);
  }
}
