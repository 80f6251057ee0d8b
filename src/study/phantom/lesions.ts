import type { Random } from '../../core/random.ts';
import type { Grid } from '../../imaging/volume/volume.ts';
import type { Anatomy, AnatomyMaps } from './anatomy.ts';
import type { Frame } from './frame.ts';
import { BORDER_OFFSET, type BorderNoise, LesionField } from './lesion-field.ts';
import {
  COUNT_DEVIATION,
  COUNT_INTERCEPT,
  COUNT_SLOPE,
  PERIVENTRICULAR_DEVIATION,
  periventricularShare,
  SEMI_AXES,
  SMALL_LESION_DEVIATION,
  SMALL_LESION_MEDIAN,
  SMALLEST_LESION,
} from './lesion-statistics.ts';
import { WaveNoise } from './noise.ts';

type Triple = readonly [number, number, number];

/** One lesion: an ellipsoid with a rough border, in model millimetres. Confluent lesions are many of these. */
export interface Lesion {
  readonly centre: Triple;
  /** Unit vectors of the ellipsoid's axes, the last one the long axis. */
  readonly axes: readonly [Triple, Triple, Triple];
  readonly radii: Triple;
  /** Where in the border noise this lesion looks. */
  readonly offset: Triple;
  readonly periventricular: boolean;
  /** How far its intensities go from white matter's: 0.6 faint to 1.3 strong. */
  readonly strength: number;
  /** How dark it is on T1: 0 like white matter, 1 a black hole. */
  readonly blackHole: number;
}

/** Largest number of lesions a subject gets (identifiers are 16 bits wide). */
const MAX_LESIONS = 4000;

/** What {@link planLesions} places lesions in. */
export interface LesionSite {
  readonly anatomy: Anatomy;
  readonly maps: AnatomyMaps;
  readonly grid: Grid;
  readonly frame: Frame;
  readonly border: BorderNoise;
}

/**
 * Draws a subject's lesions. Periventricular ones are fingers that stand on the ventricle wall and are added,
 * clustered, until they cover their share of the load; the rest are small and lie scattered in white matter,
 * ever fewer with distance from the ventricles.
 * @param load total volume wanted, in ml of model space.
 */
export function planLesions(site: LesionSite, load: number, random: Random): Lesion[] {
  const { frame } = site;
  const field = new LesionField(site.maps, site.grid, frame, site.border);
  const voxelVolume = frame.voxel ** 3;
  const volume = load * 1000;
  const share = Math.min(
    Math.max(random.normal(periventricularShare(load), PERIVENTRICULAR_DEVIATION), 0.1),
    0.95,
  );
  const lesions: Lesion[] = [];
  const place = (draw: () => Lesion): number => {
    const lesion = draw();
    const gained = field.stamp(lesion, lesions.length + 1);
    if (gained > 0) lesions.push(lesion);
    return gained * voxelVolume;
  };

  const sites = new WaveNoise(random.fork('sites'), 42, 10);
  const finger = 62 * Math.sqrt(load);
  let left = volume * share;
  for (let tries = 0; left > 0.3 * Math.min(finger, volume * share) && tries < MAX_LESIONS / 4; tries++) {
    const drawn = finger * Math.exp(random.normal(0, 0.8));
    const size = Math.max(Math.min(drawn, 1.4 * left), 1.5 * voxelVolume);
    left -= place(() => drawFinger(site, sites, size, random));
  }

  let rest = Math.max(volume * (1 - share) + Math.min(left, 0), 2 * voxelVolume);
  const count = Math.exp(COUNT_INTERCEPT + COUNT_SLOPE * Math.log(load) + random.normal(0, COUNT_DEVIATION));
  const most = Math.floor(rest / (2 * voxelVolume));
  const sizes: number[] = [];
  for (let i = 0; i < Math.max(1, Math.min(count, most, MAX_LESIONS / 2)); i++) {
    sizes.push(SMALL_LESION_MEDIAN * Math.exp(random.normal(0, SMALL_LESION_DEVIATION)));
  }
  const fit = (1.05 * rest) / sizes.reduce((sum, size) => sum + size, 0);
  sizes.sort((a, b) => b - a);
  for (const size of sizes) {
    if (rest < -0.05 * volume) break;
    const fitted = Math.min(Math.max(size * fit, SMALLEST_LESION, 1.3 * voxelVolume), 4000);
    for (let tries = 0, gained = 0; gained === 0 && tries < 5; tries++) {
      gained = place(() => drawScattered(site, fitted, random));
      rest -= gained;
    }
  }
  return lesions;
}

/**
 * The same subject's lesions some visits later: each has grown or shrunk a little at every visit, and a few new
 * ones have come. Visit 0 is the plan itself; a visit always contains the one before it.
 */
export function evolveLesions(
  site: LesionSite,
  plan: readonly Lesion[],
  visit: number,
  random: Random,
): Lesion[] {
  let lesions = [...plan];
  for (let v = 1; v <= visit; v++) {
    const change = random.fork(`visit ${v}`);
    lesions = lesions.map((lesion) => {
      const factor = Math.exp(change.normal(0.01, 0.05));
      const [a, b, c] = lesion.radii;
      return { ...lesion, radii: [a * factor, b * factor, c * factor] as const };
    });
    const fresh = change.integer(4);
    for (let i = 0; i < fresh && lesions.length < MAX_LESIONS; i++) {
      const size = Math.max(
        2 * SMALL_LESION_MEDIAN * Math.exp(change.normal(0, SMALL_LESION_DEVIATION)),
        2 * site.frame.voxel ** 3,
      );
      lesions.push(drawScattered(site, Math.min(size, 1000), change));
    }
  }
  return lesions;
}

/** A lesion that stands on the ventricle wall, long axis across it ("Dawson's finger") or, now and then, along it. */
function drawFinger(site: LesionSite, sites: WaveNoise, size: number, random: Random): Lesion {
  const { anatomy, frame } = site;
  let x = 0;
  let y = 0;
  let z = 0;
  for (let tries = 0; tries < 4000; tries++) {
    x = random.uniform(-48, 48);
    y = random.uniform(-84, 46);
    z = random.uniform(-26, 40);
    const sample = anatomy.at(x, y, z, frame.voxel);
    if (!sample.inBrain || sample.white < 0.6) continue;
    if (sample.ventricleDistance < 0.3 || sample.ventricleDistance > 3.5) continue;
    // Clustered at a subject's own sites; rarely in the temporal horns.
    const likely = 1 / (1 + Math.exp(-2.2 * sites.at(x, y, z))) - (z < -4 ? 0.45 : 0);
    if (random.uniform() < likely) break;
  }
  const normal = wallNormal(anatomy, x, y, z, frame.voxel);
  const across = random.uniform() < 0.7;
  const tangent = orthogonal(normal, random);
  const long = across ? normal : tangent;
  const radii = drawRadii(size, random);
  const reach = 0.55 * (across ? radii[2] : radii[0]);
  const centre = [x + reach * normal[0], y + reach * normal[1], z + reach * normal[2]] as const;
  return makeLesion(centre, long, radii, true, random);
}

function drawScattered(site: LesionSite, size: number, random: Random): Lesion {
  const { anatomy, frame } = site;
  let x = 0;
  let y = 0;
  let z = 0;
  for (let tries = 0; tries < 4000; tries++) {
    x = random.uniform(-70, 70);
    y = random.uniform(-106, 72);
    z = random.uniform(-52, 76);
    const sample = anatomy.at(x, y, z, frame.voxel);
    if (!sample.inBrain || sample.white < 0.85 || sample.ventricleDistance < 2) continue;
    const near = Math.exp(-sample.ventricleDistance / 16) + 0.1;
    if (random.uniform() < near * (z < -18 ? 0.12 : 1)) break;
  }
  const long = randomDirection(random);
  return makeLesion([x, y, z], long, drawRadii(size, random), false, random);
}

function makeLesion(
  centre: Triple,
  long: Triple,
  radii: Triple,
  periventricular: boolean,
  random: Random,
): Lesion {
  const short = orthogonal(long, random);
  const middle: Triple = cross(long, short);
  const shift = (): number => random.uniform(-BORDER_OFFSET, BORDER_OFFSET);
  const offset = [shift(), shift(), shift()] as const;
  return {
    centre,
    axes: [short, middle, long],
    radii,
    offset,
    periventricular,
    strength: random.uniform(0.65, 1.2),
    blackHole: Math.min(1, Math.max(0.1, random.normal(0.5, 0.25))),
  };
}

/** Semi-axes (mm) of an ellipsoid of a volume (mm3), the proportions varied. */
function drawRadii(size: number, random: Random): Triple {
  const s = SEMI_AXES.map((ratio) => ratio * Math.exp(random.normal(0, 0.15)));
  const scale = Math.cbrt((3 * size) / (4 * Math.PI * s[0]! * s[1]! * s[2]!));
  return [s[0]! * scale, s[1]! * scale, s[2]! * scale];
}

/** Unit vector away from the ventricle, by central differences. */
function wallNormal(anatomy: Anatomy, x: number, y: number, z: number, voxel: number): Triple {
  const distance = (dx: number, dy: number, dz: number): number =>
    anatomy.at(x + dx, y + dy, z + dz, voxel).ventricleDistance;
  const g: Triple = [
    distance(1, 0, 0) - distance(-1, 0, 0),
    distance(0, 1, 0) - distance(0, -1, 0),
    distance(0, 0, 1) - distance(0, 0, -1),
  ];
  return normalise(g);
}

function randomDirection(random: Random): Triple {
  return normalise([random.normal(), random.normal(), random.normal()]);
}

function orthogonal(v: Triple, random: Random): Triple {
  return normalise(cross(v, randomDirection(random)));
}

function cross(a: Triple, b: Triple): Triple {
  return [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]];
}

function normalise(v: Triple): Triple {
  const norm = Math.hypot(v[0], v[1], v[2]) + 1e-12;
  return [v[0] / norm, v[1] / norm, v[2] / norm];
}
